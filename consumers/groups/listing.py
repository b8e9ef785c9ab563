"""Every consumer group of a store: what it is, where it is, how far behind, in whose hands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

import msgspec

from consumers.monitoring.sampling import sample_store
from consumers.working.groups import known_groups, known_projections
from eventstore.consuming.lease import owner_of
from eventstore.consuming.membership import Slot
from eventstore.consuming.presence import competitors_of
from eventstore.flow import Call, batch

if TYPE_CHECKING:
    from eventstore.consuming.access import StoreAccess
    from eventstore.keys import Keys

GroupKind: TypeAlias = Literal["projection", "own", "subscriber", "work", "unknown"]
"""A read model, another group of the store, a program's ordered or competing group, or none
that is installed here: what a plugin that is gone has left, say."""
_ORDER: Final = ("projection", "own", "subscriber", "work", "unknown")


class GroupPlace(msgspec.Struct, frozen=True):
    """One group in one partition. None is unknown, or nothing that such a group has.

    `owner` is host and process of whoever holds the lease; of a competing group, of all who
    compete. `pending` is how much work of such a group is handed out or waits to be.
    """

    group: str
    kind: GroupKind
    partition: int
    position: int | None
    head: int
    lag_events: int | None
    lag_seconds: float | None
    owner: str | None
    pending: int | None


class _Names(NamedTuple):
    """The names in one partition, by the hash that holds them; those being deleted as well."""

    subscribers: frozenset[str]
    competing: frozenset[str]
    checkpoints: frozenset[str]


async def list_groups(access: StoreAccess) -> list[GroupPlace]:
    """Return every group in every partition, the store's own first."""
    own = known_groups()
    names = await _names(access)
    kinds = {name: _kind(name, names) for name in {*own, *_all(names)}}
    sample = await sample_store(access, own)
    heads = {slot.partition: lag.position + lag.events for slot, lag in sample.lags.items()}
    slots = [
        Slot(group, keys.partition)
        for group in sorted(kinds, key=lambda group: (_ORDER.index(kinds[group]), group))
        for keys in access.partitions
    ]
    owners = await _owners(access, slots)
    shared = [group for group in kinds if kinds[group] == "work"]
    takeover = access.settings.consuming.takeover_seconds
    competitors = await access.run(competitors_of(access.partitions[0], shared, takeover))
    seated = dict(zip(shared, competitors, strict=True))
    pending = await _pending(access, [slot for slot in slots if kinds[slot.group] == "work"])
    found = []
    for slot, owner in zip(slots, owners, strict=True):
        begun = slot.group in names[slot.partition].checkpoints or slot.group in own
        lag = sample.lags.get(slot) if begun else None
        found.append(
            GroupPlace(
                slot.group,
                kinds[slot.group],
                slot.partition,
                None if lag is None else lag.position,
                heads[slot.partition],
                None if lag is None else lag.events,
                None if lag is None or lag.seconds is None else round(lag.seconds, 3),
                owner or ", ".join(seated.get(slot.group, ())) or None,
                pending.get(slot),
            )
        )
    return found


def _kind(name: str, names: list[_Names]) -> GroupKind:
    if name in {each.name for each in known_projections()}:
        return "projection"
    if name in known_groups():
        return "own"
    if any(name in each.subscribers for each in names):
        return "subscriber"
    return "work" if any(name in each.competing for each in names) else "unknown"


def _all(names: list[_Names]) -> set[str]:
    return {name for each in names for part in each for name in part}


async def _names(access: StoreAccess) -> list[_Names]:
    calls: list[Call[frozenset[str]]] = [
        Call("HKEYS", (key,), (), _group_names)
        for keys in access.partitions
        for key in (keys.subscribers, keys.competing, keys.checkpoints)
    ]
    found = await access.run(batch(calls))
    return [_Names(*found[start : start + 3]) for start in range(0, len(found), 3)]


def _group_names(reply: list[bytes]) -> frozenset[str]:
    # What rebuilds keep has an @ in its name, and is no group.
    return frozenset(name.decode() for name in reply if b"@" not in name)


async def _owners(access: StoreAccess, slots: list[Slot]) -> list[str | None]:
    return await access.run(batch([_owner(access.partitions[s.partition], s.group) for s in slots]))


def _owner(keys: Keys, group: str) -> Call[str | None]:
    def parse(reply: bytes | None) -> str | None:
        return None if reply is None else owner_of(reply.decode())

    return Call("GET", (keys.lease(group),), (), parse)


async def _pending(access: StoreAccess, slots: list[Slot]) -> dict[Slot, int]:
    calls: list[Call[Any]] = []
    for slot in slots:
        work = access.partitions[slot.partition].work(slot.group)
        calls += [Call("XLEN", (work.stream,), (), int), Call("ZCARD", (work.due,), (), int)]
    counts = await access.run(batch(calls))
    return {slot: counts[2 * n] + counts[2 * n + 1] for n, slot in enumerate(slots)}
