"""Agent runs as a store sees them: some at any moment, each over after a while.

Sizes are those of recorded runs: a few hundred bytes for most steps, some kilobytes for what a
tool brings back, and now and then more than rides in an append.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consumers.bench.sample import Artifact

STEPS: Final = 100
"""Artifacts of a run, the last of which is its evaluation."""
TURN: Final = 20
"""Artifacts that are appended at once."""
LIVE: Final = 25
_LARGE_EVERY: Final = 5_000
_LARGE_BYTES: Final = 300_000
_AGENTS: Final = ("planner", "researcher", "critic")
_VOCABULARY: Final = (
    "flight hotel booking customer refund policy cabin economy passenger payment certificate "
    "change cancel confirm airport departure arrival seat baggage membership silver gold reason "
    "user search direct onestop available reservation total price gift card insurance update"
)
_WORDS: Final = _VOCABULARY.split()


def turns(count: int) -> Iterator[list[Artifact]]:
    """Yield so many artifacts, a turn of one session at a time, with sessions in turns."""
    chance = random.Random(1)
    made = begun = 0
    live: list[tuple[int, int]] = []
    while made < count:
        while len(live) < LIVE:
            live.append((begun, 0))
            begun += 1
        run, step = live.pop(0)
        size = min(TURN, STEPS - step, count - made)
        yield [_step(chance, run, step + n, made + n) for n in range(size)]
        made += size
        if step + size < STEPS:
            live.append((run, step + size))


def _step(chance: random.Random, run: int, step: int, number: int) -> Artifact:
    header: dict[str, Any] = {
        "session_id": f"run-{run:06d}",
        "agent_id": _AGENTS[step // 4 % len(_AGENTS)],
        "meta": {"tags": [f"task-{run % 40}"]},
    }
    if step == STEPS - 1:
        header["type"] = "evaluation"
        return header, {"score": chance.randrange(11) / 10, "evaluator": "judge", "run": run}
    sort = step % 4
    if sort == 1:
        header["type"] = "tool_call"
        arguments = {"origin": _text(chance, 1), "destination": _text(chance, 1), "number": number}
        return header, {"name": f"search_{_text(chance, 1)}", "arguments": arguments}
    if sort == 2:
        header["type"] = "tool_result"
        if number % _LARGE_EVERY == _LARGE_EVERY // 2:
            text = chance.randbytes(_LARGE_BYTES).hex()
        else:
            text = _text(chance, int(chance.expovariate(1 / 150)))
        return header, {"name": "search", "number": number, "content": text}
    header["type"] = "state"
    header["meta"]["latency_ms"] = chance.randrange(200, 4_000)
    return header, {"role": "assistant", "number": number, "content": _text(chance, 40)}


def _text(chance: random.Random, words: int) -> str:
    return " ".join(chance.choices(_WORDS, k=words))
