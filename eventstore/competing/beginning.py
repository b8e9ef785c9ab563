"""Setting a competing group up: which events it takes, and where it begins, decided once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from eventstore.errors import GroupNotFound, GroupRefused
from eventstore.flow import Call, Flow, as_is, batch, call
from eventstore.scripts import script
from eventstore.subscribing.beginning import deleting, places
from eventstore.times import current_timestamp
from eventstore.views import START, parse_checkpoint

if TYPE_CHECKING:
    from eventstore.keys import Keys
    from eventstore.log import Log
    from eventstore.subscribing.wanted import Wanted


class CompetingGroup(msgspec.Struct, frozen=True):
    """What is kept of a competing group: which events it takes, null for all, and how it began."""

    kinds: tuple[str, ...] | None
    types: tuple[str, ...] | None
    starts: tuple[str, ...]
    created: str


_decode = msgspec.json.Decoder(CompetingGroup).decode
_encode = msgspec.json.Encoder().encode


def begin_competing(log: Log, wanted: Wanted) -> Flow[None]:
    """Set a group up in every partition; `wanted.start` counts only if there is no such group yet.

    Raises `InvalidInput` for a place that the log does not have, `GroupRefused` if a group of
    another kind has the name, or this one takes other events.
    """
    found: list[bytes | None] = yield from batch(
        [Call("HGET", (keys.competing,), (wanted.group,), as_is) for keys in log.partitions]
    )
    known = next((_decode(record) for record in found if record is not None), None)
    if known is None:
        starts = tuple(map(str, (yield from places(log, wanted.start))))
        known = CompetingGroup(
            _names(wanted.kinds), _names(wanted.types), starts, current_timestamp()
        )
    for keys in log.partitions:
        known = yield from call(_compete(keys, wanted.group, known))
        _check_same(known, wanted)


def mend_competing(log: Log, group: str) -> Flow[None]:
    """Make the work's consumer groups again that somebody destroyed.

    Raises `GroupNotFound` or `GroupRefused` if the group is gone, or going.
    """
    for keys in log.partitions:
        yield from call(_compete(keys, group, None))


def competing_groups(keys: Keys) -> Call[dict[str, CompetingGroup]]:
    """Return the competing groups of a partition by name."""

    def parse(reply: list[bytes]) -> dict[str, CompetingGroup]:
        pairs = zip(reply[::2], reply[1::2], strict=True)
        return {name.decode(): _decode(record) for name, record in pairs}

    return Call("HGETALL", (keys.competing,), (), parse)


def _compete(keys: Keys, group: str, record: CompetingGroup | None) -> Call[CompetingGroup]:
    start = str(START) if record is None else record.starts[keys.partition]
    position = parse_checkpoint(start.encode()).position

    def parse(reply: list[bytes]) -> CompetingGroup:
        outcome, *details = reply
        if outcome == b"gone":
            raise GroupNotFound(group)
        if outcome == b"deleting":
            raise deleting(group)
        if outcome == b"taken":
            raise GroupRefused(
                group, "another kind of group has this name; `eventstore group list` shows it"
            )
        return _decode(details[0])

    work = keys.work(group).stream
    return Call(
        script("compete"),
        (keys.subscribers, keys.competing, keys.checkpoints, keys.stream, work),
        (group, b"" if record is None else _encode(record), start, position),
        parse,
    )


def _check_same(known: CompetingGroup, wanted: Wanted) -> None:
    for what in ("kinds", "types"):
        here, there = _names(getattr(wanted, what)), getattr(known, what)
        if here != there:
            shown = "all" if there is None else ", ".join(there)
            raise GroupRefused(
                wanted.group,
                f"it takes {what} {shown}, as it was set up; compete with the same, or choose "
                "another group",
            )


def _names(given: frozenset[str] | None) -> tuple[str, ...] | None:
    return None if given is None else tuple(sorted(given))
