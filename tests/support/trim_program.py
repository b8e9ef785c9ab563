"""Trims in processes of their own, each killed before a given exchange or touch of a file.

    python trim_program.py SETTINGS

SETTINGS is a JSON object of the settings' sections. Every line read is an `Order` in JSON; a child
is forked to perform it, and its exit status is written. It has not begun anything that a fork
would split: this process opens no connection and starts no thread.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from support.trimming import keep
from support.trimming import trim as trim_partition

from consumers.trimming import trim
from eventstore.settings import AppSettings
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Callable

_TOUCHES = ("put", "get", "part", "exists", "delete", "files", "settle", "has_root")


class Order(NamedTuple):
    """What a child does: `kill_at` counts exchanges and touches from 1, 0 lets it end.

    `step` is how many events one call of the script trims at most.
    """

    keep: int
    kill_at: int
    step: int


class KillAt:
    """Ends this process before the call of a number, among all that it watches."""

    def __init__(self, number: int) -> None:
        self._left = number

    def watch(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return the call, counted."""

        def counted(*args: Any, **named: Any) -> Any:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **named)

        return counted


def perform(settings: AppSettings, order: Order) -> int:
    """Perform an order; return 0."""
    trim.STEP = order.step  # type: ignore[misc]
    kill = KillAt(order.kill_at)
    with EventStore(settings) as store:
        runner, files = store.runner, store.parts.payloads.files
        runner._exchange = kill.watch(runner._exchange)  # type: ignore[method-assign]
        for name in _TOUCHES:
            setattr(files, name, kill.watch(getattr(files, name)))
        for partition in range(settings.store.partitions):
            trim_partition(store, keep(order.keep), partition=partition)
    return 0


def main(sections: str) -> None:
    """Perform orders until there are no more."""
    settings = AppSettings(**json.loads(sections))
    for line in sys.stdin:
        order = Order(*json.loads(line))
        child = os.fork()
        if child == 0:
            os._exit(perform(settings, order))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
