"""Overrides of agents' configuration, by the blocking and by the asyncio functions."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

import pytest

from eventstore import async_overrides, overrides, reset_settings
from eventstore.errors import AgentNotFound, InvalidEvent, SessionNotFound, SettingsError
from eventstore.refs import generate_ref

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.buses import BusUnderTest


class Functions:
    """The functions of one form, on the bus of that form."""

    def __init__(self, tested: BusUnderTest) -> None:
        self._tested = tested

    def __getattr__(self, name: str) -> Any:
        if self._tested.portal is None:
            return functools.partial(self._called, getattr(overrides, name))
        return functools.partial(self._called, getattr(async_overrides, f"async_{name}"))

    def _called(self, function: Any, *args: Any, **named: Any) -> Any:
        portal, bus = self._tested.portal, self._tested.bus
        if portal is not None:
            bus = bus._bus  # type: ignore[attr-defined]
        # The one for an agent as it is takes the client last, as the specification has it.
        ends = function.__name__.endswith("effective_agent")
        call = functools.partial(function, *((*args, bus) if ends else (bus, *args)), **named)
        return call() if portal is None else portal.call(call)


@pytest.fixture
def functions(tested: BusUnderTest) -> Functions:
    return Functions(tested)


def test_patches_locks_and_history(tested: BusUnderTest, functions: Functions) -> None:
    assert functions.write_override("a", "c", {"model": "m", "lock": True})
    assert not functions.write_override("a", "c", {"model": "n"})
    assert functions.write_override("a", "c", {"lock": False, "top_p": 1})
    assert functions.read_override("a", "c") == {"model": "m", "top_p": 1}
    assert functions.read_override("a", "c", as_of=0) == {"model": "m"}
    first, second = functions.override_history("a", "c")
    assert (first["seq"], first["patch"], first["locked"]) == (
        0,
        {"model": "m", "lock": True},
        True,
    )
    assert (second["effective"], second["locked"]) == ({"model": "m", "top_p": 1}, False)
    assert tested.events == 2


def test_a_call_made_again_has_the_same_answer(tested: BusUnderTest, functions: Functions) -> None:
    ref = generate_ref()
    assert functions.write_override("a", "c", {"lock": True}, ref=ref)
    assert functions.write_override("a", "c", {"lock": True}, ref=ref)
    assert tested.events == 1


def test_what_cannot_be_is_refused(tested: BusUnderTest, functions: Functions) -> None:
    with pytest.raises(InvalidEvent):
        functions.write_override("a", "c", {})
    with pytest.raises(SessionNotFound):
        functions.read_override("a", "c", as_of=0)
    assert (functions.read_override("a", "c"), functions.override_history("a", "c")) == ({}, [])
    assert tested.events == 0


class TestEffectiveAgent:
    @pytest.fixture(autouse=True)
    def configured(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
        agents = tmp_path / "agents.json"
        agents.write_text(json.dumps([{"id": "writer", "kind": "llm", "temperature": 0.9}]))
        monkeypatch.setenv("EVENTSTORE_AGENTS", str(agents))
        reset_settings()
        yield
        reset_settings()

    def test_the_override_is_merged_in(self, functions: Functions) -> None:
        functions.write_override("writer", "c", {"model": "m"})
        agent = functions.effective_agent("writer", "c")
        assert (agent.model, agent.temperature) == ("m", 0.9)

    def test_what_cannot_be_is_named(self, functions: Functions) -> None:
        with pytest.raises(AgentNotFound, match="nobody"):
            functions.effective_agent("nobody", "c")
        functions.write_override("writer", "c", {"temperature": "hot"})
        with pytest.raises(SettingsError, match=r"writer.*temperature"):
            functions.effective_agent("writer", "c")
