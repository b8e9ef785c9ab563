"""Celery with prefork children: each starts minimally, with connections and a log of its own.

Slow because a Celery worker takes seconds to start and to stop.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.stores import open_store
from support.wait import until

from eventstore.bus import EventBus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.server import PrivateServer

TESTS = Path(__file__).parents[1]
TASKS = 40
CELERY = [sys.executable, "-m", "celery", "-A", "support.celery_app"]


@pytest.fixture
def environment(server: PrivateServer, namespace: str, tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / "broker"
    (folder / "control").mkdir(parents=True)
    return {
        **os.environ,
        "PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent}",
        "TEST_CELERY_FOLDER": str(folder),
        "REDIS_URL": server.url,
        "EVENTSTORE_STORE__NAMESPACE": namespace,
        "EVENTSTORE_PAYLOADS__URL": f"file://{tmp_path}/payloads",
        "EVENTSTORE_LOGGING__LOG_DIR": str(tmp_path / "logs"),
    }


@pytest.fixture
def worker(environment: dict[str, str], tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [*CELERY, "worker", "--pool", "prefork", "--concurrency", "2", "--without-mingle"]
    with (tmp_path / "celery.log").open("wb") as log:
        process = subprocess.Popen(
            command, env=environment, cwd=tmp_path, stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def published(bus: EventBus) -> list[dict[str, Any]]:
    refs = [each.event.ref for each in bus.store.read("celery")]
    return [bus.get(ref).payload for ref in refs]


def test_children_have_connections_of_their_own_and_take_all_tasks(
    worker: subprocess.Popen[bytes],
    environment: dict[str, str],
    server: PrivateServer,
    namespace: str,
    tmp_path: Path,
) -> None:
    calls = f"import support.celery_app as c\nfor n in range({TASKS}): c.publish_later.delay(n)"
    subprocess.run([sys.executable, "-c", calls], env=environment, check=True, cwd=tmp_path)
    with EventBus(open_store(server, namespace)) as bus:
        until(
            lambda: len(bus.store.read("celery")) == TASKS or worker.poll() is not None,
            what="every task has published",
            timeout=120,
        )
        rows = published(bus)
    assert worker.poll() is None, (tmp_path / "celery.log").read_text()
    assert sorted(row["number"] for row in rows) == [*range(TASKS)]
    clients: dict[int, set[int]] = {}
    for row in rows:
        clients.setdefault(row["pid"], set()).add(row["client"])
    assert worker.pid not in clients
    every = [client for own in clients.values() for client in own]
    assert len(every) == len(set(every)), "a connection was used by two processes"
    logs = {path.name for path in (tmp_path / "logs").iterdir()}
    assert {f"main.celery-{n}.log" for n in range(2)} <= logs
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(120) == 0
