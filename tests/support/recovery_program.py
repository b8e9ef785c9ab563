"""Opens, restores and repairs in processes of their own, each killed at a given step.

    python recovery_program.py SETTINGS

SETTINGS is a JSON object of the settings' sections. Every line read is an `Order` in JSON; a child
is forked to perform it, and its exit status is written. This process opens no connection itself.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any, NamedTuple

from eventstore.settings import AppSettings
from eventstore.store import EventStore

FAULTY = 9


class Order(NamedTuple):
    """What a child does; `kill_at` counts steps from 1, 0 lets it end.

    A step is an exchange with the server or something done to files.
    """

    action: str
    kill_at: int


def perform(settings: AppSettings, order: Order) -> int:
    """Perform an order; return 0 if all is as it should be."""
    with EventStore(settings) as store:
        _kill_before(store, order.kill_at)
        if order.action == "open":
            store.open()
        elif order.action == "restore":
            store.restore()
        elif order.action in ("stream", "journal"):
            return 0 if store.repair(order.action).problem is None else FAULTY  # type: ignore[arg-type]
    return 0


def _kill_before(store: EventStore, kill_at: int) -> None:
    runner = store.runner
    perform, count = runner._perform, 0

    def counted(step: Any) -> Any:
        nonlocal count
        count += 1
        if count == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return perform(step)

    runner._perform = counted  # type: ignore[method-assign]


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
