"""docs/payload-stores.md is true: its driver is installed and keeps the payloads of a store."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from support.consuming import until_caught_up
from support.distribution import install
from support.house import ROOT
from support.program import clean_environment, run_program
from support.serving import serving
from support.stores import open_store

from eventstore.payload_driver import ENTRY_POINTS

if TYPE_CHECKING:
    from pathlib import Path

    from support.server import PrivateServer

PAGE = (ROOT / "docs" / "payload-stores.md").read_text(encoding="utf-8")
(MODULE,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
(PROJECT,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
VALUES: list[Any] = [{"n": 1}, "long " * 2000, "ab" * 3000 + "\u00e9", ""]
PUBLISH = """
import json, sys
from eventstore import get_bus
header = {"session_id": "../a session", "agent_id": "a", "type": "state"}
refs = [get_bus().publish(header, value).ref for value in json.loads(sys.argv[1])]
print(json.dumps(refs))
"""
READ = """
import json, sys
from eventstore import get_bus
print(json.dumps([get_bus().get(ref).payload for ref in json.loads(sys.argv[1])]))
"""


@pytest.fixture
def environment(server: PrivateServer, namespace: str, tmp_path: Path) -> dict[str, str]:
    """What a user's programs see: the page's driver, installed, and its place."""
    packages = tmp_path / "packages"
    packages.mkdir()
    project = tomllib.loads(PROJECT)["project"]
    points = project["entry-points"][ENTRY_POINTS]
    install(packages, project["name"], {"acme_payloads": MODULE}, points, ENTRY_POINTS)
    install(packages, "broken", {"broken": "1 / 0"}, {"broken": "broken:Store"}, ENTRY_POINTS)
    return clean_environment(
        PYTHONPATH=str(packages),
        REDIS_URL=server.url,
        EVENTSTORE_HOME=str(tmp_path / "home"),
        EVENTSTORE_STORE__NAMESPACE=namespace,
        EVENTSTORE_STORE__LEASE_SECONDS="0.5",
        EVENTSTORE_STORE__INLINE_LIMIT="5000",
        EVENTSTORE_STORE__COMPRESS_ABOVE="8000",
        EVENTSTORE_PAYLOADS__DRIVER="acme",
        EVENTSTORE_PAYLOADS__STORAGE_OPTIONS=json.dumps({"path": str(tmp_path / "payloads.db")}),
        EVENTSTORE_METRICS__ENABLED="false",
    )


def test_the_driver_of_the_page(
    server: PrivateServer, namespace: str, tmp_path: Path, environment: dict[str, str]
) -> None:
    assert len([line for line in MODULE.splitlines() if line]) <= 30
    database = tmp_path / "payloads.db"
    refs = run(environment, tmp_path, PUBLISH, VALUES)
    # What is large, and does not become small, is there before any worker is.
    assert [session for session, _ in stored(database)] == ["payloads"]
    with serving(environment, tmp_path / "work.log"):
        with open_store(server, namespace) as store:
            until_caught_up(store, "payloads")
            until_caught_up(store, "journal")
        assert {("../a session", ref) for ref in refs[:2]} < stored(database)
        assert run(environment, tmp_path, READ, refs) == VALUES
        checks = doctor(environment, tmp_path)
    assert checks["payload write"]["status"] == "ok"
    assert checks["payload write"]["detail"].startswith("payload driver acme takes")
    assert (
        "plugin 'broken' of broken (broken:Store): loading it failed"
        in (checks["plugins"]["detail"])
    )
    journal = tmp_path / "home" / "payloads" / "journal"
    assert list(journal.rglob("*.ndjson.gz")), "the journal is in the data directory"
    assert not (tmp_path / "home" / "payloads" / "artifacts").exists()


def stored(database: Path) -> set[tuple[str, str]]:
    """Return session and ref of what the driver keeps."""
    connection = sqlite3.connect(database)
    try:
        return set(connection.execute("SELECT session, ref FROM payloads"))
    finally:
        connection.close()


def run(environment: dict[str, str], folder: Path, program: str, given: object) -> Any:
    """Run a program in a process of its own, as a user would."""
    command = [sys.executable, "-P", "-c", program, json.dumps(given)]
    done = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def doctor(environment: dict[str, str], folder: Path) -> dict[str, dict[str, str]]:
    """Return the checks of `doctor` by name."""
    done = run_program("doctor", "--json", env=environment, cwd=folder)
    return {check["name"]: check for check in json.loads(done.stdout)["checks"]}
