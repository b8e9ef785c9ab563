"""One partition of a subscriber, under one acquisition of its lease: reads ahead, and commits.

Events are handed out only while the lease is surely held, so two members of a group are never
given events of one partition at a time. What is settled is a checkpoint, moved by
`lua/apply.lua`; whether a batch counts rests on that and not on the lease.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import anyio

from eventstore.consuming.apply import apply_call
from eventstore.consuming.backoff import pause_after
from eventstore.consuming.history import is_borne_out, upcoming
from eventstore.consuming.sending import send
from eventstore.errors import Diverged, Unavailable
from eventstore.flow import call
from eventstore.loading import load_payloads, payload_of
from eventstore.parking.record import parking
from eventstore.subscribing.chunk import Chunk, in_steps, marks_of
from eventstore.subscribing.delivered import Delivered
from eventstore.subscribing.standing import check_history, checkpoint_of, diverged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anyio.streams.memory import MemoryObjectSendStream

    from eventstore.codec import Recorded
    from eventstore.consuming.access import StoreAccess
    from eventstore.consuming.lease import Lease
    from eventstore.consuming.writes import Write
    from eventstore.keys import Keys
    from eventstore.parking.record import Parked
    from eventstore.subscribing.wanted import Wanted
    from eventstore.views import Checkpoint

MAX_PAGE: Final = 500
_WAIT_MS: Final = 1000
_log = logging.getLogger(__name__)


class Feed:
    """Hands out a partition's events in order, and moves the group's checkpoint past them.

    `at` is the checkpoint on the server. Everything runs in one event loop but `take` and
    `put_down`, which the thread of the subscriber calls.
    """

    def __init__(
        self,
        access: StoreAccess,
        keys: Keys,
        wanted: Wanted,
        lease: Lease,
        at: Checkpoint,
    ) -> None:
        self.at = at
        self.ended = False
        self.scope = anyio.CancelScope()
        self._access = access
        self._keys = keys
        self._wanted = wanted
        self._lease = lease
        self._token = lease.token
        self._state = keys.subscriber(wanted.group)
        self._read = at
        # What is being handed out, and what was sent to be handed out after it.
        self._chunk = self._sent = Chunk(0, (), [at])
        self._in_hand = False
        self._ended_at = 0.0
        # Between what hands out and what lets go of the lease, which may be two threads.
        self._handing = threading.Lock()
        self._moving = anyio.Lock()

    # For the subscriber's thread.

    def take(self, chunk: Chunk) -> Delivered | None:
        """Return the next event of a chunk; None if it is empty or no longer to be handed out."""
        with self._handing:
            if self.ended or chunk.is_empty:
                return None
            if time.monotonic() >= self._lease.sure_until or not self._is_due(chunk):
                self.ended = True
                return None
            self._chunk, self._in_hand = chunk, True
            return chunk.take()

    def _is_due(self, chunk: Chunk) -> bool:
        # One that was fetched and dropped, by a caller that was interrupted, must not be missed.
        last = self._chunk
        return chunk is last or (last.is_empty and chunk.number == last.number + 1)

    def put_down(self) -> None:
        """Say that the event handed out last is no longer being worked on."""
        self._in_hand = False

    # For the event loop.

    @property
    def target(self) -> Checkpoint:
        """Where the group is once everything handed out is settled."""
        return self._chunk.mark

    @property
    def is_settled(self) -> bool:
        """Whether the checkpoint is past everything handed out."""
        return self.at == self.target

    def end(self) -> None:
        """Hand out nothing more."""
        with self._handing:
            self._ended_at = self._ended_at or time.monotonic()
            self.ended = True
        self.scope.cancel()

    def may_let_go(self, grace: float) -> bool:
        """Return whether the lease may go: nothing is in hand, and all is settled or time is up."""
        with self._handing:
            if self._in_hand or not self.ended:
                return False
        return self.is_settled or time.monotonic() - self._ended_at >= grace

    async def run(self, chunks: MemoryObjectSendStream[tuple[Feed, Chunk]]) -> None:
        """Read ahead until `end`, through losses of the server.

        Raises what no waiting cures: `Diverged`, `UndecodableEvent`, `PayloadMissing`, ….
        """
        failures = 0
        with self.scope:
            while not self.ended:
                try:
                    await self._verify()
                    failures = 0
                    while not self.ended:
                        await self._advance(chunks)
                except Unavailable as error:
                    failures += 1
                    if failures == 1:
                        _log.warning("%s/%d: %s", self._wanted.group, self._keys.partition, error)
                    await anyio.sleep(pause_after(failures))

    async def commit(self, writes: Sequence[Write] = ()) -> bool:
        """Settle what was handed out, together with some writes; False if another has taken over.

        Raises `Diverged`, and an `Unavailable` when it stays unknown whether it happened.
        """
        async with self._moving:
            target = self.target
            if self.at == target:
                return True
            return await self._apply(target, writes)

    async def park(self, item: Parked) -> bool:
        """Settle what was handed out, its last event as given up; as `commit` otherwise."""
        names = self._keys.parked(self._wanted.group, self.at.generation)
        return await self.commit(parking(names, item))

    async def _verify(self) -> None:
        """Compare what is known with the server's checkpoint, and with the log.

        Ends this feed if the checkpoint was moved. Raises `GroupNotFound` if the group was
        deleted, `Diverged` if the log lost what was handed out.
        """
        # The history first: what the server lost may have been the group's own beginning too.
        await self._check_history()
        at = await self._access.run(call(checkpoint_of(self._keys, self._wanted.group)))
        if at != self.at:
            self._give_up(f"the checkpoint was moved from {self.at} to {at}")

    async def _check_history(self) -> None:
        if await self._access.run(is_borne_out(self._keys, self._read)):
            return
        await self._access.run(check_history(self._keys, self._wanted.group, self.target))
        self._give_up("the log lost what was read ahead, and nobody was given")

    async def _advance(self, chunks: MemoryObjectSendStream[tuple[Feed, Chunk]]) -> None:
        page = await self._next_page()
        if not page:
            return
        wanted = [item for item in page if self._wanted.takes(item)]
        marks = marks_of(wanted, page, self._read)
        for step in in_steps(wanted):
            events = await self._with_payloads(wanted[step])
            chunk = Chunk(self._sent.number + 1, events, marks[step.start : step.stop + 1])
            await chunks.send((self, chunk))
            self._sent, self._read = chunk, chunk.marks[-1]
        if not wanted:
            self._read = marks[-1]
            await self._pass(self._read)

    async def _next_page(self) -> list[Recorded]:
        step = upcoming(self._access.log.reader, self._keys, self._read, MAX_PAGE, _WAIT_MS)
        try:
            page = await self._access.run(step)
        except Diverged:
            await self._check_history()
            if not self.ended:
                raise
            return []
        if not page:
            # A log that was cut off behind this place answers a read with nothing, for ever.
            await self._check_history()
        return page

    async def _with_payloads(self, items: Sequence[Recorded]) -> list[Delivered]:
        payloads: list[Any] = [None] * len(items)
        if self._wanted.payloads:
            wanted = [payload_of(item.event) for item in items]
            payloads = await self._access.run(
                load_payloads(self._access.payloads, self._keys, wanted)
            )
        return [
            Delivered(item, payload, self._state)
            for item, payload in zip(items, payloads, strict=True)
        ]

    async def _pass(self, end: Checkpoint) -> None:
        """Go past events that were not asked for: now if all before is settled, else with it."""
        async with self._moving:
            is_next = self._sent.is_empty and self.is_settled
            self._sent.marks[-1] = end
            if is_next:
                await self._apply(end, ())

    async def _apply(self, target: Checkpoint, writes: Sequence[Write]) -> bool:
        group = self._wanted.group
        step = apply_call(self._keys, group, self._token, self.at, target, writes)
        applied = await send(self._access, step)
        if applied.outcome == "ok":
            self.at = target
            return True
        if applied.outcome == "diverged":
            raise diverged(self._keys, group, target)
        self._give_up(f"{applied.outcome} at {self.at}")
        return False

    def _give_up(self, why: str) -> None:
        _log.info("%s/%d: %s", self._wanted.group, self._keys.partition, why)
        self.end()
