"""A worker of the counting group in a process of its own, which can be made to hold a batch.

    python worker_program.py SETTINGS HOLD

SETTINGS is a JSON object of the settings' sections. If the file HOLD exists when a batch has
been folded, the worker writes HOLD.held and goes on only when HOLD is gone. If HOLD says `thread`,
a thread waits that nothing can cut short, as in a file system that hangs.
"""

from __future__ import annotations

import json
import logging
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from support.consuming import Counting

from consumers.applying.projecting import Projecting
from consumers.working.processes import consume
from eventstore.settings import AppSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.codec import Recorded
    from eventstore.consuming.access import StoreAccess
    from eventstore.keys import Keys
    from projections.base import Write


class Holding:
    """The counting group, with batches in hand held for as long as a file exists."""

    name = "counting"
    parks = True

    def __init__(self, hold: Path, access: StoreAccess) -> None:
        self._hold = hold
        self._inner = Projecting(access, Counting())

    async def writes(
        self, events: Sequence[Recorded], generation: int, keys: Keys
    ) -> Sequence[Write]:
        writes = await self._inner.writes(events, generation, keys)
        while self._hold.exists():
            self._hold.with_suffix(".held").touch()
            await anyio.sleep(0.01)
        return writes


def main(settings: str, hold: str) -> None:
    """Consume until SIGTERM."""
    logging.basicConfig(level=logging.INFO)
    groups = {"counting": partial(Holding, Path(hold))}
    sys.exit(consume(AppSettings(**json.loads(settings)), groups))


if __name__ == "__main__":
    main(*sys.argv[1:])
