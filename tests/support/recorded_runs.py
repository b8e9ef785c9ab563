"""What holds for a file of recorded runs, however many there are in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest
from support.tau_data import records_of

if TYPE_CHECKING:
    from pathlib import Path

    from support.terminal import Terminal

KEYS: Final = [
    *("count", "unscored", "mean", "stderr"),
    *("pass_hat_k_unscored_as_failures", "pass_hat_k_scored_only"),
]


def sessions_of(terminal: Terminal) -> set[str]:
    """Return the sessions that the command line lists."""
    return {row["session_id"] for row in terminal.json("session", "list", "-n", "1000")}


def check_round_trip(terminal: Terminal, path: Path, folder: Path) -> None:
    """Import a file twice into an empty store; every run is there once and comes out equal."""
    records = records_of(path)
    first = terminal.json("import", str(path))
    assert first["runs"] == len(records)
    assert first["added"] == first["events"] > len(records)
    again = terminal.json("import", str(path), "--format", "tau-bench")
    assert (again["added"], again["known"]) == (0, first["events"])
    assert len(sessions_of(terminal)) == len(records)

    out = folder / "all.json"
    assert terminal.run("export", "--all", "-o", str(out)).stdout == ""
    exported: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    by_place = {(record["task_id"], record["trial"]): record["traj"] for record in records}
    for session, messages in exported.items():
        _, task, trial, _ = session.split("/")
        assert messages == by_place[int(task), int(trial)]
    assert len(exported) == len(records)
    assert list(folder.iterdir()) == [out]


def check_numbers(terminal: Terminal, path: Path) -> None:
    """Compare `eval aggregate` with the scores that an imported file records."""
    records = records_of(path)
    found = terminal.json("eval", "aggregate")
    assert list(found) == KEYS
    unjudged = [r for r in records if (r["info"] or {}).get("reward_info") is None]
    assert (found["count"], found["unscored"]) == (len(records), len(unjudged))
    scores = [r["reward"] for r in records if r not in unjudged]
    assert found["mean"] == pytest.approx(sum(scores) / len(scores))
    if len(records) == 160:
        assert found["pass_hat_k_unscored_as_failures"] == pytest.approx(
            [0.36875, 0.2375, 0.19375, 0.175]
        )
        assert found["pass_hat_k_scored_only"] == pytest.approx(
            [0.3708, 0.2375, 0.1987, 0.1892], abs=5e-5
        )
