"""The examples of the specification run as they stand, and do what it says they do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic_settings import BaseSettings
from support.consuming import running
from support.spec_examples import PAGE, examples, run_example

import eventstore
from consumers.working.groups import known_groups
from eventstore import settings_models
from eventstore.logs import reset_logging

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.server import PrivateServer

    from eventstore.bus import EventBus

SPECIFICATION = Path(__file__).parents[4] / "shared" / "spec" / "infra-module.md"


@pytest.fixture
def settings(
    server: PrivateServer, namespace: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[eventstore.AppSettings]:
    """Settings of this process on the test's server."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REDIS_URL", server.url)
    monkeypatch.setenv("EVENTSTORE_STORE__NAMESPACE", namespace)
    monkeypatch.setenv("EVENTSTORE_PAYLOADS__URL", f"memory://{namespace}")
    eventstore.reset_settings()
    yield eventstore.settings()
    eventstore.reset_bus()
    eventstore.reset_settings()
    reset_logging()


@pytest.fixture
def bus(settings: eventstore.AppSettings) -> Iterator[EventBus]:
    """The bus of the process, with consumers at work."""
    with running(settings, known_groups()):
        yield eventstore.get_bus()


def publish(bus: EventBus, type_: str, payload: Any) -> str:
    """Publish an artifact, and return its ref."""
    return bus.publish({"session_id": "c", "agent_id": "a", "type": type_}, payload).ref


def test_the_page_is_the_specification_where_that_is_at_hand() -> None:
    found = examples(PAGE.read_text("utf-8"))
    assert len(found) == 17
    if SPECIFICATION.exists():
        assert found == examples(SPECIFICATION.read_text("utf-8"))


def test_configuration_models() -> None:
    sections = {
        name: getattr(settings_models, name)
        for name in (
            *("RedisSettings", "LLMSettings", "LoggingSettings", "AgentSettings"),
            "LedgerSettings",
        )
    }
    theirs = run_example("class AppSettings(BaseSettings):", BaseSettings=BaseSettings, **sections)
    fields = theirs["AppSettings"].model_fields
    ours = eventstore.AppSettings.model_fields
    assert set(fields) <= set(ours)
    named = set(fields) - {"mode"}
    assert all(ours[name].annotation is fields[name].annotation for name in named)
    assert ours["mode"].default == fields["mode"].default == "production"


@pytest.mark.usefixtures("settings")
def test_configuration_loading() -> None:
    names = run_example(
        "# Load settings (cached)", settings=eventstore.settings, agents=eventstore.agents
    )
    assert names["settings"] is eventstore.settings()
    assert isinstance(names["agents"], list)
    assert all(agent.id for agent in names["agents"])


def test_the_artifact_bus(bus: EventBus) -> None:
    names = run_example(
        "from infra.artifacts.bus import get_bus",
        bus=bus,
        generate_ref=eventstore.generate_ref,
        current_timestamp=eventstore.current_timestamp,
        conversation_id="c",
        session_id="c",
        agent_id="a",
        branch_id="main",
        episode_id="0",
        payload={"temperature": 21},
        ref=bus.publish(
            {"session_id": "c", "agent_id": "a", "type": "evaluation"}, {"score": 1}
        ).ref,
    )
    assert names["header"]["type"] == "evaluation"
    assert names["payload"] == {"score": 1}
    ((header, payload),) = names["results"]
    assert (header["type"], payload) == ("evaluation", {"score": 1})
    (row,) = bus.search("c", type="tool_result")
    assert (row.payload, row.header["meta"]) == ({"temperature": 21}, {"custom": "data"})


def test_sessions(bus: EventBus) -> None:
    names = run_example(
        "from infra.session import get_session, Session",
        conversation_id="c",
        redis_client=bus.redis,
    )
    session = names["session"]
    assert session is eventstore.get_session("c", bus.redis)
    assert list(session.agents) == ["agent_alpha"]
    assert names["stack"].length() == 0
    assert names["tick"] == 0


