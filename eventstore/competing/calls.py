"""The scripts of a competing group, as calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eventstore.errors import Diverged, GroupNotFound, UndecodableEvent
from eventstore.flow import Argument, Call, as_is
from eventstore.kinds import KINDS
from eventstore.scripts import script

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from eventstore.errors import CommandFailed
    from eventstore.keys import Keys
    from eventstore.parking.record import Parked
    from eventstore.subscribing.wanted import Wanted

DISPATCH_LIMIT: Final = 250
MOST_WORK: Final = 1_000
_SILENT_TAKEOVERS: Final = 20
_VERSIONS: Final[tuple[Argument, ...]] = (
    len(KINDS),
    *(part for kind, cls in KINDS.items() for part in (kind, cls.VERSION)),
)


class Taken(NamedTuple):
    """A piece of work in this process's hands: where it lies, whose event, which delivery.

    `position` is 0 for an entry that somebody else added, which is no work.
    `failed` counts the tries that failed before this entry, `deliveries` how often the entry was
    given out, so that this is try number `failed + deliveries`.
    """

    keys: Keys
    entry: str
    consumer: str
    deliveries: int
    position: int
    failed: int

    @property
    def attempt(self) -> int:
        """The number of this try, from 1."""
        return self.failed + self.deliveries


class Dispatched(NamedTuple):
    """How far a dispatch came, and how much it put on work.

    `wait` is ms until more is due, None for nothing; `last` is the last entry of work, and
    `is_full` says that the log waits until some of it is settled. `trimmed`
    is the checkpoint behind which the stream no longer holds what comes next.
    """

    position: int = 0
    added: int = 0
    wait: int | None = None
    last: str = "0-0"
    is_full: bool = False
    trimmed: str = ""


class Passed(NamedTuple):
    """An event that is read elsewhere, as `dispatch.lua` looks at one."""

    position: int
    kind: str
    type: str
    version: int
    chain: str


def dispatch(
    keys: Keys, wanted: Wanted, behind: str = "", events: Iterable[Passed] = ()
) -> Call[Dispatched]:
    """Put the next events on the group's work, those given or those of the stream.

    Raises `GroupNotFound`, `UndecodableEvent` or `Diverged`.
    """
    work = keys.work(wanted.group)
    arguments: list[Argument] = [wanted.group, DISPATCH_LIMIT, MOST_WORK]
    for names in (wanted.kinds, wanted.types):
        arguments += (len(names or ()), *sorted(names or ()))
    arguments += (*_VERSIONS, behind)
    for event in events:
        arguments += event
    own = (keys.stream, keys.checkpoints, keys.progress(wanted.group), keys.competing)

    def parse(reply: list[bytes]) -> Dispatched:
        return _dispatched(keys, wanted.group, [value.decode() for value in reply])

    return Call(script("dispatch"), (*own, work.stream, work.due), tuple(arguments), parse)


def _dispatched(keys: Keys, group: str, reply: list[str]) -> Dispatched:
    outcome, *details = reply
    where = f"partition {keys.partition}"
    if outcome == "gone":
        raise GroupNotFound(group)
    if outcome == "newer":
        position, kind, version = details
        raise UndecodableEvent(
            f"{where}, position {position}: a {kind} event has schema version {version}, this code "
            f"knows up to {KINDS[kind].VERSION}; upgrade eventstore before group {group!r} goes on"
        )
    if outcome == "diverged":
        position, chain = details
        raise Diverged(
            f"{where}: group {group!r} has taken the log up to {position} with chain {chain}, and "
            "the log holds another history there; restore the log, or delete the group and begin "
            "anew",
            partition=keys.partition,
            at=int(position),
        )
    if outcome == "trimmed":
        return Dispatched(trimmed=details[0])
    if outcome == "moved":
        return Dispatched()
    position, added, wait, last, full = details
    return Dispatched(int(position), int(added), int(wait) if wait else None, last, full == "1")


def take_new(keys: Keys, group: str, consumer: str, limit: int) -> Call[list[Taken]]:
    """Take work that nobody has yet."""

    def parse(reply: Any) -> list[Taken]:
        entries = reply[0][1] if reply else ()
        return [Taken(keys, *_named(entry, consumer, 1, fields)) for entry, fields in entries]

    stream = keys.work(group).stream
    args = ("GROUP", group, consumer, "COUNT", limit, "STREAMS", stream, ">")
    return Call("XREADGROUP", (), args, parse)


def _named(
    entry: bytes, consumer: str, deliveries: int, fields: Sequence[bytes]
) -> tuple[str, str, int, int, int]:
    said = dict(zip(fields[::2], fields[1::2], strict=True))
    position, failed = (_number(said.get(name, b"")) for name in (b"position", b"attempts"))
    return entry.decode(), consumer, deliveries, position, failed


def _number(text: bytes) -> int:
    return int(text) if text.isdigit() else 0


def claim(
    keys: Keys, group: str, consumer: str, idle_ms: int, limit: int, deleted: list[str]
) -> Call[list[Taken]]:
    """Take over work that nobody has said anything of for `idle_ms`, this process's included.

    The ids of entries that somebody deleted while they were in hand are added to `deleted`.
    """

    def parse(reply: list[bytes]) -> list[Taken]:
        _, gone, *rest = reply
        deleted.extend(gone.decode().split())
        return [
            Taken(keys, entry.decode(), consumer, int(given), _number(position), _number(failed))
            for entry, position, failed, given in zip(*(rest[n::4] for n in range(4)), strict=True)
        ]

    silent = _SILENT_TAKEOVERS * idle_ms
    return Call(
        script("claim"),
        (keys.work(group).stream,),
        (group, consumer, idle_ms, limit, silent),
        parse,
    )


def wait_for_work(keys: Keys, group: str, last: str, wait_ms: int) -> Call[Any]:
    """Wait on the server until there is work behind an entry; the reply says nothing."""
    args = ("COUNT", 1, "BLOCK", wait_ms, "STREAMS", keys.work(group).stream, last)
    return Call("XREAD", (), args, as_is)


def says_no_group(error: CommandFailed) -> bool:
    """Return whether a command failed because the work has no consumer group."""
    return "NOGROUP" in str(error)


def renew(keys: Keys, group: str, held: Iterable[Taken]) -> Call[frozenset[str]]:
    """Say that work is still worked on; return the entries that are in other hands by now."""
    arguments: list[Argument] = [group]
    for each in held:
        arguments += (each.consumer, each.entry, each.deliveries)
    return Call(
        script("renew"),
        (keys.work(group).stream,),
        tuple(arguments),
        lambda reply: frozenset(value.decode() for value in reply[1:]),
    )


def done(group: str, taken: Taken) -> Call[str]:
    """Settle a piece of work for good."""
    return _settle(group, taken, "done")


def again(group: str, taken: Taken, failed: int, delay_ms: int) -> Call[str]:
    """Give a piece of work back, for whoever comes first after a delay."""
    return _settle(group, taken, "again", failed, delay_ms)


def park(group: str, taken: Taken, item: Parked, record: bytes) -> Call[str]:
    """Give a piece of work up."""
    names = taken.keys.parked(group)
    member = names.in_session(item.session_id, item.position)
    return _settle(group, taken, "park", member=member, record=record)


def _settle(
    group: str,
    taken: Taken,
    how: str,
    failed: int = 0,
    delay_ms: int = 0,
    member: str = "",
    record: bytes = b"",
) -> Call[str]:
    """Return the outcome: `ok`; `gone` if it is settled already; `lost` if it is another's."""
    work = taken.keys.work(group)
    parked = taken.keys.parked(group)
    which = (group, taken.consumer, taken.entry, taken.deliveries, how, taken.position)
    return Call(
        script("settle"),
        (work.stream, work.due, *parked.all),
        (*which, failed, delay_ms, member, record),
        lambda reply: str(reply[0].decode()),
    )


class Seat(NamedTuple):
    """A place among those who compete, and every place that is taken."""

    number: str
    live: tuple[str, ...]


def seat(keys: Keys, group: str, token: str, ttl_ms: int, *, leaving: bool = False) -> Call[Seat]:
    """Take, keep or give back a place among those who compete."""

    def parse(reply: list[bytes]) -> Seat:
        _, mine, *live = (value.decode() for value in reply)
        return Seat(mine, tuple(sorted(live, key=int)))

    return Call(
        script("seat"), (keys.work(group).seats,), (token, ttl_ms, "1" if leaving else "0"), parse
    )
