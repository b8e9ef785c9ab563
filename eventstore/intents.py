"""What a unit of work is asked to do on a session, one intent after the other. Pure.

An intent carries what was decided when it was asked for: the ref and time of its event, its
agent, and the branch that the agent was seen on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from eventstore.events import (
    MAIN_BRANCH,
    ArtifactPublished,
    branch_lane,
    checkout_lane,
    lineage_lane,
)
from eventstore.ticks import AGENTS_LANE, SESSION_LANE, TICK_LANE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.drafts import Draft
    from eventstore.events import Fields
    from eventstore.stack_search import StackRow


@dataclass(frozen=True)
class Open:
    """Open the session, if it is not open already."""

    common: Fields
    title: str | None


@dataclass(frozen=True)
class Close:
    """Close the session, if it is not closed already."""

    common: Fields
    reason: str | None


@dataclass(frozen=True)
class Register:
    """Have an agent in the session, and live."""

    common: Fields


@dataclass(frozen=True)
class Unregister:
    """Have an agent in the session no more."""

    common: Fields


@dataclass(frozen=True)
class Checkout:
    """Have an agent work on another branch."""

    common: Fields


@dataclass(frozen=True)
class Push:
    """Put an artifact on its agent's stack."""

    item: Draft

    @property
    def event(self) -> ArtifactPublished:
        assert isinstance(self.item.event, ArtifactPublished)
        return self.item.event

    @property
    def wants_call(self) -> bool:
        """Whether the call that this result answers is to be found."""
        return self.event.type == "tool_result" and not self.event.parent_refs


@dataclass(frozen=True)
class Pop:
    """Hide the last row of an agent's stack, which must be the one that was seen."""

    common: Fields
    row: StackRow


@dataclass(frozen=True)
class Ack:
    """Say that an agent has done its part of a tick, and whether it has finished for good."""

    common: Fields
    tick: int
    finished: bool


Intent: TypeAlias = Open | Close | Register | Unregister | Checkout | Push | Pop | Ack


def agent_of(intent: Intent) -> str:
    """Return whose intent it is."""
    agent: str = intent.event.agent_id if isinstance(intent, Push) else intent.common["agent_id"]
    return agent


def branch_of(intent: Intent) -> str:
    """Return the branch that an intent is about."""
    if isinstance(intent, Push):
        return intent.event.branch_id
    branch: str = intent.common.get("branch_id", MAIN_BRANCH)
    return branch


def searched_branches(intents: Sequence[Intent]) -> list[str]:
    """Return the branches whose rows a plan depends on."""
    return list(dict.fromkeys(branch_of(intent) for intent in intents if _searches(intent)))


def _searches(intent: Intent) -> bool:
    return isinstance(intent, Pop) or (isinstance(intent, Push) and intent.wants_call)


def lanes_of(intents: Sequence[Intent]) -> list[str]:
    """Return the lanes that a plan is decided by."""
    lanes = [SESSION_LANE, AGENTS_LANE]
    for intent in intents:
        if isinstance(intent, Push | Pop | Checkout):
            lanes.append(checkout_lane(agent_of(intent)))
        if isinstance(intent, Checkout) or _searches(intent):
            lanes += (lineage_lane(branch_of(intent)), branch_lane(branch_of(intent)))
        if isinstance(intent, Ack):
            lanes.append(TICK_LANE)
    return list(dict.fromkeys(lanes))
