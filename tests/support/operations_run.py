"""Running the operations machine on a store of its own, and checking that store afterwards."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import run_state_machine_as_test
from support.checker import Store, check_store
from support.operations_clients import configured, finish, operating
from support.operations_machine import AGENTS
from support.operations_sessions import SessionsMachine

from consumers.checking.log_verify import verify_log
from eventstore.settings import AppSettings

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from support.server import PrivateServer

PARTITIONS = 2


def run_operations(
    server: PrivateServer,
    namespace: str,
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    examples: int,
    steps: int,
) -> tuple[int, int]:
    """Run the machine; return how many steps were taken, and what was refused among them."""
    with configured(AGENTS[0], directory, monkeypatch):
        return _run(server, namespace, directory / "payloads", examples=examples, steps=steps)


def _run(
    server: PrivateServer, namespace: str, root: Path, *, examples: int, steps: int
) -> tuple[int, int]:
    settings = AppSettings(
        mode="test",
        redis={"url": server.url},
        store={"namespace": namespace, "partitions": PARTITIONS, "read_timeout": 60.0},
        payloads={"url": root.as_uri()},
    )
    with operating(settings) as clients:

        class OnServer(SessionsMachine):
            opened = clients

        run_state_machine_as_test(
            OnServer,
            settings=hypothesis_settings(max_examples=examples, stateful_step_count=steps),
        )
        store = clients[0].store
        finish(settings, store)
        for partition in range(PARTITIONS):
            store.reading(partial(verify_log, store.parts.log, partition))
        with server.client() as client:
            problems = check_store(Store(client, namespace, PARTITIONS, root))
        assert not problems, problems
        return OnServer.steps, OnServer.refusals
