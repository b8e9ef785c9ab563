"""Agents come from JSON or YAML, as a list or under a key, each of one of three kinds."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from eventstore.agent_config import (
    AgentConfig,
    HumanInLoopAgentConfig,
    LLMAgentConfig,
    RuleBasedAgentConfig,
    agents,
)
from eventstore.errors import SettingsError
from eventstore.settings import reset_settings

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("no_configuration")

LLM = {"id": "a", "kind": "llm", "model": "m", "temperature": 0.5, "tools": ["t"]}
RULES = {
    "id": "b",
    "kind": "rule_based",
    "tools": ["t"],
    "rules": [{"pattern": "x+", "tool": "t"}, {"pattern": "y", "reply": "yes"}],
}
HUMAN = {"id": "c", "kind": "human_in_loop", "prompt": "Well?", "timeout": 5}
YAML_LIST = """
- id: a
  kind: llm
  model: m
  temperature: 0.5
  tools: [t]
- id: c
  kind: human_in_loop
  prompt: Well?
  timeout: 5
"""


def read(
    monkeypatch: pytest.MonkeyPatch, directory: Path, content: Any, name: str = "agents.json"
) -> list[AgentConfig]:
    path = directory / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    monkeypatch.setenv("EVENTSTORE_AGENTS", str(path))
    reset_settings()
    return agents()


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_list_or_an_object_with_the_list(
    wrapped: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    document = [LLM, RULES, HUMAN]
    found = read(monkeypatch, tmp_path, {"agents": document} if wrapped else document)
    llm, rules, human = found
    assert isinstance(llm, LLMAgentConfig)
    assert (llm.id, llm.model, llm.temperature, llm.tools) == ("a", "m", 0.5, ("t",))
    assert isinstance(rules, RuleBasedAgentConfig)
    assert [(rule.pattern, rule.tool, rule.reply) for rule in rules.rules] == [
        ("x+", "t", None),
        ("y", None, "yes"),
    ]
    assert isinstance(human, HumanInLoopAgentConfig)
    assert (human.prompt, human.timeout) == ("Well?", 5.0)


@pytest.mark.parametrize("name", ["agents.yaml", "agents.yml"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_yaml_says_the_same(
    name: str, wrapped: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = f"agents:{YAML_LIST}" if wrapped else YAML_LIST
    assert read(monkeypatch, tmp_path, text, name) == read(monkeypatch, tmp_path, [LLM, HUMAN])


def test_yaml_without_its_extra_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(SettingsError, match=r"pip install 'eventstore\[yaml\]'"):
        read(monkeypatch, tmp_path, YAML_LIST, "agents.yaml")


def test_yaml_that_does_not_parse_names_the_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=r"agents\.yaml: line 3, column 1: "):
        read(monkeypatch, tmp_path, "- id: a\n  kind: [llm\n", "agents.yaml")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([{**LLM, "kind": "robot"}], r"agents\.0: .*'llm', 'rule_based', 'human_in_loop'"),
        ([{"id": "a"}], r"agents\.0: Unable to extract tag"),
        ([LLM, {**HUMAN, "model": "m"}], r"agents\.1\.human_in_loop\.model: unknown key"),
        ([{**LLM, "temperature": 3}], r"agents\.0\.llm\.temperature: "),
        ([{**LLM, "id": ""}], r"agents\.0\.llm\.id: "),
        ([{**RULES, "rules": []}], r"agents\.0\.rule_based\.rules: "),
        ([{**RULES, "rules": [{"pattern": "(", "reply": "r"}]}], "is no regular expression"),
        ([{**RULES, "rules": [{"pattern": "x"}]}], "either reply or tool"),
        ([{**RULES, "tools": []}], "`tools` does not list: t"),
        ([LLM, {**HUMAN, "id": "a"}], "agents share an id: a"),
        ({"agents": [LLM], "version": 1}, "unknown keys beside agents: version"),
        ({}, "must hold a list of agents"),
        ({"agents": {"a": LLM}}, "must hold a list of agents"),
        ("null", "must hold a list of agents"),
        ("[", r"line 1, column 2"),
    ],
)
def test_what_is_wrong_is_named_with_its_file(
    document: Any, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        read(monkeypatch, tmp_path, document)
    assert str(tmp_path / "agents.json") in str(caught.value)


def test_named_file_over_local_over_packaged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kinds = {type(agent) for agent in agents()}
    assert kinds == {LLMAgentConfig, RuleBasedAgentConfig, HumanInLoopAgentConfig}
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "agents.json").write_text(json.dumps([LLM]))
    reset_settings()
    assert [agent.id for agent in agents()] == ["a"]
    assert [agent.id for agent in read(monkeypatch, tmp_path, [HUMAN])] == ["c"]


def test_a_named_file_must_exist(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EVENTSTORE_AGENTS", str(tmp_path / "none.json"))
    with pytest.raises(SettingsError, match=r"EVENTSTORE_AGENTS.*none\.json"):
        agents()


def test_the_cache_cannot_be_changed_by_a_caller(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = read(monkeypatch, tmp_path, [LLM, HUMAN])
    found.clear()
    (tmp_path / "agents.json").write_text("[]")
    assert [agent.id for agent in agents()] == ["a", "c"]
    reset_settings()
    assert agents() == []
