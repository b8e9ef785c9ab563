"""What the store says of itself at one moment: what was appended, what waits, who is behind."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from eventstore import commands
from eventstore.connection import parse_info
from eventstore.consuming.membership import Slot
from eventstore.errors import CommandFailed
from eventstore.flow import Call, as_is, batch, call
from eventstore.health_retention import held_by_groups, standings_behind
from eventstore.parking.reading import count_parked
from eventstore.retention import Rule
from eventstore.session_list import session_count
from eventstore.views import START, Checkpoint, parse_checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from eventstore.consuming.access import StoreAccess
    from eventstore.keys import Keys

ACTIVE_MS: Final = 15 * 60 * 1000
_MEMORY_SAMPLES: Final = 5
_COUNT_PREFIX: Final = "count:"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a slot is behind: events that wait, and for how many seconds the oldest does.

    `seconds` is None where that was not asked, or the oldest is in the stream no more.
    """

    position: int
    events: int
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class StoreSample:
    """The store over all partitions.

    `appended` counts events by type, `payload_bytes` those that ever came into a tier,
    `waiting_bytes` those in the buffer now. `stream_bytes` is the server's estimate, None where
    it tells nobody. `parked` counts parked events by group, those without any included.
    `stored_bytes` are payload bytes of events by where they are now; what several events share
    counts for each. `memory_limit` is None where the server has none. `sessions` are all that the
    log has. `held` are events that trimming would take if each group had passed them, None
    without a retention rule.
    """

    appended: dict[str, int]
    lags: dict[Slot, Lag]
    payload_bytes: dict[str, int]
    waiting_bytes: int
    stream_bytes: int | None
    sessions_active: int
    parked: dict[str, int]
    stored_bytes: dict[str, int] = field(default_factory=dict)
    memory_bytes: int | None = None
    memory_limit: int | None = None
    sessions: int | None = None
    held: dict[str, int] | None = None


async def sample_lags(access: StoreAccess, groups: Iterable[str]) -> dict[Slot, Lag]:
    """Return how many events every slot of some groups, and of all others known, is behind."""
    metas, checkpoints = await _state(access)
    return _lags(access.partitions, metas, checkpoints, groups)


async def sample_store(access: StoreAccess, groups: Iterable[str]) -> StoreSample:
    """Return a sample of the store, in a few round trips."""
    metas, checkpoints = await _state(access)
    lags = _lags(access.partitions, metas, checkpoints, groups)
    behind = [slot for slot, lag in lags.items() if lag.events]
    now, *oldest = await access.run(
        batch([_now(), *(_next_entry(access.partitions, slot, lags[slot]) for slot in behind)])
    )
    for slot, entries in zip(behind, oldest, strict=True):
        lags[slot] = Lag(lags[slot].position, lags[slot].events, _age(entries, now))
    active = await access.run(
        batch([session_count(keys, now - ACTIVE_MS) for keys in access.partitions])
    )
    sessions = await access.run(batch([session_count(keys) for keys in access.partitions]))
    waiting, stored = _sum(metas, "payload_bytes"), _sum(metas, "stored:file")
    shared = _sum(metas, "stored:digest")
    memory = await access.run(call(Call("INFO", (), ("memory",), parse_info)))
    return StoreSample(
        appended=_appended(metas),
        lags=lags,
        payload_bytes={
            "buffer": waiting + stored,
            "file": stored,
            "digest": shared,
        },
        waiting_bytes=waiting,
        stream_bytes=await _stream_bytes(access),
        sessions_active=sum(active),
        parked=await _parked(access, groups),
        stored_bytes={"buffer": waiting, "file": stored, "digest": shared},
        memory_bytes=int(memory["used_memory"]),
        memory_limit=int(memory.get("maxmemory", "0")) or None,
        sessions=sum(sessions),
        held=await _held(access, tuple(groups)),
    )


async def _held(access: StoreAccess, groups: Sequence[str]) -> dict[str, int] | None:
    rule = Rule.of(access.settings.retention)
    if not rule.active:
        return None
    return held_by_groups(await access.run(standings_behind(access.partitions, rule, groups)))


async def _parked(access: StoreAccess, groups: Iterable[str]) -> dict[str, int]:
    counts = dict.fromkeys(groups, 0)
    for count in await access.run(count_parked(access.partitions)):
        counts[count.group] = counts.get(count.group, 0) + count.parked
    return counts


async def _state(
    access: StoreAccess,
) -> tuple[list[dict[str, str]], list[dict[str, Checkpoint]]]:
    """Return what each partition says of itself, and its checkpoints, not newer than that."""
    calls: list[Call[Any]] = [
        step for keys in access.partitions for step in (_checkpoints(keys), commands.meta(keys))
    ]
    found = await access.run(batch(calls))
    return found[1::2], found[0::2]


def _checkpoints(keys: Keys) -> Call[dict[str, Checkpoint]]:
    def parse(reply: list[bytes]) -> dict[str, Checkpoint]:
        return {
            name.decode(): parse_checkpoint(value)
            for name, value in zip(reply[::2], reply[1::2], strict=True)
        }

    return Call("HGETALL", (keys.checkpoints,), (), parse)


def _lags(
    partitions: Sequence[Keys],
    metas: Sequence[dict[str, str]],
    checkpoints: Sequence[dict[str, Checkpoint]],
    groups: Iterable[str],
) -> dict[Slot, Lag]:
    # A rebuild in progress has a checkpoint `<group>@g<n>`, and is not what readers see.
    known = {name for each in checkpoints for name in each if "@" not in name} | set(groups)
    lags = {}
    for keys, meta, reached in zip(partitions, metas, checkpoints, strict=True):
        for group in sorted(known):
            position = reached.get(group, START).position
            waiting = int(meta["head"]) - position
            seconds = None if waiting else 0.0
            lags[Slot(group, keys.partition)] = Lag(position, waiting, seconds)
    return lags


def _appended(metas: Iterable[dict[str, str]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for meta in metas:
        for name, value in meta.items():
            if name.startswith(_COUNT_PREFIX):
                counted = name.removeprefix(_COUNT_PREFIX)
                counts[counted] = counts.get(counted, 0) + int(value)
    return counts


def _sum(metas: Iterable[dict[str, str]], name: str) -> int:
    return sum(int(meta.get(name, "0")) for meta in metas)


def _now() -> Call[Any]:
    return Call("TIME", (), (), lambda reply: int(reply[0]) * 1000 + int(reply[1]) // 1000)


def _next_entry(partitions: Sequence[Keys], slot: Slot, lag: Lag) -> Call[Any]:
    return commands.entries(partitions[slot.partition], lag.position + 1, None, 1)


def _age(entries: Sequence[Any], now: int) -> float | None:
    """Return how long ago the entry was appended; its own clock may have been stepped since."""
    if not entries:
        return None
    fields = entries[0][1]
    appended = int(fields[fields.index(b"at") + 1])
    return max(0.0, (now - appended) / 1000)


async def _stream_bytes(access: StoreAccess) -> int | None:
    usage = [
        Call("MEMORY", (), ("USAGE", keys.stream, "SAMPLES", _MEMORY_SAMPLES), as_is)
        for keys in access.partitions
    ]
    try:
        return sum(size or 0 for size in await access.run(batch(usage)))
    except CommandFailed as error:
        _log.info("the size of the streams is not known: %s", error)
        return None
