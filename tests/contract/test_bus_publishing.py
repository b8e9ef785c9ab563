"""Lifted fields, bound fields and batches, on both forms of the bus."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from support.stores import make_settings

from eventstore.async_bus import AsyncEventBus
from eventstore.drafts import MAX_BATCH_EVENTS
from eventstore.errors import InvalidEvent, InvalidInput, InvalidName, RefConflict
from eventstore.store import AsyncEventStore

if TYPE_CHECKING:
    from support.buses import BusUnderTest
    from support.server import PrivateServer

    from eventstore.bus import EventBus

LEAST: dict[str, Any] = {"session_id": "s", "agent_id": "a", "type": "state"}
REF = "0123456789abcdef" * 2
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

LIFTED: list[tuple[str, Any, dict[str, Any]]] = [
    (
        "evaluation",
        {"score": 1, "metrics": {"clarity": 0.9}, "status": "ok", "evaluator": "judge"},
        {"score": 1.0, "metrics": {"clarity": 0.9}, "status": "ok", "evaluator_id": "judge"},
    ),
    (
        "evaluation",
        {"evaluator_id": "judge", "version": "2", "target_ref": REF, "score": None},
        {"evaluator_id": "judge", "evaluator_version": "2", "target": REF},
    ),
    (
        "tool_call",
        {"name": "get_weather", "id": "call_1", "arguments": {}},
        {"tool_name": "get_weather", "tool_call_id": "call_1"},
    ),
    ("tool_call", {"name": {"first": "x"}, "id": 7}, {}),
    (
        "tool_result",
        {"tool": "get_weather", "call_id": "call_1", "status": "error"},
        {"tool_name": "get_weather", "tool_call_id": "call_1", "status": "error"},
    ),
    ("tool_result", {"status": 200}, {}),
    (
        "metrics",
        {"model": "m", "cost": 0.25, "latency_ms": 12, "prompt_tokens": 7, "completion_tokens": 3},
        {
            "model": "m",
            "cost_usd": 0.25,
            "latency_ms": 12.0,
            "prompt_tokens": 7,
            "completion_tokens": 3,
        },
    ),
    ("metrics", {"prompt_tokens": -1, "model": ""}, {}),
    ("state", {"score": 1, "name": "n", "model": "m"}, {}),
    ("evaluation", "score: 1", {}),
]
LIFTABLE = {
    *("score", "metrics", "status", "evaluator_id", "evaluator_version", "target"),
    *("tool_name", "tool_call_id", "model", "cost_usd", "latency_ms"),
    *("prompt_tokens", "completion_tokens"),
}


class TestLifting:
    @pytest.mark.parametrize(("type_", "payload", "lifted"), LIFTED)
    def test_a_payload_says_what_the_header_does_not(
        self, bus: EventBus, type_: str, payload: Any, lifted: dict[str, Any]
    ) -> None:
        header, found = bus.get(bus.publish({**LEAST, "type": type_}, payload).ref)
        assert found == payload
        assert {name: header[name] for name in LIFTABLE & header.keys()} == lifted

    def test_the_header_wins_over_the_payload(self, bus: EventBus) -> None:
        given = {**LEAST, "type": "evaluation", "score": 0.25, "status": "final"}
        header, _ = bus.get(bus.publish(given, {"score": 0.75, "status": "draft"}).ref)
        assert (header["score"], header["status"]) == (0.25, "final")

    @pytest.mark.parametrize(
        ("payload", "said"),
        [
            ({"score": "high"}, "payload.score: is a number, not str"),
            ({"score": True}, "payload.score: is a number, not bool"),
            ({"metrics": [1]}, "payload.metrics: is an object, not list"),
            ({"target": "x"}, "payload.target: 'x' is not a ref"),
            ({"evaluator": 5}, "payload.evaluator: a name is text"),
        ],
    )
    def test_an_evaluation_keeps_to_its_names(
        self, tested: BusUnderTest, payload: Any, said: str
    ) -> None:
        with pytest.raises(InvalidInput, match=f"^{said}"):
            tested.bus.publish({**LEAST, "type": "evaluation"}, payload)
        assert tested.events == 0


class TestBinding:
    def test_bound_fields_fill_the_rest(self, bus: EventBus) -> None:
        with bus.bind(session_id="s", agent_id="a", branch_id="b", episode_id="7", group_id="g"):
            appended = bus.publish({"type": "state"}, {})
        header, _ = bus.get(appended.ref)
        wanted = {"session_id": "s", "agent_id": "a", "branch_id": "b", "episode_id": "7"}
        assert header.items() >= {**wanted, "group_id": "g"}.items()

    def test_the_inner_block_wins_and_the_header_over_both(self, bus: EventBus) -> None:
        with bus.bind(session_id="s", agent_id="outer"):
            with bus.bind(agent_id="inner", branch_id=None):
                inner = bus.publish({"type": "state"}, {})
                own = bus.publish({"type": "state", "agent_id": "own"}, {})
            outer = bus.publish({"type": "state"}, {})
        agents = [bus.get(row.ref).header["agent_id"] for row in (inner, own, outer)]
        assert agents == ["inner", "own", "outer"]

    def test_a_block_ends_also_by_an_error(self, tested: BusUnderTest) -> None:
        with pytest.raises(KeyError), tested.bus.bind(session_id="s", agent_id="a"):
            raise KeyError
        with pytest.raises(InvalidEvent, match=r"^header.session_id: is required"):
            tested.bus.publish({"type": "state"}, {})

    def test_a_trace_that_is_bound_is_not_content(self, tested: BusUnderTest) -> None:
        with tested.bus.bind(correlation_id="c1", traceparent=TRACE):
            appended = tested.bus.publish({**LEAST, "ref": REF}, {})
        with tested.bus.bind(correlation_id="c2"):
            assert tested.bus.publish({**LEAST, "ref": REF}, {}) == appended
        header, _ = tested.bus.get(REF)
        assert (header["correlation_id"], header["traceparent"]) == ("c1", TRACE)

    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"ref": REF}, "bind.ref: only session_id, "),
            ({"type": "state"}, "bind.type: only session_id, "),
            ({"agent_id": 5}, "bind.agent_id: a name is text"),
            ({"session_id": ""}, "bind.session_id: a name cannot be empty"),
            ({"traceparent": "x"}, "bind.traceparent: 'x' is not a W3C traceparent"),
        ],
    )
    def test_a_wrong_field_is_named(self, bus: EventBus, fields: dict[str, Any], said: str) -> None:
        with pytest.raises((InvalidEvent, InvalidName), match=f"^{said}"), bus.bind(**fields):
            pytest.fail("the block is not entered")

    def test_threads_have_blocks_of_their_own(self, bus: EventBus) -> None:
        meet = threading.Barrier(4)

        def publish(agent: str) -> str:
            with bus.bind(session_id=agent, agent_id=agent):
                meet.wait()
                appended = bus.publish({"type": "state"}, {})
                meet.wait()
            return str(bus.get(appended.ref).header["agent_id"])

        agents = ["a", "b", "c", "d"]
        with ThreadPoolExecutor(4) as pool, bus.bind(agent_id="main"):
            assert list(pool.map(publish, agents)) == agents


@pytest.mark.anyio
async def test_tasks_have_blocks_of_their_own(server: PrivateServer, namespace: str) -> None:
    agents: dict[str, str] = {}
    entered: list[str] = []
    all_in = anyio.Event()
    async with AsyncEventBus(AsyncEventStore(make_settings(server, namespace))) as bus:

        async def publish(agent: str) -> None:
            with bus.bind(session_id="s", agent_id=agent):
                entered.append(agent)
                if len(entered) == 4:
                    all_in.set()
                await all_in.wait()
                appended = await bus.publish({"type": "state"}, {})
            agents[agent] = (await bus.get(appended.ref)).header["agent_id"]

        async with anyio.create_task_group() as tasks:
            for agent in "abcd":
                tasks.start_soon(publish, agent)
    assert agents == {agent: agent for agent in "abcd"}


def items(session: str, count: int, **header: Any) -> list[tuple[dict[str, Any], Any]]:
    return [({**LEAST, "session_id": session, **header}, {"n": n}) for n in range(count)]


class TestPublishMany:
    def test_order_and_numbers(self, tested: BusUnderTest) -> None:
        batch = [pair for n in range(3) for pair in (items("s", n + 1)[n], items("t", n + 1)[n])]
        rows = tested.bus.publish_many(batch)
        assert [row.seq for row in rows] == [0, 0, 1, 1, 2, 2]
        for row, (header, payload) in zip(rows, batch, strict=True):
            found = tested.bus.get(row.ref)
            assert (found.header["session_id"], found.payload) == (header["session_id"], payload)

    def test_any_iterable_will_do(self, tested: BusUnderTest) -> None:
        assert len(tested.bus.publish_many(pair for pair in items("s", 2))) == 2
        assert tested.bus.publish_many([]) == []
        assert tested.events == 2

    def test_more_than_one_append_carries(self, tested: BusUnderTest) -> None:
        rows = tested.bus.publish_many(items("s", 2 * MAX_BATCH_EVENTS + 1))
        assert [row.seq for row in rows] == list(range(2 * MAX_BATCH_EVENTS + 1))

    def test_a_repeated_batch_adds_nothing(self, tested: BusUnderTest) -> None:
        refs = [f"{n:032x}" for n in range(1200)]
        batch = [({**LEAST, "ref": ref}, n) for n, ref in enumerate(refs)]
        first = tested.bus.publish_many(batch[:700])
        rows = tested.bus.publish_many(batch)
        assert rows[:700] == first
        assert [row.ref for row in rows] == refs
        assert tested.events == 1200

    def test_all_is_checked_before_the_first_is_written(self, tested: BusUnderTest) -> None:
        batch = items("s", MAX_BATCH_EVENTS + 5)
        batch[-1] = ({**LEAST, "ts": "yesterday"}, {})
        with pytest.raises(InvalidEvent, match=r"^items\[504\]\.header\.ts: 'yesterday' is not"):
            tested.bus.publish_many(batch)
        batch[-1] = ({**LEAST, "agent_id": ""}, {})
        with pytest.raises(InvalidName, match=r"^items\[504\]\.header\.agent_id: "):
            tested.bus.publish_many(batch)
        assert tested.events == 0

    @pytest.mark.parametrize("item", [LEAST, ({},), "ab", None])
    def test_an_item_is_a_pair(self, tested: BusUnderTest, item: Any) -> None:
        with pytest.raises(InvalidEvent, match=r"^items\[1\]\.header: "):
            tested.bus.publish_many([*items("s", 1), item])
        assert tested.events == 0

    def test_a_ref_comes_once(self, tested: BusUnderTest) -> None:
        with pytest.raises(InvalidEvent, match=r"items\[1\].header.ref: .* earlier item"):
            tested.bus.publish_many(items("s", 2, ref=REF))
        assert tested.events == 0

    def test_a_chunk_is_all_or_nothing(self, tested: BusUnderTest) -> None:
        """The chunk of the refused event is not there; the whole chunk before it is."""
        tested.bus.publish({**LEAST, "ref": REF}, "known")
        batch = items("s", MAX_BATCH_EVENTS + 10)
        batch[MAX_BATCH_EVENTS + 5] = ({**LEAST, "ref": REF}, "changed")
        with pytest.raises(RefConflict):
            tested.bus.publish_many(batch)
        assert tested.events == 1 + MAX_BATCH_EVENTS
