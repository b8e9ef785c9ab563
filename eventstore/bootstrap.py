"""The start of an application's process: evaluators, tools, services, event loop, bus.

    from eventstore import run_once_global_init

    run_once_global_init()

Settings `bootstrap.*` name the modules and callables. Nothing of this is needed to use a bus.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import threading
from contextlib import contextmanager
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eventstore.background import run_async
from eventstore.errors import InvalidInput
from eventstore.logs import configure_logging
from eventstore.process_bus import get_bus
from eventstore.settings import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EVALUATORS: Final = "evaluators"
TOOLS: Final = "tools"
SERVICES: Final = "services"
EVENT_LOOP: Final = "event_loop"
BUS: Final = "bus"


class Step(NamedTuple):
    """One thing that was done: which step, and for what (a module, a callable, an address)."""

    step: str
    what: str


class _Bootstrap:
    """What this process has done of its start; each thing once, whoever asks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: int | None = None
        self._done: list[Step] = []

    def run(self, worker: str | None) -> tuple[Step, ...]:
        if self._thread == threading.get_ident():
            raise InvalidInput(
                "run_once_global_init was called by something that it imports or starts itself; "
                "remove that call"
            )
        with self._lock:
            self._thread = threading.get_ident()
            try:
                self._perform(worker)
                return tuple(self._done)
            finally:
                self._thread = None

    def _perform(self, worker: str | None) -> None:
        if worker is not None:
            configure_logging(worker=worker, force=True)
        else:
            chosen = settings().bootstrap
            for step, names, act in (
                (EVALUATORS, chosen.evaluators, importlib.import_module),
                (TOOLS, chosen.tools, importlib.import_module),
                (SERVICES, chosen.services, _call),
            ):
                for name in names:
                    self._once(step, name, act)
            self._once(EVENT_LOOP, "background", _start_loop)
        with _noted(Step(BUS, "get_bus")):
            where = get_bus().store.parts.location.target.where
        self._once(BUS, where, _open_bus)

    def _once(self, step: str, what: str, act: Callable[[str], object]) -> None:
        """Do one thing unless it was done; it counts as done when it has succeeded."""
        made = Step(step, what)
        if made not in self._done:
            with _noted(made):
                act(what)
            self._done.append(made)


_bootstrap: Final = _Bootstrap()
os.register_at_fork(after_in_child=_bootstrap.__init__)  # type: ignore[misc]


def run_once_global_init(*, worker: str | None = None) -> tuple[Step, ...]:
    """Do what an application's process needs at its start, once, and return what was done.

    In this order: import the modules of evaluators and of tools, call the services, start the
    event loop of `run_async`, open the bus of `get_bus`. Later calls return the same at once.
    Threads that call it together wait for the one that does it.

    What fails is raised, with a note that says which step it was; what had succeeded stays done,
    and the next call goes on with the rest.

    `worker` is for a worker process beside others, such as a Celery child: the minimal start.
    Its log is `main.<worker>.log`, its bus and connections are its own, and nothing is imported
    or called: a forked child has its parent's modules, and services belong to the parent.
    """
    return _bootstrap.run(worker)


def connect_celery() -> None:
    """Have every Celery worker process started from here on do the minimal start.

    Call it where the Celery app is defined. The main process of a worker does the whole start
    before it forks its children. Needs Celery, which it imports.
    """
    signals = importlib.import_module("celery.signals")
    signals.worker_init.connect(_start_celery_main, weak=False)
    signals.worker_process_init.connect(_start_celery_child, weak=False)


def _start_celery_main(**_: Any) -> None:
    run_once_global_init()


def _start_celery_child(**_: Any) -> None:
    process = importlib.import_module("billiard.process").current_process()
    # Numbered by the pool, so that a child that replaces another goes on with its log.
    run_once_global_init(worker=f"celery-{getattr(process, 'index', process.pid)}")


def _call(name: str) -> None:
    module, _, path = name.partition(":")
    attrgetter(path)(importlib.import_module(module))()


def _start_loop(_: str) -> None:
    run_async(asyncio.sleep(0))


def _open_bus(_: str) -> None:
    get_bus().store.open()


@contextmanager
def _noted(made: Step) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        error.add_note(f"while starting this process: {made.step} {made.what}")
        raise
