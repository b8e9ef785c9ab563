"""Reads of a session of which a read model lacks events: they say so, and go as far as they can."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from support.applying import apply_all
from support.consuming import running, until_caught_up
from support.parking import parked_of, trying

from consumers.working.groups import project
from eventstore.errors import ProjectionDamaged
from projections.index import Index
from projections.registry import PROJECTIONS
from projections.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Sequence

    import redis
    from support.buses import BusUnderTest

    from eventstore.codec import Recorded
    from eventstore.keys import ProjectionKeys
    from projections.base import Projection, State, Write

NOTES = "eventstore.parking.degraded"


def refuse_poison(events: Sequence[Recorded]) -> None:
    if any(getattr(item.event, "type", "") == "poison" for item in events):
        raise ValueError("cannot be folded")


class PickyIndex(Index):
    def fold(
        self, events: Sequence[Recorded], state: State, keys: ProjectionKeys
    ) -> Sequence[Write]:
        refuse_poison(events)
        return super().fold(events, state, keys)


class PickyTimeline(Timeline):
    def fold(
        self, events: Sequence[Recorded], state: State, keys: ProjectionKeys
    ) -> Sequence[Write]:
        refuse_poison(events)
        return super().fold(events, state, keys)


def publish(tested: BusUnderTest, *types: str) -> list[str]:
    tags = {"tags": ["t"]}
    return [
        tested.bus.publish(
            {"session_id": "s", "agent_id": "a", "type": type_, "meta": tags}, {"n": n}
        ).ref
        for n, type_ in enumerate(types)
    ]


def project_picky(tested: BusUnderTest, picky: Projection) -> None:
    """Take every projection to the head, one of them by code that cannot fold poison."""
    with running(trying(tested.settings, 1), {picky.name: project(picky)}):
        until_caught_up(tested.store, picky.name)
    apply_all(tested.store, [each for each in PROJECTIONS if each.name != picky.name])


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == NOTES]


def test_a_row_that_the_index_lacks_comes_from_the_log(
    tested: BusUnderTest, caplog: pytest.LogCaptureFixture
) -> None:
    refs = publish(tested, "state", "poison", "state", "poison")
    project_picky(tested, PickyIndex())
    partition = tested.store.parts.log.keys_of("s").partition
    assert len(parked_of(tested.store, "index", partition)) == 2
    with caplog.at_level(logging.WARNING, NOTES):
        rows = tested.bus.search("s", order="asc")
        assert [row.header["ref"] for row in rows] == refs
        assert [row.payload for row in rows] == [{"n": n} for n in range(4)]
        assert [row.header for row in rows] == [tested.bus.get(ref).header for ref in refs]
        both = tested.bus.search("s", tag="t", type="poison", order="asc")
        assert [row.header["ref"] for row in both] == refs[1::2]
        assert [row.header["ref"] for row in tested.bus.history("s")] == refs
    [said] = told(caplog)
    assert "session 's': the read model 'index' lacks 2 of its events" in said
    assert tested.bus.degraded("s") == {"index": 2}
    assert tested.bus.degraded("t") == {}


def test_a_read_without_a_row_says_that_it_lacks_one(
    tested: BusUnderTest, caplog: pytest.LogCaptureFixture
) -> None:
    refs = publish(tested, "state", "poison", "state")
    project_picky(tested, PickyTimeline())
    with caplog.at_level(logging.WARNING, NOTES):
        for _ in range(3):
            found = [row.header["ref"] for row in tested.bus.search("s", order="asc")]
            assert found == [refs[0], refs[2]]
        assert tested.bus.search("other") == []
    [said] = told(caplog)
    assert "'timeline' lacks 1 of its events" in said
    assert "eventstore projection rebuild timeline" in said
    assert tested.bus.degraded("s") == {"timeline": 1}
    health = tested.bus.health()
    [check] = [each for each in health.checks if each.name == "parked"]
    assert (check.status, check.detail) == ("warning", "parked events: timeline 1")
    assert "eventstore parked list" in check.remedy


def test_a_row_that_nobody_left_out_is_damage(
    tested: BusUnderTest, redis_client: redis.Redis
) -> None:
    refs = publish(tested, "state", "poison")
    project_picky(tested, PickyIndex())
    keys = tested.store.parts.log.keys_of("s")
    headers = keys.projection().headers("s")
    tested.bus.search("s")
    redis_client.hdel(headers, refs[0])
    with pytest.raises(ProjectionDamaged, match=refs[0]):
        tested.bus.search("s")
