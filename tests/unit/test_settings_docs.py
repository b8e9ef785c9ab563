"""docs/settings.md says what the model says."""

from __future__ import annotations

from support.settings_table import PAGE, page

from eventstore.settings import AppSettings
from eventstore.settings_sources import leaves


def test_the_page_equals_the_model() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "write it anew: .venv/bin/python tests/support/settings_table.py"
    )


def test_every_setting_says_what_it_means() -> None:
    silent = [path for path, field in leaves(AppSettings) if not field.description]
    assert silent == []
