"""Consumers under test: projections that count, workers in a thread, and drafts to feed them."""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from anyio.from_thread import start_blocking_portal
from support.wait import until

from consumers.applying.projecting import Projecting
from consumers.working.worker import Worker
from eventstore import commands
from eventstore.flow import Call, as_is, call
from eventstore.headers import build_artifact
from eventstore.views import checkpoint
from projections.base import Read, Write

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from consumers.applying.handler import Handler
    from consumers.working.groups import Factory
    from eventstore.codec import Recorded
    from eventstore.consuming.access import StoreAccess
    from eventstore.drafts import Draft
    from eventstore.keys import ProjectionKeys
    from eventstore.settings import AppSettings
    from eventstore.store import EventStore
    from eventstore.views import Checkpoint
    from projections.base import State

STOP_TIMEOUT = 60.0


class Counting:
    """Counts how often each event took effect, and numbers them in the order of effect.

    It reads state that it wrote, so an effect that is lost or doubled shows in either.
    """

    families = frozenset({"index"})

    def __init__(self, name: str = "counting") -> None:
        self.name = name

    def needs(self, events: Sequence[Recorded], keys: ProjectionKeys) -> list[Read]:
        return [_number(keys, session) for session in {e.event.session_id: None for e in events}]

    def fold(self, events: Sequence[Recorded], state: State, keys: ProjectionKeys) -> list[Write]:
        numbers = {read.key: int(found or 0) for read, found in state.items()}
        writes = []
        for item in events:
            key = keys.index(item.event.session_id)
            numbers[key] += 1
            writes.append(Write("HINCRBY", key, (item.event.ref, 1)))
            writes.append(Write("HSET", key, (f"at:{numbers[key]}", item.position)))
        return writes + [Write("HSET", key, ("n", number)) for key, number in numbers.items()]


def _number(keys: ProjectionKeys, session_id: str) -> Read:
    return Read("HGET", keys.index(session_id), ("n",))


def counting_group(access: StoreAccess, name: str = "counting") -> Handler:
    """Make the group of the counting projection."""
    return Projecting(access, Counting(name))


COUNTING: Mapping[str, Factory] = {"counting": counting_group}


def counting_groups(*names: str) -> dict[str, Factory]:
    """Make a counting group of each name; all write the same keys, so give one in a test."""
    return {name: partial(counting_group, name=name) for name in names}


def drafts(session_id: str, count: int, payload: Any = None, **header: Any) -> list[Draft]:
    """Return new artifacts of a session."""
    fields = {"session_id": session_id, "agent_id": "a", "type": "state", **header}
    return [
        build_artifact(fields, {"n": n} if payload is None else payload, {}, 2048)
        for n in range(count)
    ]


def publish(store: EventStore, session_id: str, count: int, payload: Any = None) -> list[str]:
    """Append artifacts to a session in batches of 100 and return their refs."""
    items = drafts(session_id, count, payload)
    for start in range(0, count, 100):
        store.append(session_id, items[start : start + 100])
    return [item.event.ref for item in items]


def append_newer(store: EventStore, session: str) -> None:
    """Append an event as a later version of this code would: of a schema version unknown here."""
    opened, keys = store.open(), store.parts.log.keys_of(session)
    step = commands.append(
        keys, session, drafts(session, 1), epoch=opened.epochs[0], buffer_limit=10**6,
        expect={}, start={},
    )  # fmt: skip
    values = list(step.args)
    assert values[11] == 1
    values[11] = 99
    newer = dataclasses.replace(step, args=tuple(values))
    assert isinstance(store.reading(lambda: call(newer)), commands.Accepted)


def at(store: EventStore, group: str = "counting", partition: int = 0) -> Checkpoint:
    """Return a group's checkpoint."""
    keys = store.parts.log.partitions[partition]
    return store.reading(lambda: call(checkpoint(keys, group)))


def caught_up(store: EventStore, group: str = "counting") -> bool:
    """Return whether a group is at the head of every partition."""
    return all(
        at(store, group, head.partition)[1:] == (head.position, head.chain) for head in store.head()
    )


def until_caught_up(store: EventStore, group: str = "counting") -> None:
    """Wait until a group is at the head of every partition."""
    until(lambda: caught_up(store, group), what=f"{group} at the head")


def effects(store: EventStore, session_id: str) -> dict[bytes, bytes]:
    """Return what the counting projection wrote for a session."""
    keys = store.parts.log.keys_of(session_id)
    step: Call[list[bytes]] = Call("HGETALL", (keys.projection().index(session_id),), (), as_is)
    found = store.reading(lambda: call(step))
    return dict(zip(found[::2], found[1::2], strict=True))


def assert_each_once(store: EventStore, session_id: str, refs: Sequence[str]) -> None:
    """Fail unless every event of a session took effect once, in the order of the log."""
    found = effects(store, session_id)
    log = store.read(session_id)
    assert [item.event.ref for item in log] == list(refs)
    wanted = {b"n": b"%d" % len(refs)}
    wanted |= {ref.encode(): b"1" for ref in refs}
    wanted |= {b"at:%d" % n: b"%d" % item.position for n, item in enumerate(log, 1)}
    assert found == wanted


@contextmanager
def running(settings: AppSettings, groups: Mapping[str, Factory] = COUNTING) -> Iterator[Worker]:
    """Run a worker in a thread; what it raises is raised when the context ends."""
    with start_blocking_portal("asyncio") as portal:
        worker = portal.call(Worker, settings, groups)
        done = portal.start_task_soon(worker.run)
        try:
            yield worker
        finally:
            portal.call(worker.stop)
            done.result(STOP_TIMEOUT)
