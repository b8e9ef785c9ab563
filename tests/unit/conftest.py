"""Fixtures of the tests that need no server."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from eventstore.settings import reset_settings
from eventstore.settings_sources import ALIASES, PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def no_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """An empty working directory, and none of the variables that settings read."""
    for name in list(os.environ):
        if name.upper().startswith(PREFIX) or name in ALIASES:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    reset_settings()
    yield tmp_path
    reset_settings()
