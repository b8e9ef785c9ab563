"""The worker beside an embedded server: told where to go, kept alive, ended first."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
import redis
from support.embedded import Sandbox, kill
from support.settings_env import write_config
from support.wait import until

from eventstore.bus import EventBus
from eventstore.embedded import logs
from eventstore.errors import NotCaughtUp
from eventstore.settings import AppSettings
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from eventstore.operations import Row

# Writes its environment; at SIGTERM, whether the server still answers.
PROBING_WORKER = """
import json, os, redis, signal, sys
from pathlib import Path

def end(*_):
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        Path(sys.argv[1], "last").write_text(str(client.ping()))
    os._exit(0)

signal.signal(signal.SIGTERM, end)
draft = Path(sys.argv[1], "environment.new")
draft.write_text(json.dumps(dict(os.environ)))
draft.rename(Path(sys.argv[1], "environment"))
while True:
    signal.pause()
"""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def probing_worker(directory: Path) -> tuple[str, ...]:
    return (sys.executable, "-c", PROBING_WORKER, str(directory))


def environment_of_the_worker(directory: Path) -> dict[str, str]:
    path = directory / "environment"
    until(path.exists, what="a worker that runs")
    environment: dict[str, str] = json.loads(path.read_text())
    return environment


def test_it_is_told_this_store_and_no_other(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = [
        f"{prefix}{part}"
        for prefix in ("REDIS_", "EVENTSTORE_REDIS__")
        for part in ("HOST", "PORT", "DB", "PASSWORD")
    ]
    for name in foreign:
        monkeypatch.setenv(name, "of another server")
    monkeypatch.setenv("EVENTSTORE_LOGGING__LEVEL", "INFO")
    with sandbox.store(worker=probing_worker(tmp_path)) as store:
        endpoint = store.ensure()
        environment = environment_of_the_worker(tmp_path)
        assert environment["REDIS_URL"] == endpoint.url
        assert environment["EVENTSTORE_HOME"] == str(sandbox.home.path)
        assert environment["EVENTSTORE_STORE__DURABILITY"] == "fsync"
        assert environment["EVENTSTORE_LOGGING__LEVEL"] == "INFO"
        assert environment.keys().isdisjoint(foreign)
        with redis.Redis.from_url(environment["REDIS_URL"]) as client:
            assert client.ping() is True


def test_an_account_of_another_server_in_the_file_is_not_used_here(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_config(monkeypatch, tmp_path, {"redis": {"username": "a", "password": "p", "db": 3}})
    monkeypatch.setenv("EVENTSTORE_METRICS__ENABLED", "false")
    with EventBus(EventStore(AppSettings(home=sandbox.home.path, mode="test"))) as bus:
        ref = bus.publish({"session_id": "s", "agent_id": "a", "type": "state"}, {"n": 1}).ref
        [(header, payload)] = until(lambda: found(bus), what="the worker's projection")
    assert (header["ref"], payload) == (ref, {"n": 1})


def found(bus: EventBus) -> list[Row]:
    try:
        return bus.search("s")
    except NotCaughtUp:
        return []


def test_it_ends_before_the_server_and_does_not_count_as_a_client(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    with sandbox.store(linger=0.1, worker=probing_worker(tmp_path)) as store:
        store.ensure()
        environment_of_the_worker(tmp_path)
    sandbox.wait_until_over()
    assert (tmp_path / "last").read_text() == "True"


def test_it_is_started_again_when_it_dies(sandbox: Sandbox) -> None:
    with sandbox.store() as store:
        store.ensure()
        server, worker = sandbox.server_pid(), sandbox.worker_pid()
        kill(worker)
        until(lambda: sandbox.status().worker.pid not in (None, worker), what="a new worker")
        assert sandbox.server_pid() == server


def test_one_that_cannot_run_does_not_keep_the_store_from_serving(sandbox: Sandbox) -> None:
    with sandbox.store(worker=(str(sandbox.directory / "missing"),)) as store:
        store.ensure()
        until(lambda: "cannot be run" in sandbox.home.supervisor_log.read_text())
        store.ensure()


def test_what_it_says_is_in_its_log(sandbox: Sandbox) -> None:
    with sandbox.store(worker=("sh", "-c", "echo out; echo err >&2; exec sleep 1000")) as store:
        store.ensure()
        until(lambda: "out\nerr\n" in logs.tail(sandbox.home.worker_log) + "\n")
