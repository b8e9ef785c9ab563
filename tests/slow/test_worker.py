"""Workers share the slots evenly, hand over in order, and end within seconds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from support.consuming import (
    assert_each_once,
    at,
    counting_groups,
    publish,
    running,
    until_caught_up,
)
from support.server import PrivateServer, short_dir
from support.stores import make_settings, open_store
from support.wait import until
from support.worker_process import STOP_TIMEOUT, worker_process

from eventstore.consuming.membership import Slot
from eventstore.errors import Diverged
from eventstore.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import redis

    from consumers.working.worker import Worker

# What is promised of a worker that is told to end.
EXIT_SECONDS = 5.0
REQUEST_SECONDS = 60.0


def owned(*workers: Worker) -> list[list[Slot]]:
    """Return the slots that each worker consumes."""
    return [
        [slot for slot, runner in worker.slots.items() if runner.status.owned] for worker in workers
    ]


def test_workers_share_the_slots_and_take_over_those_of_one_that_leaves(
    server: PrivateServer, namespace: str
) -> None:
    settings = make_settings(server, namespace, 4, lease_seconds=0.3)
    with open_store(server, namespace, 4) as store, running(settings) as first:
        until(lambda: len(owned(first)[0]) == 4, what="all slots")
        refs = {f"s{n}": publish(store, f"s{n}", 40) for n in range(8)}
        with running(settings) as second:
            until(lambda: [len(slots) for slots in owned(first, second)] == [2, 2])
            for session in refs:
                refs[session] += publish(store, session, 40)
            until_caught_up(store)
        until(lambda: len(owned(first)[0]) == 4, what="all slots again")
        for session, each in refs.items():
            assert_each_once(store, session, each + publish(store, session, 0))


def test_each_worker_serves_only_its_groups(server: PrivateServer, namespace: str) -> None:
    settings = make_settings(server, namespace, lease_seconds=0.3)
    a, b = counting_groups("a"), counting_groups("b")
    with (
        open_store(server, namespace) as store,
        running(settings, a) as first,
        running(settings, {**a, **b}) as second,
    ):
        until(lambda: owned(first, second) == [[Slot("a", 0)], [Slot("b", 0)]])
        publish(store, "s", 5)
        until_caught_up(store, "a")
        until_caught_up(store, "b")


def test_a_stopped_worker_leaves_no_lease_and_no_name(
    server: PrivateServer, namespace: str, redis_client: redis.Redis
) -> None:
    keys = Keys(namespace, 0)
    with running(make_settings(server, namespace)) as worker:
        until(lambda: owned(worker) == [[Slot("counting", 0)]])
        assert redis_client.exists(keys.lease("counting"), keys.workers) == 2
    assert redis_client.exists(keys.lease("counting"), keys.workers) == 0


def test_sigterm_finishes_the_batch_and_exits_0_in_time(
    server: PrivateServer, namespace: str, tmp_path: Path, redis_client: redis.Redis
) -> None:
    settings = make_settings(server, namespace)
    with open_store(server, namespace) as store, worker_process(settings, tmp_path) as worker:
        worker.hold()
        refs = publish(store, "s", 50)
        worker.until_holding()
        worker.process.terminate()
        worker.let_go()
        assert worker.process.wait(EXIT_SECONDS) == 0
        assert_each_once(store, "s", refs)
        keys = Keys(namespace, 0)
        assert redis_client.exists(keys.lease("counting"), keys.workers) == 0


@pytest.mark.parametrize("how", ["task", "thread"])
def test_sigterm_ends_a_worker_whose_handler_hangs(
    server: PrivateServer, namespace: str, tmp_path: Path, how: str
) -> None:
    settings = make_settings(server, namespace)
    with open_store(server, namespace) as store, worker_process(settings, tmp_path) as worker:
        worker.hold(how)
        refs = publish(store, "s", 50)
        worker.until_holding()
        assert worker.stop() == 0
        assert at(store).position == 0
        with running(settings):
            until_caught_up(store)
        assert_each_once(store, "s", refs)


def test_a_worker_waits_for_a_server_that_is_away(namespace: str) -> None:
    late = PrivateServer(short_dir())
    try:
        with running(make_settings(late, namespace)) as worker:
            until(lambda: worker.access.failure, what="a refused connection")
            late.start()
            with open_store(late, namespace) as store:
                refs = publish(store, "s", 20)
                until_caught_up(store)
                assert_each_once(store, "s", refs)
            assert worker.access.failure is None
    finally:
        late.close()


def test_a_worker_goes_on_when_its_server_was_killed_and_started_again(
    private_server: Callable[..., PrivateServer], namespace: str
) -> None:
    server = private_server("--appendonly", "yes", "--appendfsync", "always")
    refs = []
    with running(make_settings(server, namespace, lease_seconds=0.5)):
        for _ in range(3):
            with open_store(server, namespace) as store:
                refs += publish(store, "s", 120)
                server.kill()
                server.start()
        with open_store(server, namespace) as store:
            until_caught_up(store)
            assert_each_once(store, "s", refs)


def test_a_worker_does_not_go_on_with_a_server_that_lost_the_store(
    private_server: Callable[..., PrivateServer], namespace: str
) -> None:
    server = private_server()
    with running(make_settings(server, namespace)) as worker:
        with open_store(server, namespace) as store:
            publish(store, "s", 20)
            until_caught_up(store)
        server.restart()
        until(lambda: isinstance(worker.access.failure, Diverged), what="a loss that is seen")
        with server.client() as client:
            assert client.dbsize() == 0


@contextmanager
def work(
    server: PrivateServer, namespace: str, directory: Path, *arguments: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the work command as a user does."""
    environment = {
        **os.environ,
        "REDIS_URL": server.url,
        "EVENTSTORE_STORE__NAMESPACE": namespace,
        "EVENTSTORE_STORE__LEASE_SECONDS": "0.5",
        "EVENTSTORE_HOME": str(directory / "home"),
        "EVENTSTORE_METRICS__PORT": "0",
    }
    command = [sys.executable, "-m", "consumers", "work", *arguments]
    with (directory / "work.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_metrics_are_found_through_the_data_directory(
    server: PrivateServer, namespace: str, tmp_path: Path
) -> None:
    address = tmp_path / "home" / "metrics"
    with work(server, namespace, tmp_path, "--processes", "2") as process:
        until(address.exists, what="an address")
        url = address.read_text().strip()
        assert url.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(url, timeout=REQUEST_SECONDS) as response:
            assert b"eventstore_up 1.0" in response.read()
        process.terminate()
        assert process.wait(STOP_TIMEOUT) == 0
    assert not address.exists()


