"""A process that parks, or replays what is parked, to be killed at any moment.

    python parking_program.py SETTINGS work|replay

`work` consumes the counting group, which cannot fold poison, until SIGTERM. `replay` hands what it
has parked to a handler that counts each event by the same script that takes it back, and ends.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import TYPE_CHECKING

import anyio
from support.parking import PICKY

from consumers.working.processes import consume
from eventstore.consuming.access import StoreAccess
from eventstore.consuming.writes import Write
from eventstore.parking.replaying import Replay
from eventstore.settings import AppSettings

if TYPE_CHECKING:
    from eventstore.codec import Recorded
    from eventstore.keys import Keys
    from eventstore.parking.replaying import Handle


def counts_key(keys: Keys) -> str:
    """Return the key of the hash in which a replay counts events by ref."""
    return keys.projection().of_family("replayed", "counts")


async def replay(settings: AppSettings) -> None:
    """Replay what the counting group has parked, in every partition."""
    access = StoreAccess(settings, groups=1)
    try:
        await access.run(access.log.open())
        for keys in access.partitions:
            await Replay(access, keys, "counting", counting(keys)).run(lambda done: None)
    finally:
        await access.close()


def counting(keys: Keys) -> Handle:
    """Return what counts each event it is handed."""

    async def handle(recorded: Recorded) -> list[Write]:
        # Long enough that a kill falls between events, and that several are settled at once.
        await anyio.sleep(0.002)
        return [Write("HINCRBY", counts_key(keys), (recorded.event.ref, 1))]

    return handle


def main(sections: str, what: str) -> None:
    """Do one of the two."""
    logging.basicConfig(level=logging.ERROR)
    settings = AppSettings(**json.loads(sections))
    if what == "work":
        sys.exit(consume(settings, PICKY))
    anyio.run(replay, settings)


if __name__ == "__main__":
    main(*sys.argv[1:])
