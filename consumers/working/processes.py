"""`work`: one worker in this process, or several in processes of their own."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import subprocess
import sys
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio

from consumers.supervision.signals import StopSignals
from consumers.working.groups import select_groups
from consumers.working.service import serve_groups
from eventstore.errors import EventStoreError, InvalidInput, SettingsError
from eventstore.logs import configure_logging
from eventstore.settings import settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from consumers.working.groups import Factory
    from eventstore.settings import AppSettings

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
_STOP_SECONDS: Final = 4.8
_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 30.0
_SOUND_SECONDS: Final = 30.0
_TICK_SECONDS: Final = 0.5
_COLLECTOR: Final = (50_000, 20, 50)
_log = logging.getLogger(__name__)


def main(arguments: Sequence[str]) -> int:
    """Run `work` with command line arguments; return the exit code.

    0: ended on request. 1: the store cannot be consumed, as standard error says. 2: wrong
    arguments or settings.
    """
    given = _parser().parse_args(arguments)
    only = None if given.only is None else [name for name in given.only.split(",") if name]
    return work(only, given.processes, child=given.child)


def work(only: Sequence[str] | None, processes: int = 1, *, child: int | None = None) -> int:
    """Consume the groups named, all for None, until a signal; return the exit code.

    With more than one process, this one only keeps the others alive. `child` is the number of
    such another one, whose standard input ends when its parent does.
    """
    try:
        config = settings()
        name = "workers" if processes > 1 else "worker" if child is None else f"worker-{child}"
        # A worker of a data directory logs there, wherever it was started from.
        home = config.home if config.home is not None and config.home.is_dir() else None
        configure_logging(config, worker=name, base=home, force=True)
        groups = select_groups(only)
    except (SettingsError, InvalidInput) as error:
        logging.basicConfig()
        _log.error("%s", error)
        return EXIT_USAGE
    if processes > 1:
        return _keep(only, processes)
    return consume(config, groups, child=child)


def consume(config: AppSettings, groups: Mapping[str, Factory], *, child: int | None = None) -> int:
    """Consume groups in this process until a signal; return the exit code, or exit with it."""
    # A batch is thousands of live objects, which each collection would walk in vain.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECTOR)
    lifeline = None if child is None else sys.stdin.fileno()
    run = partial(serve_groups, config, groups, announce=child in (None, 0), lifeline=lifeline)
    code = 0
    try:
        anyio.run(run)
    except EventStoreError as error:
        _log.error("%s: %s", type(error).__name__, error)
        code = EXIT_FAILED
    if _lasting_threads():
        # A thread that hangs in a file system would keep the process for ever.
        _log.warning("leaving a write to the payload store behind; it will be done again")
        logging.shutdown()
        os._exit(code)
    return code


def _lasting_threads() -> list[threading.Thread]:
    others = [each for each in threading.enumerate() if each is not threading.current_thread()]
    for thread in others:
        thread.join(0.1)
    return [thread for thread in others if thread.is_alive() and not thread.daemon]


class _Child:
    """One worker process, started again after growing pauses however often it ends."""

    def __init__(self, number: int, only: Sequence[str] | None) -> None:
        self.number = number
        chosen = [] if only is None else ["--only", ",".join(only)]
        self._command = [sys.executable, "-P", "-m", "consumers", "work", *chosen]
        self._command += ["--child", str(number)]
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._failures = 0
        self._not_before = 0.0

    def tick(self, now: float) -> None:
        """Look after the process once; `now` is the monotonic clock."""
        if self._process is not None and self._process.poll() is not None:
            code = self._process.returncode
            self._close()
            sound = now - self._started >= _SOUND_SECONDS
            self._failures = 1 if sound else self._failures + 1
            pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(self._failures, 20))
            self._not_before = now + pause
            _log.warning("worker %d ended with code %d; again in %.1f s", self.number, code, pause)
        if self._process is None and now >= self._not_before:
            # Its standard input is the lifeline: it ends with this process, however that ends.
            self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE)
            self._started = now

    def terminate(self) -> None:
        """Ask the process to end."""
        if self._process is not None:
            self._process.terminate()

    def join(self, deadline: float) -> None:
        """Wait for the process to end, until a moment of the monotonic clock; then kill it."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _log.warning("worker %d does not end, killing it", self.number)
            self._process.kill()
            self._process.wait()
        self._close()

    def _close(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        self._process = None


def _keep(only: Sequence[str] | None, processes: int) -> int:
    children = [_Child(number, only) for number in range(processes)]
    with StopSignals() as signals:
        while not signals.received:
            for child in children:
                child.tick(time.monotonic())
            signals.wait(_TICK_SECONDS)
        for child in children:
            child.terminate()
        deadline = time.monotonic() + _STOP_SECONDS
        for child in children:
            child.join(deadline)
    return 0


def _positive(value: str) -> int:
    number = int(value)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is below 1")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m consumers work",
        description="Consume the log until SIGTERM: projections and the payload store.",
    )
    parser.add_argument("--only", help="groups to consume, with commas between (default: all)")
    parser.add_argument("--processes", type=_positive, default=1, help="worker processes")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    return parser
