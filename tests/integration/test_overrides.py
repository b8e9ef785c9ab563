"""Overrides: one order of patches, none lost, none after a lock, nothing expires."""

from __future__ import annotations

import json
import multiprocessing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import redis
from support.consuming import publish
from support.interleaving import before_appends
from support.stores import open_store

from eventstore import (
    AgentNotFound,
    effective_agent,
    get_bus,
    get_redis,
    override_history,
    read_override,
    reset_bus,
    reset_settings,
    write_override,
)
from eventstore.bus import EventBus
from eventstore.client_bus import bus_for, redis_settings_of, reset_client_buses
from eventstore.drafts import draft
from eventstore.errors import (
    InvalidEvent,
    InvalidInput,
    InvalidName,
    RefConflict,
    SessionNotFound,
    SettingsError,
)
from eventstore.overriding import Overriding
from eventstore.refs import generate_ref
from eventstore.session_events import OverrideWritten
from eventstore.times import from_milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.server import PrivateServer

PROCESSES = 16
PATCHES = 5


@pytest.fixture
def bus(server: PrivateServer, namespace: str) -> Iterator[EventBus]:
    with EventBus(open_store(server, namespace, partitions=2)) as bus:
        yield bus


class TestPatches:
    def test_keys_are_replaced_and_none_removes(self, bus: EventBus) -> None:
        assert write_override(bus, "a", "c", {"model": "m", "temperature": 0.3})
        assert write_override(bus, "a", "c", {"temperature": None, "tools": ["x"]})
        assert read_override(bus, "a", "c") == {"model": "m", "tools": ["x"]}

    def test_agents_and_conversations_have_their_own(self, bus: EventBus) -> None:
        write_override(bus, "a", "c", {"model": "m"})
        assert read_override(bus, "b", "c") == {}
        assert read_override(bus, "a", "d") == {}

    def test_a_lock_refuses_until_it_is_unlocked(self, bus: EventBus) -> None:
        assert write_override(bus, "a", "c", {"model": "m", "lock": True})
        events = len(bus.store.read("c"))
        assert not write_override(bus, "a", "c", {"model": "n"})
        assert not write_override(bus, "a", "c", {"lock": True})
        assert not write_override(bus, "a", "c", {"model": None})
        assert len(bus.store.read("c")) == events
        assert write_override(bus, "a", "c", {"lock": False, "model": "n"})
        assert read_override(bus, "a", "c") == {"model": "n"}
        assert write_override(bus, "a", "c", {"model": "o"})

    def test_a_lock_that_comes_between_refuses_too(self, bus: EventBus) -> None:
        flow = Overriding(bus.store.parts).patch("a", "c", {"model": "n"}, None)
        lock = {"model": "m", "lock": True}
        overtaken = before_appends(flow, [lambda: write_override(bus, "a", "c", lock)])
        assert not bus.store.runner.run(overtaken)
        assert read_override(bus, "a", "c") == {"model": "m"}

    def test_a_patch_that_comes_between_is_merged(self, bus: EventBus) -> None:
        flow = Overriding(bus.store.parts).patch("a", "c", {"model": "n"}, None)
        other = {"top_p": 0.5}
        bus.store.runner.run(before_appends(flow, [lambda: write_override(bus, "a", "c", other)]))
        assert read_override(bus, "a", "c") == {"model": "n", "top_p": 0.5}

    def test_history_says_who_wrote_what(self, bus: EventBus) -> None:
        with bus.bind(agent_id="planner"):
            write_override(bus, "a", "c", {"model": "m"})
        write_override(bus, "b", "c", {"model": "other"})
        write_override(bus, "a", "c", {"lock": True})
        first, second = override_history(bus, "a", "c")
        assert (first["author"], first["patch"], first["locked"]) == (
            "planner",
            {"model": "m"},
            False,
        )
        assert (second["author"], second["patch"]) == ("operator", {"lock": True})
        assert (second["effective"], second["locked"]) == ({"model": "m"}, True)
        assert first["seq"] < second["seq"]

    def test_as_of_a_seq_or_a_time(self, bus: EventBus) -> None:
        before = datetime.now(UTC) - timedelta(seconds=1)
        write_override(bus, "a", "c", {"model": "m"})
        bus.publish({"session_id": "c", "agent_id": "a", "type": "state"}, {})
        write_override(bus, "a", "c", {"model": "n"})
        first, second = override_history(bus, "a", "c")
        assert read_override(bus, "a", "c", as_of=first["seq"]) == {"model": "m"}
        assert read_override(bus, "a", "c", as_of=second["seq"] - 1) == {"model": "m"}
        assert read_override(bus, "a", "c", as_of=second["seq"]) == {"model": "n"}
        assert read_override(bus, "b", "c", as_of=second["seq"]) == {}
        assert read_override(bus, "a", "c", as_of=before) == {}
        appended = bus.store.read("c")[second["seq"]].appended_at
        assert read_override(bus, "a", "c", as_of=from_milliseconds(appended)) == {"model": "n"}

    def test_a_time_is_that_of_the_append(self, bus: EventBus) -> None:
        """An event time of long ago does not put a patch into a past that it was not in."""
        write_override(bus, "a", "c", {"model": "m"})
        event = OverrideWritten(
            ref=generate_ref(),
            session_id="c",
            agent_id="a",
            ts="2001-01-01T00:00:00.000Z",
            patch={"model": "n"},
            effective={"model": "n"},
        )
        bus.store.append("c", [draft(event)])
        assert read_override(bus, "a", "c", as_of="2002-01-01T00:00:00.000Z") == {}
        assert read_override(bus, "a", "c", as_of=0) == {"model": "m"}

    def test_a_patch_of_long_ago_is_found(self, bus: EventBus) -> None:
        write_override(bus, "a", "c", {"model": "m"})
        publish(bus.store, "c", 600)
        write_override(bus, "a", "c", {"model": "n"})
        assert read_override(bus, "a", "c", as_of=600) == {"model": "m"}
        assert len(override_history(bus, "a", "c")) == 2

    @pytest.mark.parametrize("seq", [-1, 1, True, 1.5])
    def test_a_moment_is_what_it_is_for_branches(self, bus: EventBus, seq: Any) -> None:
        reads: list[Callable[[], object]] = [
            lambda: read_override(bus, "a", "c", as_of=seq),
            lambda: bus.as_of("c", seq=seq),
        ]
        for read in reads:
            with pytest.raises(SessionNotFound):
                read()
        write_override(bus, "a", "c", {"model": "m"})
        for read in reads:
            with pytest.raises(InvalidInput, match="seq"):
                read()

    def test_nothing_expires(self, bus: EventBus, redis_client: redis.Redis) -> None:
        write_override(bus, "a", "c", {"model": "m", "lock": True})
        for keys in bus.store.parts.log.partitions:
            for key in redis_client.scan_iter(f"{keys.prefix}session:*"):
                assert redis_client.ttl(key) == -1

    def test_made_again_with_its_ref_it_has_the_same_answer(self, bus: EventBus) -> None:
        ref = generate_ref()
        assert write_override(bus, "a", "c", {"lock": True}, ref=ref)
        assert write_override(bus, "a", "c", {"lock": True}, ref=ref)
        assert len(override_history(bus, "a", "c")) == 1
        with pytest.raises(RefConflict):
            write_override(bus, "a", "c", {"lock": False}, ref=ref)


