"""Rebuilds in processes of their own, each killed before a given exchange with the server.

    python rebuild_program.py SETTINGS

SETTINGS is a JSON object of the settings' sections. Every line read is an `Order` in JSON; a child
is forked to perform it, and its exit status is written. It has not begun anything that a fork
would split: this process opens no connection and runs no event loop.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
from support.rebuilding import nothing

from consumers.rebuild import build
from consumers.rebuild.run import abort_rebuild, rebuild_projection
from consumers.working.groups import find_projection
from eventstore.consuming.access import StoreAccess
from eventstore.settings import AppSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

FAULTY = 9


class Order(NamedTuple):
    """What a child does: `kill_at` counts exchanges from 1, 0 lets it end; `rounds` before it
    seizes the live group's lease."""

    action: str
    projection: str
    kill_at: int
    rounds: int


async def perform(settings: AppSettings, order: Order) -> int:
    """Perform an order; return 0 if all is as it should be."""
    access = StoreAccess(settings, groups=1)
    _kill_before(access, order.kill_at)
    build._ROUNDS = order.rounds  # type: ignore[misc]
    projection = find_projection(order.projection)
    if order.action == "abort":
        await abort_rebuild(access, projection, nothing)
        return 0
    found = await rebuild_projection(access, projection, nothing)
    return 0 if found and all(each.verified.is_equal for each in found) else FAULTY


def _kill_before(access: StoreAccess, kill_at: int) -> None:
    runner = access._runner
    exchange, count = runner._exchange, 0

    async def counted(commands: Sequence[Any], *, control: bool) -> list[Any]:
        nonlocal count
        count += 1
        if count == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return await exchange(commands, control=control)

    runner._exchange = counted  # type: ignore[method-assign]


def main(sections: str) -> None:
    """Perform orders until there are no more."""
    settings = AppSettings(**json.loads(sections))
    for line in sys.stdin:
        order = Order(*json.loads(line))
        child = os.fork()
        if child == 0:
            os._exit(anyio.run(perform, settings, order))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
