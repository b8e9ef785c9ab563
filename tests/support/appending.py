"""A process that appends to one session beside others, for tests of their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.artifacts import artifact

from eventstore.store import EventStore

if TYPE_CHECKING:
    from threading import Barrier

    from eventstore.commands import Appended
    from eventstore.settings import AppSettings


def append_alone(
    settings: AppSettings, ready: Barrier, name: str, batches: int
) -> list[list[Appended]]:
    """Append batches of 1, 2 and 3 events to session "s" in turn; return every answer."""
    with EventStore(settings) as store:
        store.open()
        ready.wait()
        return [
            store.append("s", [artifact("s", [name, n, i]) for i in range(n % 3 + 1)])
            for n in range(batches)
        ]
