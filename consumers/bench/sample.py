"""What is published in a benchmark: steps of an agent run, all of one shape and size."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

SESSIONS: Final = 20
BATCH: Final = 100
_TYPES: Final = ("state", "tool_call", "tool_result")
_EVALUATED: Final = 20
"""One in so many artifacts is an evaluation."""

Artifact = tuple[dict[str, Any], dict[str, Any]]


def artifacts(count: int, start: int = 0) -> Iterator[Artifact]:
    """Yield headers and payloads of about 300 bytes, spread over sessions in turns."""
    for number in range(start, start + count):
        header: dict[str, Any] = {
            "session_id": f"run-{number % SESSIONS}",
            "agent_id": f"agent-{number % 3}",
            "type": _TYPES[number % len(_TYPES)],
            "meta": {"tags": ["bench"]},
        }
        payload: dict[str, Any] = {
            "name": "search_flights",
            "number": number,
            "arguments": {"origin": "OSL", "destination": "JFK", "date": "2026-05-17"},
            "text": "The cheapest direct flight leaves at 10:25 and takes eight hours. " * 3,
        }
        if number % _EVALUATED == _EVALUATED - 1:
            header["type"] = "evaluation"
            payload["score"] = number % 10 / 10
            payload["evaluator"] = "bench"
        yield header, payload


def fields(artifact: Artifact) -> dict[Any, Any]:
    """Return an artifact as fields of a plain stream entry, as a program of one's own would."""
    header, payload = artifact
    return {**header, "meta": json.dumps(header["meta"]), "payload": json.dumps(payload)}
