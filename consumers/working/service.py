"""A worker as a service: consuming, sweeping, trimming, metrics, and an end on request."""

from __future__ import annotations

import logging
import os
import signal
from typing import TYPE_CHECKING, Any, Final

import anyio

from consumers.applying.journal_group import JOURNAL_GROUP
from consumers.applying.payload_group import PAYLOAD_GROUP
from consumers.applying.sweep import FIRST_SWEEP_SECONDS, SWEEP_SECONDS, sweep
from consumers.monitoring.monitor import Monitor
from consumers.trimming.regular import trim_regularly
from consumers.working.worker import Worker
from eventstore.consuming.membership import Slot
from eventstore.embedded.home import Home
from eventstore.errors import EventStoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from pathlib import Path

    from consumers.working.groups import Factory
    from eventstore.settings import AppSettings

_STOP: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_log = logging.getLogger(__name__)


async def serve_groups(
    settings: AppSettings,
    groups: Mapping[str, Factory],
    *,
    announce: bool = True,
    lifeline: int | None = None,
    beside: Callable[[Worker], Coroutine[Any, Any, None]] | None = None,
) -> None:
    """Consume groups until SIGTERM, SIGINT or SIGHUP; main thread only.

    `announce` leaves the address of /metrics in the data directory, if there is one. `lifeline`
    is a descriptor at whose end of file the worker stops too: its parent is gone. `beside` runs
    as long as the worker does. Raises what `Worker.run` raises.
    """
    worker = Worker(settings, groups)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_stop_on_signal, worker)
        if lifeline is not None:
            tasks.start_soon(_stop_at_end, worker, lifeline)
        if PAYLOAD_GROUP in groups:
            tasks.start_soon(_sweep_hourly, worker)
        if JOURNAL_GROUP in groups:
            tasks.start_soon(trim_regularly, worker)
        if settings.metrics.enabled:
            tasks.start_soon(Monitor(worker).run, _address_file(worker) if announce else None)
        if beside is not None:
            tasks.start_soon(beside, worker)
        await worker.run()
        tasks.cancel_scope.cancel()


async def _stop_on_signal(worker: Worker) -> None:
    # One that is ignored (nohup) stays ignored.
    heard = [each for each in _STOP if signal.getsignal(each) is not signal.SIG_IGN]
    with anyio.open_signal_receiver(*heard) as signals:
        async for number in signals:
            _log.info("%s: stopping", signal.Signals(number).name)
            worker.stop()


async def _stop_at_end(worker: Worker, lifeline: int) -> None:
    while True:
        await anyio.wait_readable(lifeline)
        if not os.read(lifeline, 1024):
            _log.info("the parent is gone: stopping")
            worker.stop()
            return


async def _sweep_hourly(worker: Worker) -> None:
    slot = worker.slots[Slot(PAYLOAD_GROUP, 0)]
    # The first one early: an embedded store may end a minute after its last client has left.
    wait = FIRST_SWEEP_SECONDS
    while True:
        await anyio.sleep(wait)
        wait = SWEEP_SECONDS
        if slot.status.owned:
            try:
                await sweep(worker.access)
            except EventStoreError as error:
                _log.warning("the sweep is left for the next hour: %s", error)


def _address_file(worker: Worker) -> Path | None:
    access = worker.access
    path = access.location.home or access.settings.home
    return None if path is None else Home(path).metrics_address
