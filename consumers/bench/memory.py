"""Bytes per artifact: in the server by kind of key, in a plain stream, and in payload files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from consumers.bench.sample import Artifact, fields
from consumers.monitoring.footprint import footprint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.bus import EventBus

_STREAM: Final = "bench-plain"


class KindBytes(msgspec.Struct, frozen=True):
    """What the keys of one kind take, spread over all artifacts."""

    kind: str
    keys: int
    bytes_per_artifact: float


class Memory(msgspec.Struct, frozen=True):
    """Bytes per artifact once every group has caught up.

    `kinds` are the server's estimates of its keys, the largest first, and `redis` their sum;
    `plain_stream` is a stream with the same artifacts; `payload_files` are in the payload store.
    """

    artifacts: int
    kinds: list[KindBytes]
    redis: float
    plain_stream: float
    payload_files: float


def measure_memory(bus: EventBus, items: Sequence[Artifact]) -> Memory:
    """Return what a store that holds just these artifacts takes."""
    count = len(items)
    parts = bus.store.parts
    kinds = bus.store.reading(lambda: footprint(parts.log.partitions))
    payload_bytes = parts.payloads.usage().bytes
    assert payload_bytes is not None, "the payloads of a benchmark are files"
    return Memory(
        artifacts=count,
        kinds=[KindBytes(kind.name, kind.keys, round(kind.bytes / count, 1)) for kind in kinds],
        redis=round(sum(kind.bytes for kind in kinds) / count, 1),
        plain_stream=round(_plain_stream(bus, items) / count, 1),
        payload_files=round(payload_bytes / count, 1),
    )


def _plain_stream(bus: EventBus, items: Sequence[Artifact]) -> int:
    commands = bus.redis.pipeline(transaction=False)
    for item in items:
        commands.xadd(_STREAM, fields(item))
    commands.execute()
    used: Any = bus.redis.memory_usage(_STREAM)
    bus.redis.unlink(_STREAM)
    return int(used)
