"""An ordered group applies each event exactly once, in order, and stops at what it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.consuming import (
    COUNTING,
    Counting,
    append_newer,
    assert_each_once,
    at,
    counting_group,
    effects,
    publish,
    running,
    until_caught_up,
)
from support.parking import parked_of, trying
from support.stores import make_settings, open_store
from support.wait import until

from consumers.applying.payload_group import PayloadHandler
from consumers.applying.projecting import Projecting
from consumers.monitoring.health import Verdict
from eventstore.consuming.membership import Slot
from eventstore.views import START
from projections.base import Write

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import redis
    from support.server import PrivateServer

    from consumers.applying.handler import Handler
    from consumers.monitoring.health import SlotStatus
    from consumers.working.worker import Worker
    from eventstore.codec import Recorded
    from eventstore.consuming.access import StoreAccess
    from eventstore.keys import Keys, ProjectionKeys
    from projections.base import State

SLOT = Slot("counting", 0)


def status_of(worker: Worker) -> SlotStatus:
    return worker.slots[SLOT].status


def until_said(worker: Worker, verdict: Verdict) -> str:
    """Wait until the group has a fault of a kind, and return what it says."""
    until(lambda: status_of(worker).verdict is verdict, what=f"a fault: {verdict}")
    return status_of(worker).error or ""


@pytest.mark.parametrize("partitions", [1, 4])
def test_each_event_takes_effect_once_and_in_order(
    server: PrivateServer, namespace: str, partitions: int
) -> None:
    with open_store(server, namespace, partitions) as store:
        before = {f"s{n}": publish(store, f"s{n}", 600) for n in range(5)}
        with running(make_settings(server, namespace, partitions)):
            until_caught_up(store)
            after = {session: publish(store, session, 3) for session in before}
            until_caught_up(store)
        for session, refs in before.items():
            assert_each_once(store, session, refs + after[session])


def test_partitions_of_a_cluster_are_consumed_from_their_slots(
    cluster_server: PrivateServer, namespace: str
) -> None:
    groups = {**COUNTING, "payloads": PayloadHandler}
    with open_store(cluster_server, namespace, 4) as store:
        refs = {f"s{n}": publish(store, f"s{n}", 20) for n in range(5)}
        with running(make_settings(cluster_server, namespace, 4), groups):
            until_caught_up(store)
            until_caught_up(store, "payloads")
        for session, each in refs.items():
            assert_each_once(store, session, each)


def test_a_group_goes_on_where_an_earlier_worker_stopped(
    server: PrivateServer, namespace: str
) -> None:
    refs = []
    with open_store(server, namespace) as store:
        for _ in range(3):
            with running(make_settings(server, namespace)):
                refs += publish(store, "s", 7)
                until_caught_up(store)
        assert_each_once(store, "s", refs)


def test_groups_do_not_wait_for_each_other(server: PrivateServer, namespace: str) -> None:
    groups = {**COUNTING, "failing": lambda access: Failing(access, "failing", 10**6)}
    with open_store(server, namespace) as store:
        with running(trying(make_settings(server, namespace), 1000), groups) as worker:
            refs = publish(store, "s", 30)
            until_caught_up(store)
            until(lambda: worker.slots[Slot("failing", 0)].status.failures >= 2)
        assert at(store, "failing") == START
        assert_each_once(store, "s", refs)


class Failing:
    """A counting group with a defect: its first attempts fail."""

    parks = True

    def __init__(self, access: StoreAccess, name: str, failures: int) -> None:
        self.name = name
        self._failures = failures
        self._inner = counting_group(access, name)

    async def writes(
        self, events: Sequence[Recorded], generation: int, keys: Keys
    ) -> Sequence[Write]:
        if self._failures:
            self._failures -= 1
            raise ZeroDivisionError("a defect")
        return await self._inner.writes(events, generation, keys)


def test_a_defect_is_retried_counted_and_said(
    server: PrivateServer, namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    groups = {"counting": lambda access: Failing(access, "counting", 3)}
    with open_store(server, namespace) as store:
        refs = publish(store, "s", 20)
        with running(make_settings(server, namespace), groups) as worker:
            until_caught_up(store)
            until(lambda: status_of(worker).error is None)
            assert status_of(worker).total_failures == 3
        assert_each_once(store, "s", refs)
    traces = [record for record in caplog.records if record.exc_info]
    assert len(traces) == 3
    assert all("counting/0" in record.getMessage() for record in traces)


class Wide(Counting):
    """A counting projection that makes many more writes an event, all to one key."""

    def __init__(self, writes: int) -> None:
        super().__init__()
        self._writes = writes

    def fold(self, events: Sequence[Recorded], state: State, keys: ProjectionKeys) -> list[Write]:
        key = keys.index("wide")
        extra = [Write("HINCRBY", key, ("n", 1))] * (self._writes * len(events))
        return super().fold(events, state, keys) + extra


def wide(writes: int) -> Callable[[StoreAccess], Handler]:
    return lambda access: Projecting(access, Wide(writes))


def test_a_batch_of_too_many_writes_is_applied_in_parts(
    server: PrivateServer, namespace: str
) -> None:
    with open_store(server, namespace) as store:
        refs = publish(store, "s", 500)
        with running(make_settings(server, namespace), {"counting": wide(100)}):
            until_caught_up(store)
        assert_each_once(store, "s", refs)
        assert effects(store, "wide") == {b"n": b"50000"}


def test_an_event_of_too_many_writes_is_parked_and_changes_nothing_else(
    server: PrivateServer, namespace: str
) -> None:
    with open_store(server, namespace) as store:
        publish(store, "s", 3)
        settings = trying(make_settings(server, namespace), 2)
        with running(settings, {"counting": wide(10_001)}):
            until_caught_up(store)
        assert [item.position for item in parked_of(store, "counting")] == [1, 2, 3]
        assert all("more than 10000 writes" in i.error for i in parked_of(store, "counting"))
        assert effects(store, "s") == {}


def test_a_newer_schema_version_pauses_the_group_right_before_it(
    server: PrivateServer, namespace: str
) -> None:
    with open_store(server, namespace) as store:
        publish(store, "s", 37)
        append_newer(store, "s")
        publish(store, "t", 5)
        with running(make_settings(server, namespace)) as worker:
            said = until_said(worker, Verdict.PAUSE)
            until(lambda: at(store).position == 37, what="all before it")
            assert "position 38" in said
            assert "schema version 99" in said
        assert at(store).position == 37
        assert effects(store, "s")[b"n"] == b"37"
        assert effects(store, "t") == {}


def test_a_checkpoint_of_another_history_pauses_a_group_that_cannot_begin_anew(
    server: PrivateServer, namespace: str, redis_client: redis.Redis
) -> None:
    groups = {"counting": lambda access: Failing(access, "counting", 0)}
    with open_store(server, namespace) as store:
        publish(store, "s", 10)
        [keys] = store.parts.log.partitions
        for wrong in (f"1:5:{'f' * 16}", f"1:11:{store.head()[0].chain}"):
            redis_client.hset(keys.checkpoints, "counting", wrong)
            with running(make_settings(server, namespace), groups) as worker:
                said = until_said(worker, Verdict.PAUSE)
                assert f"the checkpoint of counting is {wrong}" in said
            assert str(at(store)) == wrong
        assert effects(store, "s") == {}


def test_events_that_neither_stream_nor_journal_holds_pause_the_group(
    server: PrivateServer, namespace: str, redis_client: redis.Redis
) -> None:
    with open_store(server, namespace) as store:
        publish(store, "s", 10)
        [keys] = store.parts.log.partitions
        redis_client.xtrim(keys.stream, minid="0-4", approximate=False)
        with running(make_settings(server, namespace)) as worker:
            said = until_said(worker, Verdict.PAUSE)
            assert "has nothing for position 1, which the server no longer holds" in said
        assert at(store) == START


def test_a_group_whose_last_event_was_trimmed_goes_on(
    server: PrivateServer, namespace: str, redis_client: redis.Redis
) -> None:
    with open_store(server, namespace) as store:
        publish(store, "s", 10)
        with running(make_settings(server, namespace)):
            until_caught_up(store)
        more = publish(store, "t", 5)
        [keys] = store.parts.log.partitions
        redis_client.xtrim(keys.stream, minid="0-11", approximate=False)
        with running(make_settings(server, namespace)):
            until_caught_up(store)
        assert_each_once(store, "t", more)
        assert effects(store, "s")[b"n"] == b"10"


def test_a_switch_of_generation_is_followed(
    server: PrivateServer, namespace: str, redis_client: redis.Redis
) -> None:
    with open_store(server, namespace) as store, running(make_settings(server, namespace)):
        publish(store, "s", 10)
        until_caught_up(store)
        [keys] = store.parts.log.partitions
        now = at(store)
        redis_client.hset(keys.checkpoints, "counting", str(now._replace(generation=2)))
        publish(store, "s", 3)
        until_caught_up(store)
        assert at(store).generation == 2
        assert effects(store, "s")[b"n"] == b"10"
        assert redis_client.hget(keys.projection(2).index("s"), "n") == b"3"
