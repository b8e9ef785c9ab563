"""Calls that may hang come back or fail in time, and hold up nobody else."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
from support.wait import until

from eventstore.bounded import BoundedCalls

LONG = 30.0
HANGS_AT_EXIT = """
import threading
from eventstore.bounded import BoundedCalls
try:
    BoundedCalls().run(0.05, threading.Event().wait)
except TimeoutError as error:
    print(error.strerror)
"""


def fail(error: BaseException) -> None:
    raise error


def test_a_call_returns_what_it_does_from_a_thread_of_its_own() -> None:
    calls = BoundedCalls()
    assert calls.run(LONG, divmod, 7, 3) == (2, 1)
    thread = calls.run(LONG, threading.current_thread)
    assert thread is not threading.current_thread()
    assert thread.daemon


@pytest.mark.parametrize("error", [KeyError("x"), TimeoutError("its own"), SystemExit(3)])
def test_a_call_raises_what_it_does(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught:
        BoundedCalls().run(LONG, fail, error)
    assert caught.value is error


def test_a_call_that_hangs_is_given_up_and_the_next_one_made() -> None:
    calls, gate = BoundedCalls(), threading.Event()
    with pytest.raises(TimeoutError, match=r"no answer within 0\.05 s"):
        calls.run(0.05, gate.wait)
    assert calls.run(LONG, len, "abc") == 3
    gate.set()


def test_so_many_may_hang_and_no_more_until_one_comes_back() -> None:
    calls, gate, entered = BoundedCalls(limit=2), threading.Event(), threading.Semaphore(0)

    def hang() -> None:
        entered.release()
        gate.wait()

    for _ in range(2):
        with pytest.raises(TimeoutError, match="no answer"):
            calls.run(0.05, hang)
    assert entered.acquire(timeout=LONG)
    assert entered.acquire(timeout=LONG)
    with pytest.raises(TimeoutError, match="2 earlier calls have not come back"):
        calls.run(0.05, hang)
    assert BoundedCalls().run(LONG, len, "others") == 6
    gate.set()
    assert calls.run(LONG, len, "again") == 5


def test_threads_are_used_again() -> None:
    calls = BoundedCalls()
    before = {thread.ident for thread in threading.enumerate()}
    for _ in range(50):
        calls.run(LONG, len, "")
    until(lambda: len({t.ident for t in threading.enumerate()} - before) <= 2, what="few threads")


def test_a_hanging_call_does_not_keep_the_process() -> None:
    command = [sys.executable, "-c", HANGS_AT_EXIT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONG, check=True)
    assert done.stdout == "no answer within 0.05 s\n"


def test_a_forked_child_calls_anew_while_its_parent_s_threads_hang() -> None:
    calls, gate = BoundedCalls(limit=1), threading.Event()
    with pytest.raises(TimeoutError):
        calls.run(0.05, gate.wait)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = calls.run(LONG, len, "child") - 5
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    gate.set()