def children(process: subprocess.Popen[bytes]) -> set[int]:
    """Return the processes that a process started."""
    found = subprocess.run(
        ["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False
    )
    return {int(pid) for pid in found.stdout.split()}


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_processes_are_kept_alive_and_end_together(
    server: PrivateServer, namespace: str, tmp_path: Path, redis_client: redis.Redis
) -> None:
    workers = Keys(namespace, 0).workers
    with open_store(server, namespace) as store:
        publish(store, "s", 30)
        with work(server, namespace, tmp_path, "--processes", "2") as parent:
            until(lambda: redis_client.zcard(workers) == 2, what="two workers")
            first = children(parent)
            assert len(first) == 2
            victim = min(first)
            os.kill(victim, signal.SIGKILL)
            until(lambda: len(children(parent) - {victim}) == 2, what="a new worker")
            until_caught_up(store, "index")
            until_caught_up(store, "payloads")
            ending = children(parent)
            parent.terminate()
            assert parent.wait(STOP_TIMEOUT) == 0
        assert not any(is_alive(pid) for pid in ending)


def test_workers_end_when_their_parent_is_killed(
    server: PrivateServer, namespace: str, tmp_path: Path, redis_client: redis.Redis
) -> None:
    workers = Keys(namespace, 0).workers
    with work(server, namespace, tmp_path, "--processes", "2", "--only", "index") as parent:
        until(lambda: redis_client.zcard(workers) == 2, what="two workers")
        orphans = children(parent)
        parent.kill()
        parent.wait()
        until(lambda: not any(is_alive(pid) for pid in orphans), what="no worker left")
    assert redis_client.exists(workers) == 0


@pytest.mark.parametrize("arguments", [("--only", "nosuch"), ("--processes", "0")])
def test_wrong_arguments_are_said_and_end_with_2(
    server: PrivateServer, namespace: str, tmp_path: Path, arguments: tuple[str, str]
) -> None:
    with work(server, namespace, tmp_path, *arguments) as process:
        assert process.wait(STOP_TIMEOUT) == 2
    said = (tmp_path / "work.log").read_text()
    assert "nosuch" in said or "0 is below 1" in said


def test_another_partition_count_ends_the_worker_with_1(
    server: PrivateServer, namespace: str, tmp_path: Path
) -> None:
    with open_store(server, namespace, 4), work(server, namespace, tmp_path) as process:
        assert process.wait(STOP_TIMEOUT) == 1
    assert "WrongStore" in (tmp_path / "work.log").read_text()
