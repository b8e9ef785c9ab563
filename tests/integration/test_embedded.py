"""The life of an embedded store: opened, shared, left, killed, opened again."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from support.embedded import Sandbox, connect, is_running, kill
from support.wait import until

from eventstore.embedded.locks import is_shared
from eventstore.embedded.wire import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eventstore.embedded import Endpoint


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def write(endpoint: Endpoint, key: str) -> None:
    with connect(endpoint) as client:
        client.set(key, b"v")


def holds(endpoint: Endpoint, key: str) -> bool:
    with connect(endpoint) as client:
        return bool(client.get(key) == b"v")


def test_it_serves_one_user_over_one_socket_and_syncs_every_write(sandbox: Sandbox) -> None:
    with sandbox.store() as store, connect(store.ensure()) as client:
        wanted = {
            "port": "0",
            "appendonly": "yes",
            "appendfsync": "always",
            "no-appendfsync-on-rewrite": "no",
            "maxmemory-policy": "noeviction",
            "save": "",
        }
        assert {name: client.config_get(name)[name] for name in wanted} == wanted
        assert int(client.config_get("maxmemory")["maxmemory"]) > 0
        path = store.ensure().socket_path
        assert path.is_socket()
        assert path.stat().st_mode & 0o777 == 0o700


def test_a_second_client_shares_the_server(sandbox: Sandbox) -> None:
    with sandbox.store() as one, sandbox.store() as two:
        write(one.ensure(), "k")
        first = sandbox.server_pid(), sandbox.supervisor_pid()
        assert holds(two.ensure(), "k")
        assert (sandbox.server_pid(), sandbox.supervisor_pid()) == first


def test_threads_open_it_together(sandbox: Sandbox) -> None:
    store = sandbox.store()
    endpoints: list[Endpoint] = []
    threads = [threading.Thread(target=lambda: endpoints.append(store.ensure())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert endpoints == [store.ensure()] * 8
    sandbox.server_pid()
    store.release()
    assert not is_shared(sandbox.home.use_lock)


def test_it_ends_after_its_last_client_and_keeps_its_data(sandbox: Sandbox) -> None:
    with sandbox.store(linger=0.1) as one:
        with sandbox.store() as two:
            write(one.ensure(), "k")
            two.ensure()
        first = sandbox.server_pid()
        assert is_shared(sandbox.home.use_lock)
    sandbox.wait_until_over()
    assert not sandbox.status().socket_path.exists()
    with sandbox.store() as again:
        assert holds(again.ensure(), "k")
        assert sandbox.server_pid() != first


def test_a_client_that_was_killed_counts_as_gone(sandbox: Sandbox) -> None:
    script = (
        "import sys; from pathlib import Path; "
        "from eventstore.embedded import EmbeddedStore, open_home; "
        "EmbeddedStore(open_home(Path(sys.argv[1]))).ensure(); "
        "print('open', flush=True); sys.stdin.read()"
    )
    # The first client decides how the supervisor is run.
    with sandbox.store(linger=0.1) as store:
        store.ensure()
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(sandbox.home.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"open\n"
            store.release()
            assert is_shared(sandbox.home.use_lock)
            assert sandbox.status().supervisor.alive
            process.kill()
    sandbox.wait_until_over()


def test_a_client_that_comes_while_the_store_stops_gets_a_new_server(sandbox: Sandbox) -> None:
    # A worker that takes its time to end keeps the supervisor, and so the door, for a while.
    slow = ("sh", "-c", "trap 'sleep 1; exit 0' TERM; while :; do sleep 0.05; done")
    with sandbox.store(linger=0.1, worker=slow) as store:
        write(store.ensure(), "k")
        worker, supervisor, server = (
            sandbox.worker_pid(),
            sandbox.supervisor_pid(),
            sandbox.server_pid(),
        )
    until(lambda: "stopping the worker" in sandbox.home.supervisor_log.read_text())
    with sandbox.store() as store:
        assert holds(store.ensure(), "k")
        assert not is_running(worker)
        assert sandbox.supervisor_pid() != supervisor
        assert sandbox.server_pid() != server


def test_a_killed_server_is_started_again_and_clients_go_on(sandbox: Sandbox) -> None:
    with sandbox.store() as store:
        store.ensure()
        supervisor = sandbox.supervisor_pid()
        for round_ in range(3):
            endpoint = store.ensure()
            write(endpoint, f"k{round_}")
            server = sandbox.server_pid()
            kill(server)
            assert all(holds(store.ensure(), f"k{n}") for n in range(round_ + 1))
            assert sandbox.server_pid() != server
        assert sandbox.supervisor_pid() == supervisor


def test_a_server_whose_supervisor_was_killed_is_adopted(sandbox: Sandbox) -> None:
    with sandbox.store() as store:
        write(store.ensure(), "k")
        server, worker = sandbox.server_pid(), sandbox.worker_pid()
        kill(sandbox.supervisor_pid())
        status = sandbox.status()
        assert (status.orphan_server, status.orphan_worker) == (True, True)
        with sandbox.store() as newcomer:
            assert holds(newcomer.ensure(), "k")
            assert sandbox.server_pid() == server
            until(lambda: sandbox.status().worker.pid not in (None, worker), what="a new worker")
            assert not is_running(worker)


def test_an_adopted_server_is_looked_after_like_a_child(sandbox: Sandbox) -> None:
    with sandbox.store(linger=0.1) as store:
        write(store.ensure(), "k")
        kill(sandbox.supervisor_pid())
        store.ensure()
        adopted = sandbox.server_pid()
        kill(adopted)
        assert holds(store.ensure(), "k")
        assert sandbox.server_pid() != adopted
        kill(sandbox.supervisor_pid())
        store.ensure()
    sandbox.wait_until_over()


def test_with_supervisor_and_server_killed_both_are_started_anew(sandbox: Sandbox) -> None:
    with sandbox.store() as store:
        write(store.ensure(), "k")
        kill(sandbox.supervisor_pid())
        kill(sandbox.server_pid())
        until(lambda: sandbox.status().orphan_socket)
        assert holds(store.ensure(), "k")
        assert not sandbox.status().orphan_socket


def test_a_deep_directory_is_served_from_the_runtime_directory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Sandbox(below="d" * 120 + "/.eventstore") as sandbox:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(sandbox.directory))
        with sandbox.store() as store:
            endpoint = store.ensure()
            assert endpoint.socket_path.parent == sandbox.directory / "eventstore"
            write(endpoint, "k")
            monkeypatch.delenv("XDG_RUNTIME_DIR")
            with sandbox.store() as elsewhere:
                assert holds(elsewhere.ensure(), "k")


def test_two_supervisors_at_once_are_one(sandbox: Sandbox) -> None:
    with sandbox.up() as one, sandbox.up() as two:
        until(lambda: 0 in {one.poll(), two.poll()}, what="one of them to give way")
        loser, winner = (one, two) if one.poll() is not None else (two, one)
        assert loser.wait() == 0
        assert loser.stderr is not None
        assert f"has a supervisor already (pid {winner.pid})" in loser.stderr.read()
        sandbox.server_pid()
        winner.terminate()
        assert winner.wait() == 0


def test_a_supervisor_that_stays_outlives_its_clients_and_ends_when_asked(
    sandbox: Sandbox,
) -> None:
    with sandbox.up("--stay", "--linger", "0") as process:
        until(lambda: sandbox.status().answer is Answer.READY)
        with sandbox.store() as store:
            write(store.ensure(), "k")
        supervisor, worker = sandbox.supervisor_pid(), sandbox.worker_pid()
        assert (process.poll(), supervisor) == (None, process.pid)
        process.terminate()
        assert process.wait() == 0
        assert not is_running(worker)
        assert sandbox.server_pids() == []


def test_clients_of_a_store_that_was_stopped_start_it_again(sandbox: Sandbox) -> None:
    with sandbox.store() as store:
        write(store.ensure(), "k")
        sandbox.stop()
        assert not sandbox.status().server.alive
        assert holds(store.ensure(), "k")


def test_removing_the_directory_ends_everything(sandbox: Sandbox) -> None:
    with sandbox.store() as store:
        store.ensure()
        pids = [sandbox.server_pid(), sandbox.worker_pid(), sandbox.supervisor_pid()]
        sandbox.remove()
        until(lambda: not any(is_running(pid) for pid in pids))


def test_the_parent_of_a_fork_leaves_the_server_to_the_child(sandbox: Sandbox) -> None:
    script = """
import os, sys
from pathlib import Path
from eventstore.embedded import EmbeddedStore, open_home

store = EmbeddedStore(open_home(Path(sys.argv[1])))
store.ensure()
if os.fork() == 0:
    sys.stdin.read()
    print(store.ensure().socket_path, flush=True)
    os._exit(0)
store.release()
print("left", flush=True)
os._exit(0)
"""
    with sandbox.store(linger=0.1) as store:
        store.ensure()
        server = sandbox.server_pid()
        with subprocess.Popen(
            [sys.executable, "-c", script, str(sandbox.home.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as parent:
            assert parent.stdin is not None
            assert parent.stdout is not None
            assert parent.stdout.readline() == "left\n"
            store.release()
            parent.wait()
            assert is_shared(sandbox.home.use_lock)
            parent.stdin.close()
            assert parent.stdout.readline() == f"{sandbox.status().socket_path}\n"
            assert server == sandbox.server_pid()
    sandbox.wait_until_over()
