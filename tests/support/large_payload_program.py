"""A process that publishes one large payload and reads it back, and says what memory that took.

    python large_payload_program.py SETTINGS blocking|asyncio bytes|random|text|json SIZE

SIZE is of the payload as stored, in bytes. Prints a JSON object: the `ref`, and the most bytes of
memory that publishing and reading each took beyond what the process had with the payload in hand.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import anyio
from support.parking_program import peak_memory

from eventstore.async_bus import AsyncEventBus
from eventstore.bus import EventBus
from eventstore.settings import AppSettings
from eventstore.store import AsyncEventStore, EventStore

HEADER = {"session_id": "large", "agent_id": "a", "type": "state"}


def payload_of(form: str, size: int) -> Any:
    """Return a payload of so many bytes, the same each time unless it is random."""
    if form in ("bytes", "text"):
        text = ("0123456789abcde\n" * (size // 16 + 1))[:size]
        return text.encode() if form == "bytes" else text
    if form == "random":
        return os.urandom(size)
    parts = ["x" * 1021] * (size // 1024 - 1)
    # Two quotes and a comma are of each part, and the brackets of the whole.
    parts.append("x" * (size - 1024 * len(parts) - 4))
    return parts


def resident() -> int:
    """Return the bytes of memory that this process has."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    [line] = [line for line in lines if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024


def forget_peak() -> int:
    """Have the peak of memory begin anew; return what the process has now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return resident()


def blocking(settings: AppSettings, payload: Any) -> dict[str, Any]:
    """Publish and read by the blocking bus."""
    with EventBus(EventStore(settings)) as bus:
        bus.store.open()
        before = forget_peak()
        ref = bus.publish(HEADER, payload).ref
        published = peak_memory() - before
        before = forget_peak()
        row = bus.get(ref)
        read = peak_memory() - before
        assert row.payload == payload
    return {"ref": ref, "publish": published, "get": read}


async def awaited(settings: AppSettings, payload: Any) -> dict[str, Any]:
    """The same by the asyncio bus."""
    async with AsyncEventBus(AsyncEventStore(settings)) as bus:
        await bus.store.open()
        before = forget_peak()
        ref = (await bus.publish(HEADER, payload)).ref
        published = peak_memory() - before
        before = forget_peak()
        row = await bus.get(ref)
        read = peak_memory() - before
        assert row.payload == payload
    return {"ref": ref, "publish": published, "get": read}


def main(sections: str, twin: str, form: str, size: str) -> None:
    """Do it once."""
    settings = AppSettings(**json.loads(sections))
    payload = payload_of(form, int(size))
    done = (
        blocking(settings, payload) if twin == "blocking" else anyio.run(awaited, settings, payload)
    )
    sys.stdout.write(json.dumps(done))


if __name__ == "__main__":
    main(*sys.argv[1:])
