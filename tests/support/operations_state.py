"""What a session is, in the plainest terms: lists of refs, counters and dicts. Data only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

Placed: TypeAlias = tuple[int, int]
"""The seq of an event, and its index in its lane."""


@dataclass
class Version:
    """What an artifact says."""

    payload: Any
    tags: list[str]
    status: str | None = None
    score: float | None = None
    by: str | None = None


@dataclass
class Artifact:
    """An artifact, and all its versions, the one as published first."""

    ref: str
    agent: str
    branch: str
    type: str
    ts: int
    role: str | None
    seq: int
    step: int
    versions: list[Version]

    @property
    def now(self) -> Version:
        return self.versions[-1]


@dataclass
class Branch:
    """The refs that a branch shows, the step it appends next, and how it came to be."""

    age: int
    shown: list[str] = field(default_factory=list)
    next: int = 0
    parent: str | None = None
    at: int | None = None
    rewinds: int = 0
    pops: int = 0


@dataclass
class Tick:
    """The last tick: whom it names, who did their part and finished with it, who stalled."""

    number: int = 0
    agents: list[str] = field(default_factory=list)
    acked: dict[str, tuple[bool, Placed]] = field(default_factory=dict)
    stalled: list[str] | None = None


@dataclass
class Moment:
    """The past right after an event: what branches showed, in which versions; the overrides."""

    shown: dict[str, list[str]]
    versions: dict[str, int]
    overrides: dict[str, dict[str, Any]]


@dataclass
class State:
    """A session now."""

    artifacts: dict[str, Artifact] = field(default_factory=dict)
    branches: dict[str, Branch] = field(default_factory=dict)
    agents: list[str] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    checkouts: dict[str, str] = field(default_factory=dict)
    tick: Tick = field(default_factory=Tick)
    overrides: dict[str, dict[str, Any]] = field(default_factory=dict)
    locked: dict[str, bool] = field(default_factory=dict)
    lanes: dict[str, int] = field(default_factory=dict)
    is_open: bool = True
    moments: list[Moment] = field(default_factory=list)

    @property
    def live(self) -> list[str]:
        return [agent for agent in self.agents if agent not in self.finished]

    @property
    def waiting(self) -> list[str]:
        """The agents that the last tick waits for."""
        if self.tick.stalled is not None:
            return []
        left = [agent for agent in self.tick.agents if agent in self.live]
        return [agent for agent in left if agent not in self.tick.acked]
