"""`eval aggregate`: the numbers that the recorded runs have, whatever else is in the store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.recorded_runs import KEYS, check_numbers
from support.tau_data import EIGHT_RUNS
from support.terminal import Terminal

from consumers.demo.sample import EVALUATOR, run_sample
from eventstore.bus import EventBus
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.server import PrivateServer


@pytest.fixture
def terminal(server: PrivateServer, namespace: str) -> Iterator[Terminal]:
    with Terminal(server, namespace, read_timeout=30.0).working() as terminal:
        yield terminal


def publish_score(terminal: Terminal, session: str, payload: dict[str, Any], **header: Any) -> None:
    terminal.run(
        *("artifact", "publish", session, json.dumps(payload)),
        *("--type", "evaluation", "--header", json.dumps(header)),
    )


def test_the_numbers_of_recorded_runs(terminal: Terminal) -> None:
    terminal.run("import", str(EIGHT_RUNS))
    with EventBus(EventStore(terminal.settings)) as bus:
        run_sample(bus)
    check_numbers(terminal, EIGHT_RUNS)
    said = terminal.run("eval", "aggregate")
    assert "import.tau_bench" in said.stdout
    assert "unscored as failures" in said.stdout
    assert EVALUATOR not in said.stdout
    assert EVALUATOR in said.stderr
    assert terminal.json("eval", "aggregate", "--evaluator", EVALUATOR)["count"] == 2


def test_an_empty_store_has_no_numbers_and_no_zeros(terminal: Terminal) -> None:
    found = terminal.json("eval", "aggregate")
    assert list(found) == KEYS
    assert (found["count"], found["mean"], found["stderr"]) == (0, None, None)
    assert found["pass_hat_k_scored_only"] == []
    assert "no evaluation" in terminal.run("eval", "aggregate").stderr


def test_scores_of_several_evaluators_are_never_one_number(terminal: Terminal) -> None:
    terminal.run("import", str(EIGHT_RUNS))
    publish_score(terminal, "s", {"score": 1.0, "evaluator_id": "mine"}, group_id="g")
    refused = terminal.json("eval", "aggregate", code=2)
    assert "import.tau_bench, mine" in refused["error"]["message"]
    shown = terminal.run("eval", "aggregate").stdout
    assert "mine" in shown
    assert "import.tau_bench" in shown
    assert terminal.json("eval", "aggregate", "--evaluator", "mine")["mean"] == 1.0
    assert terminal.json("eval", "aggregate", "--evaluator", "import.tau_bench")["count"] == 8
    assert terminal.json("eval", "aggregate", "--evaluator", "none")["count"] == 0


def test_the_last_verdict_on_a_target_counts_and_a_request_is_none(terminal: Terminal) -> None:
    target = terminal.json("artifact", "publish", "s", "1")["ref"]
    for score in (0.0, 0.5):
        publish_score(
            terminal, "s", {"score": score, "evaluator_id": "e", "target": target}, group_id="g"
        )
    publish_score(terminal, "s", {"score": None, "evaluator_id": "e"}, group_id="g")
    with EventBus(EventStore(terminal.settings)) as bus:
        bus.create_evaluation_for(target, evaluator_id="e")
    found = terminal.json("eval", "aggregate")
    assert (found["count"], found["unscored"], found["mean"]) == (2, 1, 0.5)
    assert "1 evaluations have no verdict" in terminal.run("eval", "aggregate").stderr
