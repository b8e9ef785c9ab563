"""Locks exclude, are seen by those who ask, follow a fork and die with their holders."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from support.wait import until

from eventstore.embedded.deadline import Deadline
from eventstore.embedded.holders import holder_pid
from eventstore.embedded.locks import FileLock, is_locked, is_shared, try_flock
from eventstore.embedded.use_lock import UseLock
from eventstore.errors import EmbeddedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.lock"


def now() -> Deadline:
    return Deadline(0.0)


class TestFileLock:
    def test_one_holder_at_a_time(self, path: Path) -> None:
        with FileLock(path) as one, FileLock(path) as two:
            assert one.try_acquire()
            assert not two.try_acquire()
            assert (one.held, two.held) == (True, False)
            one.release()
            assert two.try_acquire()

    def test_waiting_ends_with_an_error_that_names_the_lock(self, path: Path) -> None:
        with FileLock(path) as one, FileLock(path) as two:
            one.acquire(now())
            with pytest.raises(EmbeddedError, match=r"a\.lock is held by another process"):
                two.acquire(Deadline(0.02))
            assert not two.held

    def test_waiting_ends_when_the_lock_is_free(self, path: Path) -> None:
        with FileLock(path) as one, FileLock(path) as two:
            one.acquire(now())
            threading.Timer(0.05, one.release).start()
            two.acquire(Deadline(30.0))
            assert two.held

    def test_a_holder_does_not_take_it_twice(self, path: Path) -> None:
        with FileLock(path) as lock:
            lock.acquire(now())
            with pytest.raises(RuntimeError):
                lock.try_acquire()

    def test_asking_sees_the_holder_and_disturbs_nobody(self, path: Path) -> None:
        assert not is_locked(path)
        assert not path.exists()
        with FileLock(path) as lock:
            lock.acquire(now())
            assert is_locked(path)
        assert not is_locked(path)

    def test_those_who_ask_do_not_see_each_other(self, path: Path) -> None:
        UseLock(path).acquire(now())
        assert not is_locked(path)
        assert is_shared(path)

    def test_a_lock_file_that_was_replaced_is_no_longer_current(self, path: Path) -> None:
        with FileLock(path) as lock:
            lock.acquire(now())
            assert lock.is_current()
            path.unlink()
            assert not lock.is_current()
            path.touch()
            assert not lock.is_current()


class TestInheritance:
    @pytest.fixture
    def child(self, path: Path) -> Iterator[subprocess.Popen[bytes]]:
        """A process that inherited the lock from this one, which has let go of it."""
        with FileLock(path, inherited=True) as lock:
            lock.acquire(now())
            child = subprocess.Popen(
                ["sh", "-c", 'printf %s $$ > "$0"; exec sleep 1000', str(path)],
                pass_fds=(lock.fileno(),),
            )
        until(lambda: path.read_text() == str(child.pid))
        yield child
        child.kill()
        child.wait()

    def test_it_holds_the_lock_until_it_is_killed(
        self, path: Path, child: subprocess.Popen[bytes]
    ) -> None:
        assert is_locked(path)
        assert holder_pid(path) == child.pid
        child.kill()
        child.wait()
        assert not is_locked(path)
        assert holder_pid(path) is None

    def test_a_recorded_pid_that_does_not_have_the_file_open_is_not_the_holder(
        self, path: Path, child: subprocess.Popen[bytes]
    ) -> None:
        path.write_text(str(os.getppid()))
        assert holder_pid(path) is None
        path.write_text("")
        assert holder_pid(path) is None
        assert is_locked(path)


class TestForkedMeanwhile:
    """A thread of the program forks at the wrong moment; the child lives on for long."""

    @pytest.fixture
    def children(self) -> Iterator[list[int]]:
        pids: list[int] = []
        yield pids
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def test_the_child_does_not_keep_a_lock_that_its_parent_let_go_of(
        self, path: Path, children: list[int]
    ) -> None:
        with FileLock(path) as lock:
            lock.acquire(now())
            children.append(_fork())
        assert not is_shared(path)

    @pytest.mark.parametrize("ask", [is_locked, is_shared])
    def test_the_child_does_not_keep_what_was_held_to_ask(
        self,
        path: Path,
        children: list[int],
        ask: Callable[[Path], bool],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def forking(fd: int, mode: int) -> bool:
            found = try_flock(fd, mode)
            children.append(_fork())
            return found

        path.touch()
        with monkeypatch.context() as patch:
            patch.setattr("eventstore.embedded.locks.try_flock", forking)
            assert not ask(path)
        assert children
        with FileLock(path) as lock:
            assert lock.try_acquire()


def _fork() -> int:
    """Fork a child that keeps every descriptor until it is killed, and return its pid."""
    pid = os.fork()
    if pid == 0:
        while True:
            signal.pause()
    return pid


class TestUseLock:
    def test_many_share_and_an_exclusive_one_waits_for_the_last(self, path: Path) -> None:
        one, two, last = UseLock(path), UseLock(path), FileLock(path)
        assert one.acquire(now())
        assert two.acquire(now())
        one.release()
        assert not last.try_acquire()
        two.release()
        assert last.try_acquire()
        last.release()

    def test_it_is_taken_once(self, path: Path) -> None:
        lock = UseLock(path)
        assert lock.acquire(now())
        assert not lock.acquire(now())
        lock.release()
        lock.release()
        assert not is_shared(path)

    def test_threads_take_one_share_between_them(self, path: Path) -> None:
        lock = UseLock(path)
        barrier = threading.Barrier(8)

        def take() -> None:
            barrier.wait()
            lock.acquire(Deadline(30.0))

        threads = [threading.Thread(target=take) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert is_shared(path)
        lock.release()
        assert not is_shared(path)

    def test_a_store_that_is_stopping_is_waited_for(self, path: Path) -> None:
        with FileLock(path) as stopping:
            stopping.acquire(now())
            with pytest.raises(EmbeddedError, match="has been stopping"):
                UseLock(path).acquire(Deadline(0.02))
            threading.Timer(0.05, stopping.release).start()
            lock = UseLock(path)
            assert lock.acquire(Deadline(30.0))
            lock.release()

    def test_coming_and_going_leave_a_mark(self, path: Path) -> None:
        lock = UseLock(path)
        lock.acquire(now())
        os.utime(path, ns=(0, 0))
        lock.release()
        left = path.stat().st_mtime_ns
        assert left > 0
        os.utime(path, ns=(0, 0))
        lock.acquire(now())
        assert path.stat().st_mtime_ns > 0
        lock.release()


FORKING = """
import os, sys, time
from pathlib import Path
from eventstore.embedded.deadline import Deadline
from eventstore.embedded.use_lock import UseLock

def left():
    print("left", flush=True)

def stay():
    sys.stdin.buffer.read()

lock = UseLock(Path(sys.argv[1]))
lock.acquire(Deadline(1))
parent = os.getpid()
if os.fork() == 0:
    {child}
    os._exit(0)
{parent}
os._exit(0)
"""


@pytest.mark.parametrize(
    ("child", "parent"),
    [
        pytest.param("stay()", "lock.release(); left(); stay()", id="the parent leaves"),
        pytest.param("lock.release(); left(); stay()", "stay()", id="the child leaves"),
        pytest.param("", "os.wait(); left(); stay()", id="the child exits"),
        pytest.param(
            "while os.getppid() == parent: time.sleep(0.01)\n    left(); stay()",
            "",
            id="the parent exits",
        ),
    ],
)
def test_after_a_fork_each_side_has_a_share_of_its_own(path: Path, child: str, parent: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", FORKING.format(child=child, parent=parent), str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"left\n"
        assert is_shared(path)
        process.stdin.close()
        until(lambda: not is_shared(path))
