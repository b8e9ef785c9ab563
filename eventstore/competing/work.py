"""Competing of a blocking program: an iterator over pieces of work, or a handler of each.

The consuming itself is asyncio (`eventstore.competing.member`) in a thread of its own;
`eventstore.competing.async_work` is the twin without one.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from anyio.from_thread import start_blocking_portal
from redis.exceptions import RedisError

from eventstore.competing.handling import Deferrals
from eventstore.competing.item import WorkItem
from eventstore.competing.member import CompetingMember
from eventstore.errors import InvalidInput, Unavailable
from eventstore.parking.attempt import OwnFault, attempt_blocking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from anyio.from_thread import BlockingPortal

    from eventstore.settings import AppSettings
    from eventstore.subscribing.wanted import Wanted

    Handler: TypeAlias = Callable[[WorkItem], Any]

UNSETTLED: Final = (
    "the piece of work before this one is not settled: ack() or nack() it first, or give "
    "in_flight= to have several in hand"
)


MOST_IN_FLIGHT: Final = 1_000


def check_in_flight(value: object) -> int:
    """Return how many pieces may be in hand. Raises `InvalidInput`."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_IN_FLIGHT:
        raise InvalidInput(f"in_flight: a whole number from 1 to {MOST_IN_FLIGHT}, not {value!r}")
    return value


class Competing:
    """Pieces of a group's work, shared with every process that competes; made by `compete`.

    Iterate over it once, and settle each item. At most `in_flight` are in hand at a time; what is
    in hand is kept for this process while it lives. Called with a function it is a decorator, and
    the function a `CompetingHandler`.
    """

    def __init__(self, settings: AppSettings, wanted: Wanted, in_flight: int) -> None:
        self._settings = settings
        self._wanted = wanted
        self._in_flight = in_flight
        self._stack = ExitStack()
        self._portal: BlockingPortal | None = None
        self._member: CompetingMember | None = None
        self._running: Future[None] | None = None
        # Set by signal handlers too, which may interrupt anything: so no lock.
        self._stopped = False

    def __call__(self, handler: Handler) -> CompetingHandler:
        """Return what runs a handler for each piece; see `CompetingHandler`."""
        return CompetingHandler(self, handler, self._settings, self._in_flight)

    def __iter__(self) -> Iterator[WorkItem]:
        """Yield pieces of work until `stop`; waits for more.

        Raises what no waiting cures: `GroupRefused`, `GroupNotFound`, `UndecodableEvent`,
        `Diverged`, …, and `InvalidInput` if the only one that may be in hand is not settled. A
        store that is away is waited for. What is unsettled at the end goes back, as a failed try.
        """
        is_ours = self._portal is None
        try:
            self.open()
            while (item := self._next()) is not None:
                yield item
        finally:
            if is_ours:
                self.close()

    @property
    def stopped(self) -> bool:
        """Whether it was told to stop."""
        return self._stopped

    def stop(self) -> None:
        """End the iteration, from any thread or a signal handler; returns at once.

        A loop that waits for work ends within a second. Items in hand may still be settled. A
        stopped one yields nothing more: compete again.
        """
        self._stopped = True
        member = self._member
        if member is not None:
            member.stop_soon()

    def close(self) -> None:
        """Stop, and give back what is in hand and not settled."""
        self._stopped = True
        portal, member, running = self._portal, self._member, self._running
        self._portal = self._member = self._running = None
        with self._stack:
            if portal is not None and member is not None:
                portal.call(member.leave)
            if running is not None:
                running.result()

    def __enter__(self) -> Competing:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Begin to take part, unless that is done; iterating does it too."""
        if self._portal is not None or self._stopped:
            return
        name = f"eventstore-{self._wanted.group}"
        self._portal = self._stack.enter_context(start_blocking_portal("asyncio", name=name))
        self._member = self._portal.call(_member, self._settings, self._wanted, self._in_flight)
        self._running = self._portal.start_task_soon(self._member.run)

    def _next(self) -> WorkItem | None:
        portal, member = self._portal, self._member
        if portal is None or member is None or self._stopped:
            return None
        if self._in_flight == 1 and member.settler.given:
            raise InvalidInput(UNSETTLED)
        piece = portal.call(member.next_piece)
        return None if piece is None else WorkItem(piece, member.settler, portal)


async def _member(settings: AppSettings, wanted: Wanted, in_flight: int) -> CompetingMember:
    return CompetingMember(settings, wanted, in_flight)


class CompetingHandler:
    """A handler that is run for each piece of work: what returns is done, what raises is not.

    With `in_flight` above 1, so many run at a time, each in a thread. Calling it calls the handler.
    """

    def __init__(
        self, competing: Competing, handler: Handler, settings: AppSettings, in_flight: int
    ) -> None:
        self._competing = competing
        self._handler = handler
        self._in_flight = in_flight
        self._deferrals = Deferrals(settings)

    def __call__(self, item: WorkItem) -> Any:
        """Call the handler itself."""
        return self._handler(item)

    def run(self) -> None:
        """Handle work until `stop`; what is being handled then is handled to its end.

        What the handler raises by the event's own fault is a failed try (`WorkItem.nack`); an
        `Unavailable`, of the store or of the handler's own, gives the piece back without counting.
        Any other error of the project, and what is no `Exception`, ends the run: it is raised once
        the other handlers have ended. Raises also what iterating over `Competing` raises.
        """
        with self._competing as work:
            if self._in_flight == 1:
                for item in work:
                    self._handle(item)
            else:
                self._run_many(work)

    def stop(self) -> None:
        """Let `run` return, from any thread or a signal handler; see `Competing.stop`."""
        self._competing.stop()

    def _run_many(self, work: Competing) -> None:
        faults: list[BaseException] = []

        def note(done: Future[None]) -> None:
            error = done.exception()
            if error is not None:
                faults.append(error)
                self.stop()

        with ThreadPoolExecutor(self._in_flight) as pool:
            for item in work:
                pool.submit(self._handle, item).add_done_callback(note)
        if faults:
            raise faults[0]

    def _handle(self, item: WorkItem) -> None:
        try:
            found = attempt_blocking(partial(self._handler, item))
        except (Unavailable, RedisError) as error:
            self._settle(partial(item.defer, self._deferrals.pause(error)))
            return
        self._deferrals.none()
        if isinstance(found, OwnFault):
            self._settle(partial(item.nack, error=found.error))
        else:
            self._settle(item.ack)

    def _settle(self, word: Callable[[], bool]) -> None:
        """Say what became of a piece, through a store that is away, unless this is to stop."""
        while True:
            try:
                word()
            except Unavailable as error:
                if not self._competing.stopped:
                    self._deferrals.unsettled(error)
                    continue
            return