@pytest.mark.parametrize(
    "patch",
    [{}, [("model", "m")], {"": 1}, {1: 2}, {"lock": "yes"}, {"x": float("nan")}, {"x": object()}],
)
def test_what_no_override_can_hold_is_refused(bus: EventBus, patch: Any) -> None:
    with pytest.raises(InvalidEvent):
        write_override(bus, "a", "c", patch)
    assert bus.store.read("c") == []


@pytest.mark.parametrize(("agent", "session"), [("", "c"), ("a", "")])
def test_names_are_checked(bus: EventBus, agent: str, session: str) -> None:
    with pytest.raises(InvalidName):
        write_override(bus, agent, session, {"model": "m"})


def _patch(bus: EventBus, number: int, ready: Any) -> None:
    ready.wait(60)
    for patch in range(PATCHES):
        write_override(bus, "a", "c", {f"p{number}": patch})
    if number == 0:
        write_override(bus, "a", "c", {"lock": True})


# Forking beside threads: each child has connections of its own.
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_processes_at_once_have_one_order_and_a_lock_ends_it(bus: EventBus) -> None:
    context = multiprocessing.get_context("fork")
    ready = context.Barrier(PROCESSES)
    children = [
        context.Process(target=_patch, args=(bus, number, ready)) for number in range(PROCESSES)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join(100)
    assert [child.exitcode for child in children] == [0] * PROCESSES
    history = override_history(bus, "a", "c")
    effective: dict[str, Any] = {}
    for row in history[:-1]:
        effective |= row["patch"]
        assert row["effective"] == effective
    assert history[-1]["patch"] == {"lock": True}
    assert [row["patch"]["p0"] for row in history if "p0" in row["patch"]] == [*range(PATCHES)]
    assert not write_override(bus, "a", "c", {"late": True})


class TestEffectiveAgent:
    @pytest.fixture(autouse=True)
    def configured(
        self,
        server: PrivateServer,
        namespace: str,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> Iterator[None]:
        agents = tmp_path / "agents.json"
        agents.write_text(json.dumps([{"id": "writer", "kind": "llm", "temperature": 0.9}]))
        monkeypatch.setenv("EVENTSTORE_AGENTS", str(agents))
        monkeypatch.setenv("REDIS_URL", server.url)
        monkeypatch.setenv("EVENTSTORE_STORE__NAMESPACE", namespace)
        monkeypatch.setenv("EVENTSTORE_PAYLOADS__URL", f"memory://{namespace}")
        reset_settings()
        yield
        reset_client_buses()
        reset_bus()
        reset_settings()

    def test_the_override_is_merged_in(self) -> None:
        write_override(None, "writer", "c", {"model": "gpt-4o", "lock": True})
        agent = effective_agent("writer", "c")
        assert agent.model_dump(exclude_defaults=True) == {
            "id": "writer",
            "temperature": 0.9,
            "model": "gpt-4o",
        }
        assert effective_agent("writer", "other").model_dump()["model"] is None

    def test_what_does_not_fit_the_agent_is_named(self) -> None:
        write_override(None, "writer", "c", {"temperature": "hot"})
        with pytest.raises(SettingsError, match=r"writer.*temperature"):
            effective_agent("writer", "c")

    def test_an_agent_that_is_not_configured(self) -> None:
        with pytest.raises(AgentNotFound, match="nobody"):
            effective_agent("nobody", "c")

    def test_a_client_of_the_configured_server_is_its_store(self, server: PrivateServer) -> None:
        assert bus_for(get_redis()) is get_bus()
        with server.client() as client:
            assert bus_for(client) is get_bus()
            assert write_override(client, "writer", "c", {"model": "m"})
        assert read_override(None, "writer", "c") == {"model": "m"}

    def test_a_client_of_another_server_has_a_store_there(
        self, cluster_server: PrivateServer
    ) -> None:
        with cluster_server.client() as client, cluster_server.client() as again:
            assert bus_for(client) is bus_for(again)
            assert bus_for(client) is not get_bus()
            assert write_override(client, "writer", "c", {"model": "m"})
            assert read_override(client, "writer", "c") == {"model": "m"}
        assert read_override(None, "writer", "c") == {}


class TestClients:
    def test_address_and_account_are_the_clients(self) -> None:
        client = redis.Redis(host="h", port=7, db=3, username="u", password="p")
        section = redis_settings_of(client)
        assert (section.host, section.port, section.db) == ("h", 7, 3)
        assert section.username == "u"
        assert section.password is not None
        assert section.password.get_secret_value() == "p"
        assert not section.tls
        assert redis_settings_of(redis.Redis(host="h", ssl=True)).tls

    @pytest.mark.parametrize("client", [object(), "redis://localhost", redis.RedisCluster])
    def test_what_is_no_client_of_one_server_is_refused(self, client: Any) -> None:
        with pytest.raises(InvalidInput, match="client"):
            bus_for(client)
