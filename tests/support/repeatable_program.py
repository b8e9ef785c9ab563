"""Operations in processes of their own, each killed at a given exchange with the server.

    python repeatable_program.py

Every line read is an `Order` in JSON; a child is forked to perform it, and its exit status is
written. This process opens no connection itself.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any, Final, NamedTuple

from redis.connection import AbstractConnection
from support.repeatable import OPERATIONS

from eventstore.bus import EventBus
from eventstore.flow import Blocking
from eventstore.settings import AppSettings
from eventstore.store import EventStore

MOMENTS: Final = ("within", "after")
"""With half of it sent, of which a server does nothing; with all of it done and no reply read."""


class Order(NamedTuple):
    """What a child does, on which session of a store, and when it is killed.

    `kill_at` counts from 1 what is sent to the server, also by opening a connection, and what is
    done to files; from where the store is open already, if it is to be `opened` before.
    """

    sections: dict[str, Any]
    operation: str
    session: str
    kill_at: int
    moment: str
    opened: bool


class Killer:
    """Kills this process at one of the things that it does to server and files."""

    def __init__(self, bus: EventBus, order: Order) -> None:
        self._order = order
        self._count = 0
        self._runner = bus.store.runner
        self._perform = self._runner._perform
        self._send: Any = AbstractConnection.send_packed_command
        self._read: Any = AbstractConnection.read_response

    def install(self) -> None:
        """Count from here on."""
        killer = self

        def send(connection: Any, command: Any, check_health: bool = True) -> None:
            if not killer._is_due():
                killer._send(connection, command, check_health)
                return
            if killer._order.moment == "within":
                data = b"".join(command)
                killer._send(connection, [data[: len(data) // 2]], check_health)
            elif killer._order.moment == "after":
                killer._send(connection, command, check_health)
                killer._read(connection)
            _die()

        AbstractConnection.send_packed_command = send  # type: ignore[method-assign]
        self._runner._perform = self._counted  # type: ignore[method-assign]

    def _counted(self, step: Any) -> Any:
        is_due = isinstance(step, Blocking) and self._is_due()
        if is_due and self._order.moment != "after":
            _die()
        result = self._perform(step)
        if is_due:
            _die()
        return result

    def _is_due(self) -> bool:
        self._count += 1
        return self._count == self._order.kill_at


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def perform(order: Order) -> int:
    """Perform an order; return 0 once it is done."""
    with EventBus(EventStore(AppSettings(**order.sections))) as bus:
        if order.opened:
            bus.store.open()
        Killer(bus, order).install()
        OPERATIONS[order.operation].perform(bus, order.session)
    return 0


def main() -> None:
    """Perform orders until there are no more."""
    for line in sys.stdin:
        order = Order(*json.loads(line))
        child = os.fork()
        if child == 0:
            os._exit(perform(order))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
