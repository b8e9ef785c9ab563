"""Agents as configuration: a list of three kinds, read from JSON or YAML."""

from __future__ import annotations

import functools
import os
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from eventstore.errors import SettingsError
from eventstore.settings_files import locate, read_document
from eventstore.settings_models import Seconds, Text, plain_message
from eventstore.settings_sources import AGENTS_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydantic_core import ErrorDetails


class _Agent(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    id: Text = Field(description="Name of the agent: `agent_id` of its events.")
    description: str = Field(default="", description="What the agent is for, to a person.")
    tools: tuple[Text, ...] = Field((), description="Names of the tools it may call.")


class LLMAgentConfig(_Agent):
    """An agent that a language model drives."""

    kind: Literal["llm"] = "llm"
    model: Text | None = Field(
        default=None, description="Model id; unset = llm.models.default_model."
    )
    system_prompt: Text | None = Field(default=None, description="First message of a conversation.")
    temperature: float | None = Field(default=None, ge=0, le=2, allow_inf_nan=False)
    top_p: float | None = Field(default=None, gt=0, le=1, allow_inf_nan=False)
    max_tokens: int | None = Field(default=None, ge=1, description="Most tokens of one answer.")


class Rule(BaseModel):
    """One rule: the first whose pattern is found in the input answers it."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    pattern: Text = Field(description="Regular expression, searched for in the input.")
    reply: Text | None = Field(default=None, description="Text to answer with.")
    tool: Text | None = Field(default=None, description="Tool to call instead.")

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from None
        return pattern

    @model_validator(mode="after")
    def _does_one_thing(self) -> Rule:
        if (self.reply is None) == (self.tool is None):
            raise ValueError("give either reply or tool")
        return self


class RuleBasedAgentConfig(_Agent):
    """An agent that follows rules, in order."""

    kind: Literal["rule_based"] = "rule_based"
    rules: tuple[Rule, ...] = Field(min_length=1)
    default_reply: Text | None = Field(default=None, description="Answer when no rule matches.")

    @model_validator(mode="after")
    def _rules_name_own_tools(self) -> RuleBasedAgentConfig:
        strange = sorted({rule.tool for rule in self.rules if rule.tool} - set(self.tools))
        if strange:
            raise ValueError(f"rules call tools that `tools` does not list: {', '.join(strange)}")
        return self


class HumanInLoopAgentConfig(_Agent):
    """An agent whose answers a person gives."""

    kind: Literal["human_in_loop"] = "human_in_loop"
    prompt: Text = Field("Your answer:", description="What the person is asked.")
    timeout: Seconds | None = Field(default=None, description="Seconds to wait; unset = for ever.")
    default_reply: Text | None = Field(default=None, description="Answer when the time is up.")


AgentConfig = Annotated[
    LLMAgentConfig | RuleBasedAgentConfig | HumanInLoopAgentConfig, Field(discriminator="kind")
]

_AGENTS: TypeAdapter[list[AgentConfig]] = TypeAdapter(
    list[AgentConfig], config=ConfigDict(hide_input_in_errors=True)
)


def agents() -> list[AgentConfig]:
    """Return the configured agents, read at the first call; `reset_settings` forgets them.

    The file is the one that EVENTSTORE_AGENTS names (JSON, or YAML with the extra `yaml`), else
    ./config/agents.json, else the packaged one; it holds a list, or an object with the list
    under `agents`. Raises `SettingsError` naming the file and what is wrong in it.
    """
    return list(cached_agents())


@functools.cache
def cached_agents() -> tuple[AgentConfig, ...]:
    """Return the agents as `agents` does; the cache is here, so that no caller can change it."""
    path = locate(AGENTS_VARIABLE, "agents.json", os.environ)
    return parse_agents(read_document(path), path)


def parse_agents(document: Any, path: Path) -> tuple[AgentConfig, ...]:
    """Return the agents of a document read from `path`, ids unique.

    Raises `SettingsError` naming the file, the agent by its place in the list, and the field.
    """
    if isinstance(document, dict):
        document = _unwrap(document, path)
    if not isinstance(document, list):
        raise SettingsError(f"{path}: must hold a list of agents, or one under the key agents")
    try:
        found = _AGENTS.validate_python(document)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False, include_context=False)
        raise SettingsError("\n".join(_describe(path, fault) for fault in faults)) from None
    ids = [agent.id for agent in found]
    twins = sorted({name for name in ids if ids.count(name) > 1})
    if twins:
        raise SettingsError(f"{path}: agents share an id: {', '.join(twins)}; ids are unique")
    return tuple(found)


def overridden(agent: AgentConfig, override: Mapping[str, Any], where: str) -> AgentConfig:
    """Return an agent with some of its fields replaced; `where` names the override in errors.

    Raises `SettingsError` naming the field that does not fit the agent.
    """
    changed = {**agent.model_dump(), **override}
    try:
        return type(agent).model_validate(changed)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False, include_context=False)
        places = (".".join(str(part) for part in fault["loc"]) for fault in faults)
        said = (
            f"{where}: {place}: {plain_message(fault)}"
            for place, fault in zip(places, faults, strict=True)
        )
        raise SettingsError("\n".join(said)) from None


def _unwrap(document: dict[Any, Any], path: Path) -> Any:
    unknown = sorted(str(key) for key in document if key != "agents")
    if unknown:
        raise SettingsError(
            f"{path}: unknown keys beside agents: {', '.join(unknown)}; remove them"
        )
    return document.get("agents")


def _describe(path: Path, fault: ErrorDetails) -> str:
    place = ".".join(str(part) for part in fault["loc"])
    return f"{path}: agents.{place}: {plain_message(fault)}"
