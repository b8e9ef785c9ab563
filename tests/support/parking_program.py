"""A process that parks, or replays what is parked, to be killed at any moment, or measured.

    python parking_program.py SETTINGS work|replay|measure

`work` consumes the counting group, which cannot fold poison, until SIGTERM. `replay` hands what it
has parked to a handler that counts each event by the same script that takes it back, and ends.
`measure` does that without a pause, and prints the most memory that it had, in bytes.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
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


async def replay(settings: AppSettings, pause: float) -> None:
    """Replay what the counting group has parked, in every partition, with a pause at each event."""
    access = StoreAccess(settings, groups=1)
    try:
        await access.run(access.log.open())
        for keys in access.partitions:
            handle = counting(keys, pause)
            await Replay(access, keys, "counting", handle, lambda _: None).run()
    finally:
        await access.close()


def counting(keys: Keys, pause: float) -> Handle:
    """Return what counts each event it is handed."""

    async def handle(recorded: Recorded) -> list[Write]:
        if pause:
            await anyio.sleep(pause)
        return [Write("HINCRBY", counts_key(keys), (recorded.event.ref, 1))]

    return handle


def peak_memory() -> int:
    """Return the most bytes of memory that this process had.

    Not `getrusage`, which counts those of the process that started it.
    """
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    [line] = [line for line in lines if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def main(sections: str, what: str) -> None:
    """Do one of the three."""
    logging.basicConfig(level=logging.ERROR)
    settings = AppSettings(**json.loads(sections))
    if what == "work":
        sys.exit(consume(settings, PICKY))
    # Long enough that a kill falls between events, and that several are settled at once.
    anyio.run(replay, settings, 0.002 if what == "replay" else 0.0)
    if what == "measure":
        sys.stdout.write(f"{peak_memory()}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
