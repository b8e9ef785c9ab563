"""The sample: three rule-based agents find out how long the source takes to read.

The planner plans and calculates, the researcher looks things up and answers, the critic judges.
The first answer names no reading speed; the critic sends them back to where the words were
counted, and a second branch takes it from there. No model is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from consumers.checking.catching_up import wait_until_caught_up
from consumers.demo.tools import fingerprint
from consumers.demo.transcript import Transcript
from eventstore.events import MAIN_BRANCH

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eventstore.bus import EventBus
    from eventstore.commands import Appended
    from eventstore.operations import Row

PACKAGE: Final = "eventstore"
QUESTION: Final = f"How long does it take to read the source of {PACKAGE}?"
CAREFUL: Final = "careful"
EVALUATOR: Final = "sample.critic"
_PROSE, _CODE = 200, 100  # words a minute


def run_sample(bus: EventBus) -> Transcript:
    """Perform the sample in a session named for what its tools read, and return what was done.

    Over the same source it is the same run: performed again, it adds no event.
    """
    desk = Transcript(bus, f"sample/{fingerprint()[:12]}")
    plan = desk.publish(
        "planner",
        "state",
        {
            "question": QUESTION,
            "plan": ["list the modules", "count their words", "divide by a reading speed"],
        },
    )
    _, modules = desk.use("researcher", "list_modules", after=plan, package=PACKAGE)
    counted, words = desk.use("researcher", "count_words", after=modules, package=PACKAGE)
    _answer(desk, MAIN_BRANCH, counted["words"], words, _PROSE, "{hours:.1f} hours.")

    desk.fork(words.step_idx, CAREFUL, agent="critic")
    revised = desk.publish(
        "planner",
        "state",
        {"plan": ["code reads slower than prose: take half the speed", "say which speed"]},
        branch=CAREFUL,
        after=words,
    )
    text = "{hours:.1f} hours at {speed} words a minute, half the speed of prose."
    _answer(desk, CAREFUL, counted["words"], revised, _CODE, text)
    return desk


def _answer(
    desk: Transcript, branch: str, words: int, after: Appended, speed: int, text: str
) -> None:
    """Calculate, answer and judge on a branch."""
    hours, result = desk.use(
        "planner", "calculate", branch=branch, after=after, expression=f"{words} / {speed} / 60"
    )
    answer = desk.publish(
        "researcher",
        "state",
        {"answer": text.format(hours=hours, speed=speed)},
        branch=branch,
        after=result,
    )
    # A worker that is just starting may take longer than a read waits.
    wait_until_caught_up(desk.bus.store, ("branch", "index"))
    checks = judge(desk.bus.history(desk.session_id, branch))
    failed = [name for name, holds in checks.items() if not holds]
    verdict = desk.publish(
        "critic",
        "state",
        {"verdict": f"fails: {', '.join(failed)}" if failed else "holds"},
        branch=branch,
        after=answer,
    )
    desk.publish(
        "critic",
        "evaluation",
        {
            "score": round(sum(checks.values()) / len(checks), 4),
            "metrics": {name: float(holds) for name, holds in checks.items()},
            "evaluator_id": EVALUATOR,
            "target": answer.ref,
        },
        branch=branch,
        after=verdict,
    )


def judge(history: Iterable[Row]) -> dict[str, bool]:
    """Return which of the critic's rules the last answer of a branch keeps."""
    answer, results = "", []
    for header, payload in history:
        if header["type"] == "tool_result" and header["tool_name"] == "calculate":
            results.append(payload)
        elif header["type"] == "state" and "answer" in payload:
            answer = payload["answer"]
    return {
        "answers": bool(answer),
        "is calculated": any(_mentions(answer, result) for result in results),
        "names its assumption": "words a minute" in answer,
    }


def _mentions(answer: str, result: Any) -> bool:
    return isinstance(result, float) and f"{result:.1f}" in answer
