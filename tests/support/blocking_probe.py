"""Uses an asyncio bus and reports what blocked its event loop; prints JSON.

Run as a process of its own with settings in the environment: an audit hook cannot be removed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from typing import Any, Final

import anyio.to_thread

from eventstore import get_async_bus, settings
from eventstore.resources import lua_source

BLOCKING: Final = frozenset(
    {
        *("open", "os.mkdir", "os.listdir", "os.scandir", "os.rename", "os.remove", "os.chmod"),
        *("fcntl.flock", "fcntl.fcntl", "subprocess.Popen", "time.sleep", "socket.getaddrinfo"),
    }
)
# Code and its data, read once in a process, as by an import.
CODE: Final = (".py", ".pyc", ".so", ".lua", "entry_points.txt")


class Watch:
    """Records audited events of one thread while it is switched on."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.on = False
        self.found: list[str] = []

    def hook(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.on or event not in BLOCKING or threading.get_ident() != self.thread:
            return
        subject = str(args[0]) if args else ""
        if not subject.endswith(CODE):
            self.found.append(f"{event} {subject}")


async def use(watch: Watch) -> int:
    # What is imported at its first use is imported now.
    await anyio.to_thread.run_sync(int)
    watch.on = True
    bus = get_async_bus()
    header = {"session_id": "s", "agent_id": "a", "type": "state"}
    first = await bus.publish(header, {"n": 1})
    await bus.publish_many([(header, "x" * 400_000), (header, b"y")])
    await bus.fork("s", at=first.step_idx, name="child")
    await bus.create_evaluation_for(first.ref, evaluator_id="judge")
    await bus.get(first.ref)
    rows = await bus.search("s", type="state", agent="a")
    await bus.history("s", "child")
    await bus.evaluations_for(first.ref)
    await bus.close()
    watch.on = False
    return len(rows)


def main() -> None:
    settings()
    lua_source("append")
    watch = Watch()
    sys.addaudithook(watch.hook)
    rows = asyncio.run(use(watch))
    print(json.dumps({"rows": rows, "blocked": watch.found}))  # noqa: T201  # the report


if __name__ == "__main__":
    main()
