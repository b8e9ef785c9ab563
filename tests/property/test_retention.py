"""Who holds events back is found by looking at one event, or at all of them, alike."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.consuming import publish
from support.stores import open_store
from support.trimming import keep, put_groups, set_ages

from eventstore.retention import look, look_behind

if TYPE_CHECKING:
    import redis
    from support.server import PrivateServer

HOUR: Final = 3600.0
HOUR_MS: Final = 3_600_000
GROUPS: Final = ("a", "b", "c")


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), count=st.integers(1, 12))
def test_a_short_look_finds_who_holds_events_back(
    server: PrivateServer, redis_client: redis.Redis, data: st.DataObject, count: int
) -> None:
    # By the server's clock, which rises.
    ages = sorted(data.draw(st.lists(st.integers(0, 4), min_size=count, max_size=count)))[::-1]
    groups = {name: data.draw(st.integers(0, count), label=name) for name in GROUPS}
    events = data.draw(st.one_of(st.none(), st.integers(1, count)), label="keep_events")
    hours = data.draw(st.one_of(st.none(), st.integers(1, 5)), label="keep_hours")
    with open_store(server, f"m{uuid4().hex}") as store:
        publish(store, "s", count)
        set_ages(redis_client, store, {n: age * HOUR_MS + 60_000 for n, age in enumerate(ages, 1)})
        put_groups(redis_client, store, groups)
        rule = keep(events, None if hours is None else hours * HOUR)
        keys = store.parts.log.partitions[0]
        whole = store.reading(partial(look, keys, rule, GROUPS))
        short = store.reading(partial(look_behind, keys, rule, GROUPS))
    assert short.holders == whole.holders
    if whole.holders:
        assert short == whole
