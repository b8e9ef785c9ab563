"""Folds and `lua/apply.lua` together on a real server: the read models say what happened."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from support.applying import apply_all
from support.stores import open_store
from support.stories import tell

from consumers.checking.verifying import verify_projection
from eventstore.bus import EventBus
from projections.registry import PROJECTIONS

if TYPE_CHECKING:
    from support.server import PrivateServer

    from eventstore.store import EventStore

SESSIONS = ("plain", "with:colon", "ünï {1}", "a%3Ab", "a:b")


@pytest.fixture(params=["one node", "cluster"])
def any_server(request: pytest.FixtureRequest) -> PrivateServer:
    """A server on its own, and a one-node cluster."""
    name = "server" if request.param == "one node" else "cluster_server"
    found: PrivateServer = request.getfixturevalue(name)
    return found


def assert_all_equal(store: EventStore) -> None:
    heads = {head.partition: head.position for head in store.head()}
    for projection in PROJECTIONS:
        for partition, position in heads.items():
            report = store.reading(
                partial(verify_projection, store.parts.log, partition, projection)
            )
            assert report.is_equal, [str(each) for each in report.differences]
            assert report.position == position


@pytest.mark.parametrize("partitions", [1, 4])
@pytest.mark.parametrize("batch_size", [1, 7, 500])
def test_the_server_holds_what_a_fold_in_memory_makes_of_the_log(
    any_server: PrivateServer, namespace: str, partitions: int, batch_size: int
) -> None:
    with open_store(any_server, namespace, partitions) as store:
        for session in SESSIONS:
            tell(store, session)
        apply_all(store, PROJECTIONS, batch_size)
        assert_all_equal(store)


def test_a_reader_sees_the_read_models(server: PrivateServer, namespace: str) -> None:
    with open_store(server, namespace) as store:
        tell(store, "s", steps=5)
        apply_all(store, PROJECTIONS)
        bus = EventBus(store)
        calls = bus.search("s", tag="t:1", order="asc")
        assert [payload["n"] for _, payload in calls] == [0, 1, 2, 3, 4]
        assert [bus.get(header["ref"]) for header, _ in calls] == calls
        assert [header["step_idx"] for header, _ in bus.history("s")] == [0, 1, 2, 5, 6]
        assert [header["step_idx"] for header, _ in bus.history("s", "b:1")] == [0, 1, 2, 3]
        assert bus.search("s", branch="b:1", type="state")[0].payload == "text"
        states = bus.evaluations_for(calls[0].header["ref"])
        assert [(each["status"], each["score"]) for each in states] == [
            ("completed", 0.1),
            ("completed", 0.2),
        ]
        keys = store.parts.log.partitions[0].projection()
        with server.client() as client:
            assert client.zrange(keys.leaderboard("s"), 0, -1, withscores=True) == [
                (b"main", (0.1 + 0.2) / 2)
            ]


def test_more_rows_than_one_command_takes_are_written_in_several(
    server: PrivateServer, namespace: str
) -> None:
    tags = [f"t{n}" for n in range(5)]
    with open_store(server, namespace) as store:
        bus = EventBus(store)
        header = {"session_id": "s", "agent_id": "a", "type": "state", "meta": {"tags": tags}}
        bus.publish_many([(header, n) for n in range(3000)])
        apply_all(store, PROJECTIONS, batch_size=3000)
        assert_all_equal(store)
        assert len(bus.search("s", tag="t4", limit=5000)) == 3000
