"""Random operations of several clients on sessions, against a model of lists and dicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.operations_run import run_operations

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from support.server import PrivateServer


def test_sessions_are_what_a_model_says(
    server: PrivateServer, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, _ = run_operations(server, namespace, tmp_path, monkeypatch, examples=10, steps=25)
    assert steps >= 150
