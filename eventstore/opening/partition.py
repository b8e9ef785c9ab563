"""One partition as an opener finds and leaves it: the scripts that look, establish and admit.

A partition is sealed from the moment at which an unknown server instance is seen until it was
compared with the journal. Only an opener asks this, on connections that may reach an instance
which is not verified.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, cast

from eventstore.errors import Poisoned, WrongStore
from eventstore.flow import Call, Flow
from eventstore.journal import START, End
from eventstore.scripts import script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.connection import ServerIdentity
    from eventstore.keys import Keys

FORMAT: Final = "1"
State = Literal["ok", "sealed", "clearing", "absent", "poisoned"]


class Expected(NamedTuple):
    """What every partition must be of: the store's uuid, "" for any, and its partitions."""

    uuid: str
    partitions: int


@dataclass(frozen=True)
class Standing:
    """A partition as an opener found it.

    `state` is `ok` if this server instance is admitted to it. `end` is where its log ends.
    `was_open` says whether it ever took appends, as far as its meta tells. `left` counts the
    other keys of a partition without meta; `problem` is what is wrong with a poisoned one.
    """

    keys: Keys
    state: State
    uuid: str = ""
    epoch: int = 0
    end: End = START
    was_open: bool = False
    left: int = 0
    problem: str = ""

    @property
    def where(self) -> str:
        """The partition, for messages."""
        return where(self.keys)

    def poisoned(self) -> Poisoned:
        """Return the error for a partition whose keys contradict each other."""
        return Poisoned(
            f"{self.where}: {self.problem}; something else wrote to it or removed keys. "
            "`eventstore repair` shows what there is and what can be kept"
        )


def where(keys: Keys) -> str:
    """Return the name of a partition, for messages."""
    return f"namespace {keys.namespace!r}, partition {keys.partition}"


def look(keys: Keys, identity: ServerIdentity, expected: Expected) -> Flow[Standing]:
    """Return how a partition stands, sealing it if this instance is not admitted to it.

    Raises `WrongStore` if it is of another store.
    """
    reply: list[str] = yield Call(
        script("open"),
        (keys.meta, keys.stream, *_books(keys)),
        (identity.run_id, identity.replid, *expected, FORMAT),
        _texts,
        control=True,
    )
    state, *details = reply
    if state == "wrong":
        what, found = details
        raise WrongStore(
            f"{where(keys)}: the store there has {what} {found}; name another store.namespace, "
            "or set what it was created with"
        )
    if state == "absent":
        return Standing(keys, "absent", left=int(details[0]))
    if state == "poisoned":
        return Standing(keys, "poisoned", problem=details[0])
    uuid, epoch, *end = details
    if state == "clearing":
        return Standing(keys, "clearing", uuid, int(epoch), was_open=True)
    position, chain, *was_open = end
    return Standing(
        keys,
        cast("State", state),
        uuid,
        int(epoch),
        End(int(position), chain),
        was_open=was_open != ["never"],
    )


def look_at_all(
    partitions: Sequence[Keys], identity: ServerIdentity, uuid: str
) -> Flow[list[Standing]]:
    """Return how every partition stands; all that are there must be of one store.

    Raises `WrongStore`.
    """
    found: list[Standing] = []
    for keys in partitions:
        found.append((yield from look(keys, identity, Expected(uuid, len(partitions)))))
        uuid = uuid or found[-1].uuid
    return found


def establish(keys: Keys, identity: ServerIdentity, expected: Expected) -> Flow[bool]:
    """Make a partition, empty and sealed; return False if there is one or its stream."""
    reply: list[str] = yield Call(
        script("establish"),
        (keys.meta, keys.stream),
        (*expected, FORMAT, f"{identity.run_id}:{identity.replid}"),
        _texts,
        control=True,
    )
    return reply[0] == "ok"


def admit(standing: Standing, identity: ServerIdentity, end: End) -> Flow[bool]:
    """Open a verified partition to appends; return False if it is not as it was verified."""
    reply: list[str] = yield Call(
        script("admit"),
        (standing.keys.meta,),
        (identity.run_id, identity.replid, standing.epoch, *end),
        _texts,
        control=True,
    )
    return reply[0] == "ok"


def _books(keys: Keys) -> tuple[str, ...]:
    return keys.refs, keys.sessions, keys.checkpoints


def _texts(reply: list[bytes]) -> list[str]:
    return [value.decode() for value in reply]
