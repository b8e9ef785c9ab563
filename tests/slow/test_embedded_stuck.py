"""Processes of a home that do not end when asked are ended all the same.

Slow because each is given its time to end in order first: 5 s a worker, 10 s a server, 20 s a
supervisor.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from support.embedded import Sandbox, connect, is_running, kill
from support.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator

STUBBORN_WORKER = ("sh", "-c", "trap '' TERM; sleep 1000 & while :; do wait; done")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def test_a_worker_that_ignores_the_signal_is_killed(sandbox: Sandbox) -> None:
    with sandbox.store(linger=0.1, worker=STUBBORN_WORKER) as store:
        store.ensure()
        worker = sandbox.worker_pid()
    sandbox.wait_until_over()
    assert not is_running(worker)


@pytest.mark.parametrize("supervised", [True, False])
def test_down_ends_a_frozen_server_and_loses_nothing(sandbox: Sandbox, supervised: bool) -> None:
    with sandbox.store() as store, connect(store.ensure()) as client:
        client.set("k", b"v")
        server = sandbox.server_pid()
        if not supervised:
            kill(sandbox.supervisor_pid())
    os.kill(server, signal.SIGSTOP)
    sandbox.stop()
    until(lambda: not is_running(server))
    with sandbox.store() as store, connect(store.ensure()) as client:
        assert client.get("k") == b"v"


def test_down_ends_a_frozen_supervisor_and_what_it_leaves(sandbox: Sandbox) -> None:
    with sandbox.store() as store:
        store.ensure()
        supervisor, server = sandbox.supervisor_pid(), sandbox.server_pid()
        worker = sandbox.worker_pid()
    os.kill(supervisor, signal.SIGSTOP)
    sandbox.stop()
    until(lambda: not any(is_running(pid) for pid in (supervisor, server, worker)))
