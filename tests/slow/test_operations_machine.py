"""Ten thousand random operations of several clients on sessions, against a plain model.

Slow because only many histories reach the rare ones: a fork of a past that a rewind of a fork
took back, a pop of a row that another client amended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.operations_run import run_operations

if TYPE_CHECKING:
    from pathlib import Path

    from support.server import PrivateServer

STEPS = 10_000
STEPS_AN_EXAMPLE = 40


@pytest.mark.timeout(600)
def test_sessions_are_what_a_model_says(
    server: PrivateServer, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, refusals = run_operations(
        server,
        namespace,
        tmp_path,
        monkeypatch,
        # Some examples end early.
        examples=STEPS // STEPS_AN_EXAMPLE * 6 // 5,
        steps=STEPS_AN_EXAMPLE,
    )
    assert steps >= STEPS
    assert 0 < refusals < steps / 2
