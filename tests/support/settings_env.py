"""Configuration files for tests of settings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from eventstore.settings_sources import CONFIG_VARIABLE

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def write_config(monkeypatch: pytest.MonkeyPatch, directory: Path, document: Any) -> Path:
    """Write `document` to a file that EVENTSTORE_CONFIG then names; text is written as it is."""
    path = directory / "settings.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    monkeypatch.setenv(CONFIG_VARIABLE, str(path))
    return path