def test_an_evaluation_is_asked_for(bus: EventBus) -> None:
    target = bus.publish({"session_id": "c", "agent_id": "a", "type": "state"}, "hello").ref
    run_example(
        "# Automatic evaluation",
        bus=bus,
        target_ref=target,
        conversation_history=[{"role": "user"}],
    )
    (asked,) = bus.evaluations_for(target)
    assert (asked["status"], asked["evaluator_id"]) == ("requested", "gpt4_judge")


def test_logging_and_metrics(settings: eventstore.AppSettings) -> None:
    run_example("from infra.logging.logging_config import logger", conv_id="c-1")
    (line,) = Path(settings.logging.log_dir, settings.logging.log_file).read_text().splitlines()
    logged = json.loads(line)
    assert logged["message"] == "Tool executed"
    assert (logged["tool_name"], logged["conversation_id"]) == ("get_weather", "c-1")
    assert logged["latency_ms"] == 250


def test_text_utilities() -> None:
    names = run_example("from infra.utils.llm_helpers import", text="long " * 1000)
    assert names["tokens"] > 0
    assert 0 < len(names["summary"]) <= 750


def test_redis_utilities() -> None:
    names = run_example(
        "from infra.utils.redis_helpers import",
        complex_object={"a": [1, None, True]},
        conversation_id="c",
        agent_id="a",
    )
    assert names["data"] == {"key": '{"a":[1,null,true]}'}
    assert names["key"] == "conversation:c:a:event_sequence"


def test_overrides(bus: EventBus) -> None:
    given: dict[str, Any] = {"redis": bus.redis, "agent_id": "a", "conv_id": "c"}
    first = "from infra.utils.override_helpers import write_override"
    assert run_example(first, **given)["success"] is True
    assert eventstore.read_override(bus.redis, "a", "c") == {"model": "gpt-4o", "temperature": 0.3}
    assert run_example(first, **given)["success"] is False


def test_the_bootstrap_example_is_no_python_and_the_function_is_there(bus: EventBus) -> None:
    with pytest.raises(SyntaxError):
        run_example("def run_once_global_init():")
    assert eventstore.run_once_global_init()[-1].step == "bus"
    assert bus.redis.ping()


def test_coroutines_from_blocking_code() -> None:
    done: list[str] = []

    async def async_function() -> int:
        return 42

    async def async_task() -> None:
        done.append("task")

    names = run_example(
        "from infra.async_utils import",
        async_function=async_function,
        async_task=async_task,
        run_async_fire_and_forget=eventstore.run_async_fire_and_forget,
    )
    assert names["result"] == 42


def test_a_storage_driver_of_ones_own_can_be_made() -> None:
    names = run_example("from infra.artifacts.drivers.base import BaseStorageDriver")
    driver = names["MyStorageDriver"]()
    assert isinstance(driver, eventstore.BaseStorageDriver)


def test_a_metrics_backend_of_ones_own_is_used() -> None:
    metrics = eventstore.metrics
    names = run_example("class CustomMetrics:", metrics=metrics)
    try:
        assert isinstance(metrics._backend, names["CustomMetrics"])
        seen: list[tuple[str, float, Any]] = []
        names["CustomMetrics"].emit = lambda self, name, value, tags=None: seen.append(
            (name, value, tags)
        )
        metrics.emit("tool_latency", 250, tags={"tool": "weather"})
        assert seen == [("tool_latency", 250, {"tool": "weather"})]
    finally:
        metrics._backend = None


def test_the_health_of_the_server(bus: EventBus) -> None:
    """The lines of the example that need no language model."""
    lines = next(
        each for each in examples(PAGE.read_text("utf-8")) if "redis_client.ping()" in each
    )
    ours = [line for line in lines.splitlines() if "ping()" in line]
    module = type("bus", (), {"get_bus": staticmethod(lambda: bus)})
    for line in ours:
        assert eval(line, {"redis_client": bus.redis, "bus": module}) is True
    assert len(ours) == 2
