"""Reads of projections: at the current generation, and not before one's own writes are in.

All methods are flows.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from eventstore.chain import GENESIS
from eventstore.errors import NotCaughtUp
from eventstore.flow import Call, Flow, as_is, batch, call, pause
from eventstore.keys import FIRST_GENERATION, Keys, ProjectionKeys, entry_id
from eventstore.parking.degraded import Notes, missing_in_session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eventstore.codec import Recorded
    from eventstore.log import Log

T = TypeVar("T")
_LONGEST_BLOCK_MS = 1000
_BEHIND_PAUSE = 0.05


class Checkpoint(NamedTuple):
    """How far a group is: the generation it writes, the last position applied, the chain there."""

    generation: int
    position: int
    chain: str

    def __str__(self) -> str:
        return f"{self.generation}:{self.position}:{self.chain}"


START = Checkpoint(FIRST_GENERATION, 0, GENESIS)


def parse_checkpoint(value: bytes | None) -> Checkpoint:
    """Return the checkpoint that a field of the checkpoints hash holds; absent is the start."""
    if value is None:
        return START
    generation, position, chain = value.decode().split(":")
    return Checkpoint(int(generation), int(position), chain)


def checkpoint(keys: Keys, group: str) -> Call[Checkpoint]:
    """Return a group's checkpoint in a partition."""
    return Call("HGET", (keys.checkpoints,), (group,), parse_checkpoint)


class Views:
    """Queries on the read models of a store."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._generations: dict[tuple[int, str], int] = {}
        self._notes = Notes()

    def query(
        self,
        group: str,
        keys: Keys,
        calls: Callable[[ProjectionKeys], Sequence[Call[Any]]],
        *,
        sessions: Sequence[str] = (),
        position: int | None = None,
    ) -> Flow[list[Any]]:
        """Return the results of calls on one projection, all of one generation.

        A session of `sessions`, of which the projection left events out, is said to lack them:
        a warning in the log of this process.

        Waits, for `store.read_timeout` seconds at most, until the projection has passed
        the last event of the partition that this process appended, and `position` if it is given.
        Raises `NotCaughtUp`.
        """
        wanted = max(self._log.acknowledged(keys.partition), position or 0)
        place = (keys.partition, group)
        while True:
            generation = self._generations.get(place, FIRST_GENERATION)
            look = checkpoint(keys, group)
            # The first look says how far the results are at least, the last one that their
            # generation was still live, and so whole, when the last of them was read.
            names = keys.projection(generation)
            lacking = [missing_in_session(names.parked(group), each) for each in sessions]
            reached, *results, last = yield from batch([look, *calls(names), *lacking, look])
            if last.generation != generation:
                self._generations[place] = last.generation
            elif reached.position < wanted:
                yield from self.wait(group, keys, wanted)
            else:
                found = len(results) - len(sessions)
                for session_id, count in zip(sessions, results[found:], strict=True):
                    self._notes.say(keys, group, session_id, count)
                return results[:found]

    def events_at(self, keys: Keys, positions: Sequence[int]) -> Flow[list[Recorded]]:
        """Return events from the log itself, for what a projection left out."""
        return self._log.at_positions(keys, positions)

    def settled(self, keys: Keys, flow: Callable[[], Flow[T]]) -> Flow[T]:
        """Return the result of a flow of several queries, none of which saw another generation.

        A flow during which a rebuild took over is run again.
        """
        while True:
            before = self._seen(keys.partition)
            result = yield from flow()
            if self._seen(keys.partition) == before:
                return result

    def _seen(self, partition: int) -> dict[tuple[int, str], int]:
        known = dict(self._generations)
        return {place: n for place, n in known.items() if place[0] == partition}

    def wait(self, group: str, keys: Keys, position: int) -> Flow[None]:
        """Wait until a group has passed a position. Raises `NotCaughtUp`."""
        started = time.monotonic()
        deadline = started + self._log.settings.read_timeout
        shown = False
        while True:
            reached = yield from call(checkpoint(keys, group))
            if reached.position >= position:
                return
            left = deadline - time.monotonic()
            if left <= 0:
                waited = time.monotonic() - started
                raise NotCaughtUp(group, reached.position, position, waited)
            if shown:
                # After a restored backup the progress may be ahead of the checkpoint.
                yield from pause(min(left, _BEHIND_PAUSE))
            shown = bool((yield from call(_progress(keys, group, position, left))))


def _progress(keys: Keys, group: str, position: int, seconds: float) -> Call[Any]:
    """Wait on the server until the group's progress shows the position; the reply says nothing."""
    wait_ms = max(1, min(_LONGEST_BLOCK_MS, int(seconds * 1000)))
    args = ("BLOCK", wait_ms, "STREAMS", keys.progress(group), entry_id(position - 1))
    return Call("XREAD", (), args, as_is)
