"""What workers say is wrong with what they consume, left in the server for whoever asks.

A worker that dies leaves its report behind; it counts only while the worker is on the list of
members, and the others clear it away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from eventstore.flow import Call, as_is

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from eventstore.keys import Keys


class Report(msgspec.Struct, frozen=True):
    """Something that keeps a consumer from getting on: where, what, and what to do."""

    where: str
    problem: str
    remedy: str


_decoder = msgspec.json.Decoder(list[Report])


def report(keys: Keys, worker: str, reports: Sequence[Report]) -> Call[Any]:
    """Leave a worker's reports in place of its earlier ones; `keys` are of partition 0."""
    if not reports:
        return Call("HDEL", (keys.worker_reports,), (worker,), as_is)
    text = msgspec.json.encode(reports)
    return Call("HSET", (keys.worker_reports,), (worker, text), as_is)


def reporters(keys: Keys) -> Call[list[str]]:
    """Return the workers that have left reports, dead ones included."""
    return Call("HKEYS", (keys.worker_reports,), (), lambda found: [n.decode() for n in found])


def clear_reports(keys: Keys, workers: Iterable[str]) -> Call[Any]:
    """Clear away the reports of some workers, one at least."""
    return Call("HDEL", (keys.worker_reports,), tuple(workers), as_is)


def all_reports(keys: Keys) -> Call[dict[str, list[Report]]]:
    """Return the reports of every worker that has left some."""

    def parse(found: list[bytes]) -> dict[str, list[Report]]:
        return {
            name.decode(): _decoder.decode(text)
            for name, text in zip(found[::2], found[1::2], strict=True)
        }

    return Call("HGETALL", (keys.worker_reports,), (), parse)
