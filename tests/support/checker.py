"""An independent check of a whole store: does it hold what was acknowledged, and nothing wrong?

It reads the server and the payload files by itself, folds the log naively and compares
everything that is there with everything that should be, key by key. It shares no code with the
packages under test, and is tested by damaging a store (`tests/integration/test_checker.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from support.checker_groups import GROUPS, due_keys, places, take_reserved, taken, without_copy
from support.checker_journal import check_journal
from support.checker_log import Entry, check_entries, prefix_of, read_entries
from support.checker_parked import take_left_out
from support.checker_payloads import check_bytes, check_files, check_no_strangers
from support.checker_redis import compare, dump
from support.checker_trimmed import check_index, read_trimmed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import redis

# Who works on what, and the log itself, which is read by pages.
_NOT_COMPARED = ("lease:", "workers", "stream:artifacts")


class Acknowledged(NamedTuple):
    """What a producer was told of one event; `sha256` is of the raw payload, "" for none."""

    ref: str
    session_id: str
    position: int
    seq: int
    step_idx: int
    sha256: str


class Forked(NamedTuple):
    """A branch that a producer was told of."""

    session_id: str
    branch_id: str
    parent: str
    at: int


class Store(NamedTuple):
    """Where a store is: its server, namespace and number of partitions, its payload files."""

    client: redis.Redis
    namespace: str
    partitions: int
    payload_root: Path


def check_store(
    store: Store,
    acknowledged: Iterable[Acknowledged] = (),
    forked: Iterable[Forked] = (),
    *,
    caught_up: bool = True,
) -> list[str]:
    """Return everything that is wrong with a store at rest, as sentences; empty if it is sound.

    Every group is held against the log up to its checkpoint; `caught_up` asks that no group is
    behind. Nobody may write meanwhile.
    """
    problems: list[str] = []
    found = dump(store.client, store.namespace)
    log: list[Entry] = []
    uuids: set[str] = set()
    for partition in range(store.partitions):
        keys = found.pop(prefix_of(store.namespace, partition), {})
        meta = keys.get("meta", {})
        uuid, trimmed = meta.get(b"uuid", b"").decode(), int(meta.get(b"trimmed", 0))
        uuids.add(uuid)
        entries = read_trimmed(store.payload_root, uuid, partition, trimmed, problems)
        entries += read_entries(store.client, store.namespace, partition, trimmed + 1, problems)
        check_entries(entries, store.partitions, problems)
        check_index(store.payload_root, uuid, entries, trimmed, problems)
        _check_partition(store, partition, entries, keys, caught_up, problems)
        log += entries
    problems += [f"keys {prefix}… are of no partition" for prefix in found]
    if len(uuids) != 1:
        problems.append(f"partitions of several stores: {sorted(uuids)}")
    check_no_strangers(store.payload_root, log, uuids, problems)
    _check_acknowledged(log, acknowledged, problems)
    _check_forked(log, forked, problems)
    return problems


def _check_partition(
    store: Store,
    partition: int,
    entries: list[Entry],
    keys: dict[str, Any],
    caught_up: bool,
    problems: list[str],
) -> None:
    where = f"partition {partition}"
    take_reserved(partition, keys)
    at = places(where, keys.get("checkpoints", {}), entries, problems)
    problems += [
        f"{where}: {group} is at {at[group].position} of {len(entries)}"
        for group in GROUPS
        if caught_up and at[group].position != len(entries)
    ]
    left_out = take_left_out(where, keys, at, entries, problems)
    buffers = _take_buffers(keys)
    waiting = sum(len(data) for data in buffers.values())
    trimmed = int(keys.get("meta", {}).get(b"trimmed", 0))
    due = due_keys(entries, at, left_out, store.partitions, waiting, trimmed, problems)
    no_copy = without_copy(entries, at["branch"], left_out["branch"])
    ignored = (*_NOT_COMPARED, *no_copy)
    compared, wanted = (
        {key: value for key, value in each.items() if not key.startswith(ignored)}
        for each in (keys, due)
    )
    compare(where, compared, wanted, problems)
    stored = taken(entries, at["payloads"], left_out["payloads"])
    done = {entry.position for entry in stored}
    unstored = [entry for entry in entries if entry.position not in done]
    _check_buffers(where, buffers, unstored, problems)
    check_files(store.payload_root, stored, problems)
    uuid = keys.get("meta", {}).get(b"uuid", b"").decode()
    journalled = at["journal"].position
    check_journal(store.payload_root, uuid, partition, entries, journalled, problems)


def _take_buffers(keys: dict[str, Any]) -> dict[str, bytes]:
    names = [key for key in keys if key.startswith("payload:") and key != "payload:digests"]
    return {name.removeprefix("payload:"): keys.pop(name) for name in names}


def _check_buffers(
    where: str, buffers: dict[str, bytes], unstored: list[Entry], problems: list[str]
) -> None:
    """Exactly the payloads that the payload group has not come to wait, and they are whole."""
    for entry in unstored:
        if entry.payload is not None and entry.payload["place"] == "buffer":
            data = buffers.pop(entry.ref, None)
            if data is None:
                problems.append(f"{entry.where}: its payload is in no buffer, and not stored yet")
            else:
                check_bytes(f"{entry.where}: buffer", entry.payload, data, problems)
    problems += [f"{where}: the buffer of {ref} is left over" for ref in buffers]


def _check_acknowledged(
    log: list[Entry], acknowledged: Iterable[Acknowledged], problems: list[str]
) -> None:
    by_ref: dict[str, list[Entry]] = {}
    for entry in log:
        by_ref.setdefault(entry.ref, []).append(entry)
    for told in acknowledged:
        entries = by_ref.get(told.ref, [])
        if len(entries) != 1:
            problems.append(f"acknowledged {told.ref} is there {len(entries)} times")
            continue
        entry = entries[0]
        payload = entry.payload or {"sha256": ""}
        held = Acknowledged(
            entry.ref, entry.session, entry.position, entry.seq, entry.index, payload["sha256"]
        )
        if held != told:
            problems.append(f"{entry.where}: acknowledged as {told}, held as {held}")


def _check_forked(log: list[Entry], forked: Iterable[Forked], problems: list[str]) -> None:
    held = [
        Forked(entry.session, entry.branch, entry.header["parent"], entry.header["at"])
        for entry in log
        if entry.kind == "branch.forked"
    ]
    problems += [
        f"acknowledged {told} is there {held.count(told)} times"
        for told in forked
        if held.count(told) != 1
    ]
