"""What is trimmed is exactly what no rule keeps, every group has passed, and the journal holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.artifacts import artifact
from support.stores import open_store
from support.trimming import (
    GROUPS,
    keep,
    left,
    put_groups,
    set_ages,
    stream,
    trim,
    write_journal,
    write_overlapping,
)

from eventstore.journal import Journal
from eventstore.keys import position_of

if TYPE_CHECKING:
    import redis
    from support.server import PrivateServer

    from eventstore.store import EventStore

SESSIONS: Final = ("a", "b:{x}")
HOUR: Final = 3600.0
HOUR_MS: Final = 3_600_000
MOST: Final = 14


def allowed(
    count: int,
    ages: list[int],
    groups: dict[str, int],
    journalled: int,
    events: int | None,
    hours: int | None,
) -> int:
    """Return the last position that may go, counted one by one."""
    if events is None and hours is None:
        return 0
    last = 0
    while last + 1 <= count:
        position = last + 1
        kept = position > count - (events or 1) or (hours is not None and ages[last] < hours)
        if kept or position >= journalled or any(at < position for at in groups.values()):
            break
        last = position
    return last


def fill(store: EventStore, count: int, sessions: list[int]) -> None:
    for position in range(count):
        session = SESSIONS[sessions[position % len(sessions)]]
        store.append(session, [artifact(session, {"n": position})])


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), count=st.integers(1, MOST))
def test_only_and_all_that_may_go_is_trimmed(
    server: PrivateServer, redis_client: redis.Redis, data: st.DataObject, count: int
) -> None:
    position = st.integers(0, count)
    sessions = data.draw(st.lists(st.integers(0, 1), min_size=1, max_size=4), label="sessions")
    ages = data.draw(st.lists(st.integers(0, 4), min_size=count, max_size=count), label="ages")
    near_end = st.one_of(st.just(count), position)
    groups = {name: data.draw(near_end, label=name) for name in (*GROUPS, "subscriber")}
    ends = data.draw(st.lists(st.integers(1, count), max_size=4), label="segments")
    events = data.draw(st.one_of(st.none(), st.integers(1, count + 2)), label="keep_events")
    hours = data.draw(st.one_of(st.none(), st.integers(1, 5)), label="keep_hours")
    with open_store(server, f"m{uuid4().hex}") as store:
        keys = store.parts.log.partitions[0]
        fill(store, count, sessions)
        set_ages(redis_client, store, {n: age * HOUR_MS + 60_000 for n, age in enumerate(ages, 1)})
        write_journal(store, sorted(ends))
        if ends:
            first = data.draw(st.integers(1, max(ends)), label="overlap")
            write_overlapping(store, first, max(ends))
        put_groups(redis_client, store, groups | {"index@g2": data.draw(position)})
        journal = Journal(store.parts.payloads, store.open().uuid)
        log = store.read_all(0)
        by_session = {session: store.read(session) for session in SESSIONS}

        rule = keep(events, None if hours is None else hours * HOUR)
        gone = allowed(count, ages, groups, journal.end(0).position, events, hours)
        assert trim(store, rule).events == gone
        kept = list(range(gone + 1, count + 1))
        assert left(redis_client, keys) == (kept, kept)
        held = {position_of(entry[0]) for entry in journal.entries(0)}
        assert set(range(1, gone + 1)) <= held
        assert len(stream(store)) >= 1
        assert trim(store, rule).events == 0

        assert store.read_all(0) == log
        assert {session: store.read(session) for session in SESSIONS} == by_session
        assert [store.get(each.event.ref) for each in log] == log
