"""Files of exported events for tests: out of one store, into another, and what both must share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.applying import apply_all
from support.artifacts import artifacts

from consumers.checking.verifying import verify_projection
from consumers.exporting.events import store_lines
from consumers.importing.load import Loaded, Loading
from projections.registry import PROJECTIONS, projection

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from eventstore.store import EventStore


def exported(store: EventStore) -> list[bytes]:
    """Return the lines of a store's events."""
    return list(store_lines(store))


def lines_of_steps(store: EventStore, count: int, session: str = "s") -> list[bytes]:
    """Append so many artifacts to a session, and return the lines of the store."""
    for start in range(0, count, 500):
        store.append(session, artifacts(session, min(500, count - start)))
    return exported(store)


def write_lines(path: Path, lines: Iterable[bytes]) -> Path:
    """Write lines to a file, and return it."""
    path.write_bytes(b"".join(lines))
    return path


def load(store: EventStore, path: Path) -> Loaded:
    """Import a file of events, and return what it added."""
    loading = Loading(store)
    loading.load_events(path)
    return loading.loaded


def numbers(store: EventStore, session: str) -> list[tuple[Any, ...]]:
    """Return all of a session's events, with the numbers that they have in it."""
    return [(e.event, e.seq, e.index, e.digest) for e in store.read(session)]


def read_models(store: EventStore) -> dict[tuple[str, int], str]:
    """Take every projection to the head; return the digest of each, by name and partition."""
    apply_all(store, PROJECTIONS)
    log = store.parts.log
    found = {}
    for each in PROJECTIONS:
        for keys in log.partitions:
            number = keys.partition
            report = store.reading(lambda: verify_projection(log, number, projection(each.name)))  # noqa: B023 - called at once
            assert report.is_equal
            found[each.name, number] = report.digest
    return found
