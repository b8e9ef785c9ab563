"""docs/subscribers.md is true: its programs run as they stand, and again."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.embedded import Sandbox
from support.house import ROOT
from support.program import clean_environment
from support.subscribing import positions
from support.wait import until
from typer.testing import CliRunner

from consumers.cli import app
from eventstore import AppSettings, EventBus, EventStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = (ROOT / "docs" / "subscribers.md").read_text(encoding="utf-8")
LOOP, HANDLER = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def test_the_programs_run_as_they_stand(sandbox: Sandbox, tmp_path: Path) -> None:
    env = clean_environment(EVENTSTORE_HOME=str(sandbox.home.path), EVENTSTORE_METRICS__PORT="0")
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-P", "-c", LOOP],
            env=env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        # The second run is given its own three: it goes on where the first one stopped.
        assert (done.returncode, done.stdout) == (0, "Oslo -3\nLima 22\nOslo -5\n"), done.stderr

    handler = subprocess.Popen(
        [sys.executable, "-P", "-c", HANDLER], env=env, cwd=tmp_path, stderr=subprocess.PIPE
    )
    try:
        with EventBus(EventStore(AppSettings(home=sandbox.home.path, mode="test"))) as bus:
            until(lambda: positions(bus.store, "totals") == [6], what="six readings counted")
            key = bus.subscribe(group="totals")(print).state_key("Oslo", "readings")
            assert bus.redis.hgetall(key) == {b"Oslo": b"4", b"Lima": b"2"}
    finally:
        handler.send_signal(signal.SIGINT)
        _, said = handler.communicate()
    assert b"KeyboardInterrupt" in said


def test_its_commands_exist() -> None:
    named = set(re.findall(r"`eventstore (group|parked) (\w+)", PAGE))
    assert len(named) >= 4
    for words in named:
        assert CliRunner().invoke(app, [*words, "--help"]).exit_code == 0, words
