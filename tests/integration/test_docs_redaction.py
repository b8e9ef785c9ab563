"""The program of docs/redaction.md does what it says, and its table names kinds that there are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from support.house import ROOT

from eventstore import reset_bus
from eventstore.kinds import KINDS
from eventstore.settings import reset_settings

if TYPE_CHECKING:
    import pytest
    from support.server import PrivateServer

PAGE = (ROOT / "docs" / "redaction.md").read_text(encoding="utf-8")


def test_the_program_does_what_it_says(
    server: PrivateServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    monkeypatch.setenv("REDIS_URL", server.url)
    monkeypatch.setenv("EVENTSTORE_STORE__NAMESPACE", namespace)
    monkeypatch.setenv("EVENTSTORE_PAYLOADS__URL", f"memory://{namespace}")
    reset_settings()
    try:
        exec(program, {})
    finally:
        reset_bus()
        reset_settings()


def test_its_table_names_kinds_of_events() -> None:
    named = re.findall(r"`((?:artifact|branch|evaluation|override|session)\.\w+)`", PAGE)
    assert len(named) == 6
    assert set(named) <= KINDS.keys()
