"""Events whose bytes are written down: whatever changes them changes the format of the log."""

from __future__ import annotations

from typing import Final

from eventstore.drafts import Draft, draft
from eventstore.events import BranchForked
from eventstore.headers import build_artifact

ARTIFACT_REF: Final = "019b76da4a00700080000000000000a1"
FORK_REF: Final = "019b76da4a00700080000000000000a2"
TS: Final = "2026-01-01T00:00:00.000Z"


def artifact() -> Draft:
    """Return a tool call with tags, whose name is lifted from its payload."""
    header = {
        "ref": ARTIFACT_REF,
        "session_id": "s:1",
        "agent_id": "planner",
        "type": "tool_call",
        "ts": TS,
        "meta": {"tags": ["weather"]},
    }
    payload = {"name": "get_weather", "arguments": {"city": "Oslo"}}
    return build_artifact(header, payload, {}, 2048)


def fork() -> Draft:
    """Return a fork of "main" at step 0: a decision, with the state of its lane."""
    return draft(
        BranchForked(
            ref=FORK_REF,
            session_id="s:1",
            agent_id="operator",
            ts=TS,
            branch_id="warmer",
            parent="main",
            at=0,
            segments=(("main", 0, 0),),
            own=1,
            defaulted=("ts",),
        )
    )
