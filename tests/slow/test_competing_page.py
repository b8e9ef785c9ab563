"""docs/competing-and-parking.md is true: its programs run as they stand, and its commands exist."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.competing import NOTHING, left
from support.house import ROOT
from support.program import clean_environment
from support.stores import open_store
from support.terminal import Terminal
from support.wait import until
from typer.testing import CliRunner

from consumers.cli import app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.server import PrivateServer

    from eventstore.store import EventStore

PAGE = (ROOT / "docs" / "competing-and-parking.md").read_text(encoding="utf-8")
HANDLER, LOOP = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
PARKED = NOTHING._replace(parked=1)


@pytest.fixture
def env(server: PrivateServer, namespace: str, tmp_path: Path) -> dict[str, str]:
    return clean_environment(
        REDIS_URL=server.url,
        EVENTSTORE_STORE__NAMESPACE=namespace,
        EVENTSTORE_PAYLOADS__URL=f"file://{tmp_path}/payloads",
        EVENTSTORE_CONSUMING__ATTEMPTS="2",
        EVENTSTORE_CONSUMING__FIRST_RETRY_SECONDS="0.01",
    )


@pytest.fixture
def store(server: PrivateServer, namespace: str) -> Iterator[EventStore]:
    with open_store(server, namespace) as opened:
        yield opened


def run(program: str, env: dict[str, str], cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", "-c", program],
        env=env,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def test_the_programs_run_as_they_stand(
    store: EventStore, env: dict[str, str], server: PrivateServer, namespace: str, tmp_path: Path
) -> None:
    terminal = Terminal(server, namespace)
    handler = run(HANDLER, env, tmp_path)
    try:
        until(lambda: left(store, "dividers") == PARKED, what="three done, one parked")
        loop = run(LOOP, env, tmp_path)
        assert loop.communicate() == ("sums 1 1\nsums 2 1\nsums 3 1\nsums 0 2\n", "")
        [item] = terminal.json("parked", "list", "dividers")
        assert (item["attempts"], item["error"]) == (2, "ZeroDivisionError: division by zero")
        assert terminal.json("session", "show", "sums", "--stale")["degraded"] == {"dividers": 1}
        # Nothing is mended, so it is parked again; by then it was tried again.
        first = item["parked_at"]
        assert terminal.json("parked", "replay", "dividers")["handled"] == 1
        until(lambda: left(store, "dividers") == PARKED, what="parked again")
        [item] = terminal.json("parked", "list", "dividers")
        assert item["parked_at"] > first
    finally:
        handler.send_signal(signal.SIGINT)
        said, errors = handler.communicate()
    assert sorted(said.splitlines()) == ["12 / 1 = 12", "12 / 2 = 6", "12 / 3 = 4"]
    assert "KeyboardInterrupt" in errors


def test_its_commands_exist() -> None:
    said = r"(?:`|^    )eventstore (group|parked|session|projection) (\w+)"
    named = set(re.findall(said, PAGE, re.MULTILINE))
    assert len(named) >= 7
    for words in named:
        assert CliRunner().invoke(app, [*words, "--help"]).exit_code == 0, words
