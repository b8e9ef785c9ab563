"""Coroutines of blocking code run on a loop of their own; nothing hangs, nothing is swallowed."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from support.wait import until

from eventstore import (
    background,
    forgotten_failures,
    run_async,
    run_async_fire_and_forget,
    set_event_loop,
)
from eventstore.errors import InvalidInput, WrongThread

if TYPE_CHECKING:
    from collections.abc import Iterator


async def add(a: int, b: int) -> int:
    await asyncio.sleep(0)
    return a + b


async def fail() -> None:
    raise LookupError("nothing there")


async def thread_id() -> int:
    return threading.get_ident()


def test_what_a_coroutine_returns_or_raises_is_the_callers() -> None:
    assert run_async(add(1, 2)) == 3
    with pytest.raises(LookupError, match="nothing there"):
        run_async(fail())


def test_all_threads_share_one_loop_and_it_is_not_theirs() -> None:
    seen: list[int] = []
    threads = [
        threading.Thread(target=lambda: seen.append(run_async(thread_id()))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 8
    assert len(set(seen)) == 1
    assert seen[0] != threading.get_ident()


def test_on_its_own_thread_it_is_an_error_and_no_deadlock() -> None:
    async def nested() -> int:
        return run_async(add(1, 1))

    with pytest.raises(WrongThread, match="await"):
        run_async(nested())
    assert run_async(add(2, 2)) == 4


def test_from_a_loop_of_the_callers_it_is_allowed() -> None:
    async def outer() -> int:
        return run_async(add(3, 4))

    assert asyncio.run(outer()) == 7


def test_a_forgotten_failure_is_logged_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    before = forgotten_failures()
    with caplog.at_level(logging.ERROR, "eventstore.background"):
        run_async_fire_and_forget(fail())
        until(lambda: forgotten_failures() == before + 1, what="the failure is counted")
        until(lambda: bool(caplog.records), what="the failure is logged")
    assert "fail" in caplog.text
    assert "nothing there" in caplog.text


def test_a_forgotten_coroutine_may_be_started_on_the_loop_itself() -> None:
    done = threading.Event()

    async def inner() -> None:
        done.set()

    async def outer() -> None:
        run_async_fire_and_forget(inner())

    run_async(outer())
    assert done.wait(60)


def test_standard_output_is_untouched() -> None:
    before = sys.stdout, sys.stderr
    run_async(add(1, 1))
    assert (sys.stdout, sys.stderr) == before


@pytest.mark.parametrize("run", [run_async, run_async_fire_and_forget])
def test_what_is_no_coroutine_is_refused(run: Any) -> None:
    with pytest.raises(InvalidInput, match="call it"):
        run(add)


class TestGivenLoop:
    @pytest.fixture
    def loop(self) -> Iterator[asyncio.AbstractEventLoop]:
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        until(loop.is_running, what="the loop runs")
        try:
            set_event_loop(loop)
            yield loop
        finally:
            set_event_loop(None)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def test_it_is_used(self, loop: asyncio.AbstractEventLoop) -> None:
        async def current() -> asyncio.AbstractEventLoop:
            return asyncio.get_running_loop()

        assert run_async(current()) is loop
        set_event_loop(None)
        assert run_async(current()) is not loop

    def test_its_own_thread_may_not_wait_for_it(self, loop: asyncio.AbstractEventLoop) -> None:
        async def nested() -> int:
            return run_async(add(1, 1))

        with pytest.raises(WrongThread):
            run_async(nested())

    def test_one_that_does_not_run_is_an_error(self) -> None:
        stopped = asyncio.new_event_loop()
        set_event_loop(stopped)
        try:
            with pytest.raises(InvalidInput, match="does not run"):
                run_async(add(1, 1))
        finally:
            set_event_loop(None)
            stopped.close()


def test_the_end_does_not_wait_for_ever_for_what_blocks(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(background, "_END_SECONDS", 0.05)
    own = background._OwnLoop()
    started, released = threading.Event(), threading.Event()

    async def block() -> None:
        started.set()
        released.wait(60)

    future = asyncio.run_coroutine_threadsafe(block(), own.loop)
    try:
        assert started.wait(60)
        with caplog.at_level(logging.WARNING, "eventstore.background"):
            own.stop()
        assert "the process ends without it" in caplog.text
    finally:
        released.set()
    future.result(60)
    own._thread.join(60)


def _child(results: Any) -> None:
    results.put(run_async(add(20, 22)))


def test_a_forked_child_has_a_loop_of_its_own() -> None:
    run_async(add(1, 1))
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    child = context.Process(target=_child, args=(results,))
    child.start()
    assert results.get(timeout=60) == 42
    child.join(60)
    assert child.exitcode == 0
