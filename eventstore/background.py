"""Coroutines from blocking code: one event loop of the process's own, in a thread of its own.

    from eventstore import run_async

    answer = run_async(fetch(url))

The loop starts at the first call and serves until the process ends; a forked child gets one of
its own. `set_event_loop` names a loop of the application's instead.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio
from anyio.from_thread import BlockingPortal

from eventstore.errors import InvalidInput, WrongThread

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from concurrent.futures import Future

T = TypeVar("T")
_log: Final = logging.getLogger(__name__)
# What a process waits at its end for coroutines to clean up; one that blocks would be for ever.
_END_SECONDS: Final = 5.0


class _OwnLoop:
    """An event loop that serves in a daemon thread until it is stopped."""

    def __init__(self) -> None:
        self._ready = threading.Event()
        self._thread = threading.Thread(
            target=anyio.run, args=(self._serve,), name="eventstore-background", daemon=True
        )
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        """Cancel what still runs on the loop, and wait a while until its thread has ended."""
        # Not start_task_soon, which waits until the loop has time.
        asyncio.run_coroutine_threadsafe(self._portal.stop(True), self.loop)
        self._thread.join(_END_SECONDS)
        if self._thread.is_alive():
            _log.warning(
                "a coroutine of the background loop went on for %g s after it was cancelled; the "
                "process ends without it",
                _END_SECONDS,
            )

    async def _serve(self) -> None:
        # Not start_blocking_portal: what that returns waits for its thread wherever it is
        # dropped, in a forked child too, which has no such thread.
        async with BlockingPortal() as self._portal:
            self.loop = asyncio.get_running_loop()
            self._ready.set()
            await self._portal.sleep_until_stopped()


class _Background:
    """Where coroutines of blocking code run, and how many forgotten ones failed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._own: _OwnLoop | None = None
        self._given: asyncio.AbstractEventLoop | None = None
        self.failed = 0

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start a coroutine on the loop. The coroutine is closed if it cannot be started."""
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop())
        except BaseException:
            work.close()
            raise

    def give(self, loop: asyncio.AbstractEventLoop | None) -> None:
        with self._lock:
            self._given = loop

    def count_failure(self) -> None:
        with self._lock:
            self.failed += 1

    def close(self) -> None:
        with self._lock:
            own, self._own = self._own, None
        if own is not None:
            own.stop()

    def serves_this_thread(self) -> bool:
        """Return whether the calling thread is the one that the loop runs in."""
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            return False
        return running is self._given or (self._own is not None and running is self._own.loop)

    def _loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._given is not None:
                if not self._given.is_running():
                    raise InvalidInput(
                        "the loop given to set_event_loop does not run; run it, or give another"
                    )
                return self._given
            if self._own is None:
                self._own = _OwnLoop()
            return self._own.loop


_background: Final = _Background()
os.register_at_fork(after_in_child=_background.__init__)  # type: ignore[misc]
atexit.register(_background.close)


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the background loop, wait for it, and return or raise what it does.

    Raises `WrongThread` on the loop's own thread, where waiting would be for ever: `await` there.
    Interrupted (Ctrl-C), it cancels the coroutine. Safe from any other thread.
    """
    _check(work)
    if _background.serves_this_thread():
        work.close()
        raise WrongThread("run_async was called on the loop that it would wait for; await instead")
    future = _background.submit(work)
    try:
        return future.result()
    finally:
        # Does nothing to what is done; what was not waited for to the end is not left running.
        future.cancel()


def run_async_fire_and_forget(work: Coroutine[Any, Any, object]) -> None:
    """Start a coroutine on the background loop and return at once.

    What it raises is logged and counted (`forgotten_failures`), and reaches nobody else. If the
    process ends first it is cancelled, and has a few seconds to clean up. Safe from any thread,
    the loop's own included.
    """
    _check(work)
    name = getattr(work, "__qualname__", type(work).__name__)
    _background.submit(work).add_done_callback(partial(_tell_failure, name))


def set_event_loop(loop: asyncio.AbstractEventLoop | None) -> None:
    """Run coroutines on a loop of the application's from now on; None goes back to the own one.

    The loop must be running, in a thread that does not call `run_async`.
    """
    _background.give(loop)


def forgotten_failures() -> int:
    """Return how many coroutines that were not waited for have failed in this process."""
    return _background.failed


def _tell_failure(name: str, future: Future[object]) -> None:
    """Count and log what a coroutine that nobody waits for raised."""
    if future.cancelled():
        return
    error = future.exception()
    if error is not None:
        _background.count_failure()
        _log.error("a coroutine that nobody waits for failed: %s", name, exc_info=error)


def _check(work: object) -> None:
    if not asyncio.iscoroutine(work):
        raise InvalidInput(f"a coroutine is what can be run, not {type(work).__name__}; call it")
