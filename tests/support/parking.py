"""Groups that give events up: few and quick tries, and what was parked."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from support.consuming import (
    Counting,
    caught_up,
    drafts,
    effects,
    running,
    until_caught_up,
)

from consumers.applying.projecting import Projecting
from eventstore.competing import calls
from eventstore.competing.beginning import begin_competing
from eventstore.competing.dispatching import dispatch_next
from eventstore.flow import batch, call
from eventstore.parking import reading
from eventstore.parking.blame import Fault
from eventstore.parking.record import encode_parked, parked, parking
from eventstore.settings_models import ConsumingSettings
from eventstore.subscribing.wanted import check_wanted
from eventstore.views import checkpoint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from consumers.applying.handler import Handler
    from consumers.working.groups import Factory
    from eventstore.codec import Recorded
    from eventstore.consuming.access import StoreAccess
    from eventstore.flow import Flow
    from eventstore.keys import Keys, ProjectionKeys
    from eventstore.log import Log
    from eventstore.parking.record import Parked
    from eventstore.settings import AppSettings
    from eventstore.store import EventStore
    from eventstore.subscribing.delivered import Delivered
    from projections.base import State, Write


POISON = "poison"
FAULT = Fault("ValueError: it cannot be handled", "in handle\n" * 40)


class Picky(Counting):
    """Counts, but cannot fold artifacts of one type."""

    def fold(self, events: Sequence[Recorded], state: State, keys: ProjectionKeys) -> list[Write]:
        for item in events:
            if getattr(item.event, "type", "") == POISON:
                raise ValueError(f"password=abcdefgh123 cannot be folded at {item.position}")
        return super().fold(events, state, keys)


def picky(access: StoreAccess) -> Handler:
    """Make the group of the picky projection."""
    return Projecting(access, Picky())


PICKY: Mapping[str, Factory] = {"counting": picky}


class Hopeless:
    """Parks every event of a batch, as the group of this name."""

    parks = True

    def __init__(self, name: str) -> None:
        self.name = name

    async def writes(
        self, events: Sequence[Recorded], generation: int, keys: Keys
    ) -> Sequence[Write]:
        names = keys.parked(self.name, generation)
        return [write for item in events for write in parking(names, parked(item, FAULT, 5))]


def park_all(settings: AppSettings, store: EventStore, group: str) -> None:
    """Have a worker's group park everything that it has not consumed yet, many events in a call."""
    with running(settings, {group: lambda access: Hopeless(group)}):
        until_caught_up(store, group)


def park_given(store: EventStore, group: str) -> None:
    """Have a subscriber give up everything that it has not consumed yet; one try is enough."""
    heads = [head.position for head in store.head()]

    @store.subscribe(group=group, payloads=False)
    def handle(event: Delivered) -> None:
        if event.position == heads[event.partition]:
            handle.stop()
        raise ValueError("it cannot be handled")

    handle.run()
    assert caught_up(store, group)


def park_work(store: EventStore, group: str) -> None:
    """Set a competing group up, and park everything there is for it, many pieces in a call."""
    wanted = check_wanted(group, "begin", None, None, payloads=False)
    log = store.parts.log
    store.reading(lambda: begin_competing(log, wanted))
    for keys in log.partitions:
        while store.reading(partial(dispatch_next, log, keys, wanted)).added:
            store.reading(partial(_park_ready, log, keys, group))


def _park_ready(log: Log, keys: Keys, group: str) -> Flow[None]:
    ready = yield from call(calls.take_new(keys, group, "c1", 1000))
    events = yield from log.at_positions(keys, [taken.position for taken in ready])
    items = [parked(event, FAULT, 5) for event in events]
    pairs = zip(ready, items, strict=True)
    steps = [calls.park(group, taken, item, encode_parked(item)) for taken, item in pairs]
    # By itself, since only a call by itself brings a script that the server does not know.
    first = yield from call(steps[0])
    assert {first, *(yield from batch(steps[1:]))} == {"ok"}


def append_picky(
    store: EventStore, session: str, count: int, poison: Sequence[int] = ()
) -> list[str]:
    """Append artifacts, those at some indexes poisonous; return the refs of the sound ones."""
    items = drafts(session, count)
    for n in poison:
        [items[n]] = drafts(session, 1, type=POISON)
    for start in range(0, count, 100):
        store.append(session, items[start : start + 100])
    return [item.event.ref for n, item in enumerate(items) if n not in poison]


def assert_all_but_the_poison(store: EventStore, session: str, refs: Sequence[str]) -> None:
    """Fail unless every sound event took effect once, in the order of the log."""
    found = effects(store, session)
    assert {ref for ref in refs if found[ref.encode()] != b"1"} == set()
    assert found[b"n"] == b"%d" % len(refs)
    log = {item.event.ref: item.position for item in store.read(session)}
    wanted = [b"%d" % log[ref] for ref in refs]
    assert [found[b"at:%d" % n] for n in range(1, len(refs) + 1)] == wanted


def trying(settings: AppSettings, attempts: int, **others: float) -> AppSettings:
    """Return settings under which an event is tried so often, almost without pauses."""
    pauses = {"first_retry_seconds": 0.001, "longest_retry_seconds": 0.01}
    consuming = ConsumingSettings(attempts=attempts, **{**pauses, **others})
    return settings.model_copy(update={"consuming": consuming})


def parked_of(store: EventStore, group: str, partition: int = 0) -> list[Parked]:
    """Return what a group has parked in a partition, in the order of the log."""

    def collect() -> Flow[list[Parked]]:
        names = yield from reading.live_keys(store.parts.log.partitions[partition], group)
        found: list[Parked] = []
        after, page = yield from reading.page(names, 0)
        while page:
            found += page
            after, page = yield from reading.page(names, after)
        return found

    return store.reading(collect)


def left_out(store: EventStore, group: str, partition: int = 0) -> list[int]:
    """Return the positions that a group left out, parked or dropped."""

    def collect() -> Flow[list[int]]:
        keys = store.parts.log.partitions[partition]
        at = yield from call(checkpoint(keys, group))
        names = keys.parked(group, at.generation)
        return (yield from call(reading.left_out(names, 0, None, 10**9)))

    return store.reading(collect)


def missing(store: EventStore, session_id: str) -> dict[str, int]:
    """Return, by group, how many events of a session it left out."""
    keys = store.parts.log.keys_of(session_id)
    return store.reading(lambda: reading.degraded(keys, session_id))
