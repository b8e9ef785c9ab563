"""docs/projections-own.md is true: its distribution is installed, consumed, read and rebuilt."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from support.consuming import until_caught_up
from support.distribution import GROUP, install, projection_source
from support.house import ROOT
from support.program import clean_environment, run_program
from support.stores import open_store

from eventstore.bus import EventBus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.server import PrivateServer

    from eventstore.store import EventStore

PAGE = (ROOT / "docs" / "projections-own.md").read_text(encoding="utf-8")
MODULE, READER = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
(PROJECT,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
CALLS = ["search", "search", "book", "search", "book", "book"]
EXPECTED = {"calls:search": "3", "calls:book": "3", "repeated": "2", "last": "book"}


@pytest.fixture
def environment(server: PrivateServer, namespace: str, tmp_path: Path) -> dict[str, str]:
    """What a user's programs see: a server, and a folder of installed distributions."""
    packages = tmp_path / "packages"
    packages.mkdir()
    return clean_environment(
        PYTHONPATH=str(packages),
        REDIS_URL=server.url,
        EVENTSTORE_STORE__NAMESPACE=namespace,
        EVENTSTORE_STORE__LEASE_SECONDS="0.5",
        EVENTSTORE_PAYLOADS__URL=str(tmp_path / "payloads"),
        EVENTSTORE_METRICS__ENABLED="false",
    )


@contextmanager
def worker(environment: dict[str, str], log: Path) -> Iterator[None]:
    """Run a worker for everything there is."""
    command = [sys.executable, "-P", "-m", "consumers", "work"]
    with log.open("wb") as errors:
        process = subprocess.Popen(command, env=environment, stderr=errors)
    try:
        yield
    finally:
        process.terminate()
        assert process.wait(60) == 0, log.read_text()


def publish_calls(store: EventStore) -> None:
    bus = EventBus(store)
    for tool in CALLS:
        header = {"session_id": "s", "agent_id": "a", "type": "tool_call"}
        bus.publish(header, {"name": tool, "arguments": {}})


def test_the_projection_of_the_page(
    server: PrivateServer, namespace: str, tmp_path: Path, environment: dict[str, str]
) -> None:
    assert len([line for line in MODULE.splitlines() if line]) <= 32
    log, packages = tmp_path / "work.log", tmp_path / "packages"
    with open_store(server, namespace) as store:
        with worker(environment, log):
            publish_calls(store)
            until_caught_up(store, "index")

        project = tomllib.loads(PROJECT)["project"]
        install(packages, project["name"], {"tools": MODULE}, project["entry-points"][GROUP])
        install(packages, "broken", {"broken": "1 / 0"}, {"broken": "broken:View"})
        install(packages, "rival", {"rival": projection_source("index")}, {"index": "rival:View"})
        with worker(environment, log):
            # It is new, and builds itself from the first event by being there.
            until_caught_up(store, "tools")
            assert read(environment, tmp_path) == EXPECTED
            groups = output(environment, tmp_path, "projection", "list")
            assert "tools" in {row["group"] for row in groups}
            (done,) = output(environment, tmp_path, "projection", "rebuild", "tools")
            assert (done["generation"], done["events"], done["equal"]) == (2, len(CALLS), True)
            assert done["keys_dropped"] == 1
            assert read(environment, tmp_path) == EXPECTED
            verified = output(environment, tmp_path, "projection", "verify")
            assert {row["projection"]: row["equal"] for row in verified}["tools"] is True
    said = log.read_text()
    assert "plugin 'broken' of broken (broken:View): loading it failed: ZeroDivisionError" in said
    assert "plugin 'index' of rival (rival:View): the name 'index' is taken" in said
    refused = run_program(
        "projection", "rebuild", "broken", env=environment, cwd=tmp_path, code=2
    ).stderr
    assert "ZeroDivisionError" in refused


def read(environment: dict[str, str], folder: Path) -> dict[str, str]:
    """Run the page's reader in a process of its own, as a user would."""
    program = f"{READER}\nimport json\nprint(json.dumps(tools('s')))"
    command = [sys.executable, "-P", "-c", program]
    done = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


def output(environment: dict[str, str], folder: Path, *arguments: str) -> list[dict[str, object]]:
    """Run a command with --json and return its document."""
    done = run_program(*arguments, "--json", env=environment, cwd=folder)
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found
