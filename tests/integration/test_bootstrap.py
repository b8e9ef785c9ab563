"""The start of a process: each thing once, in order, whoever asks, and again after a failure."""

from __future__ import annotations

import importlib
import multiprocessing
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from eventstore import (
    get_bus,
    get_redis,
    reset_bus,
    reset_settings,
    run_once_global_init,
)
from eventstore.bootstrap import Step, _Bootstrap
from eventstore.errors import InvalidInput, SettingsError
from eventstore.logs import reset_logging
from eventstore.settings import AppSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.server import PrivateServer

JUDGES = "from app_journal import did\ndid('judges')\n"
TOOLS = "from app_journal import did\ndid('tools')\n"
SERVICES = """
from app_journal import did, failures
class Pool:
    @staticmethod
    def start():
        did('pool')
def ledger():
    if failures:
        raise ConnectionError(failures.pop())
    did('ledger')
"""
JOURNAL = "done = []\nfailures = []\ndid = done.append\n"
MODULES = {
    "app_journal": JOURNAL,
    "app_judges": JUDGES,
    "app_tools": TOOLS,
    "app_services": SERVICES,
}


@pytest.fixture
def application(
    server: PrivateServer, namespace: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Any]:
    """An application's modules and settings; yields the module that notes what was done."""
    for name, source in MODULES.items():
        (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("REDIS_URL", server.url)
    monkeypatch.setenv("EVENTSTORE_STORE__NAMESPACE", namespace)
    monkeypatch.setenv("EVENTSTORE_PAYLOADS__URL", f"memory://{namespace}")
    monkeypatch.setenv("EVENTSTORE_LOGGING__LOG_DIR", str(tmp_path / "logs"))
    monkeypatch.setenv("EVENTSTORE_BOOTSTRAP__EVALUATORS", "app_judges")
    monkeypatch.setenv("EVENTSTORE_BOOTSTRAP__TOOLS", '["app_tools"]')
    monkeypatch.setenv(
        "EVENTSTORE_BOOTSTRAP__SERVICES", "app_services:Pool.start,app_services:ledger"
    )
    reset_settings()
    yield importlib.import_module("app_journal")
    reset_bus()
    reset_settings()
    reset_logging()
    for name in MODULES:
        sys.modules.pop(name, None)


def test_all_steps_are_done_in_order(application: Any, server: PrivateServer) -> None:
    done = _Bootstrap().run(None)
    assert application.done == ["judges", "tools", "pool", "ledger"]
    assert [step.step for step in done] == [
        *("evaluators", "tools", "services", "services", "event_loop", "bus")
    ]
    assert done[0] == Step("evaluators", "app_judges")
    assert get_bus().redis.ping()


def test_threads_at_once_do_it_once_and_all_wait_for_it(application: Any) -> None:
    bootstrap = _Bootstrap()
    start = threading.Barrier(8)

    def ask(_: int) -> tuple[Step, ...]:
        start.wait()
        return bootstrap.run(None)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(8)))
    assert application.done == ["judges", "tools", "pool", "ledger"]
    assert len(set(answers)) == 1
    assert len(answers[0]) == 6


def test_what_failed_is_named_and_tried_again_and_the_rest_is_not(application: Any) -> None:
    application.failures.append("the ledger is away")
    bootstrap = _Bootstrap()
    with pytest.raises(ConnectionError, match="the ledger is away") as caught:
        bootstrap.run(None)
    assert caught.value.__notes__ == ["while starting this process: services app_services:ledger"]
    assert application.done == ["judges", "tools", "pool"]
    assert bootstrap.run(None)[-1].step == "bus"
    assert application.done == ["judges", "tools", "pool", "ledger"]


def test_a_bus_that_cannot_be_made_is_named(
    application: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTSTORE_PAYLOADS__URL", "nowhere:///payloads")
    reset_settings()
    with pytest.raises(SettingsError, match="nowhere") as caught:
        _Bootstrap().run(None)
    assert caught.value.__notes__ == ["while starting this process: bus get_bus"]
    assert application.done == ["judges", "tools", "pool", "ledger"]


def test_a_service_that_calls_it_is_an_error_and_no_deadlock(
    application: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTSTORE_BOOTSTRAP__SERVICES", "eventstore:run_once_global_init")
    reset_settings()
    with pytest.raises(InvalidInput, match="itself"):
        run_once_global_init()
    monkeypatch.setenv("EVENTSTORE_BOOTSTRAP__SERVICES", "app_services:ledger")
    reset_settings()
    assert run_once_global_init() == run_once_global_init()
    assert application.done == ["judges", "tools", "ledger"]


def _in_worker(results: Any) -> None:
    steps = run_once_global_init(worker="w1")
    results.put(([step.step for step in steps], get_redis().client_id()))


# Forking beside threads is what is tested here.
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_worker_starts_with_its_own_connections_and_log_alone(
    application: Any, tmp_path: Path
) -> None:
    _Bootstrap().run(None)
    parents = get_redis().client_id()
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    child = context.Process(target=_in_worker, args=(results,))
    child.start()
    steps, clients = results.get(timeout=60)
    child.join(60)
    assert child.exitcode == 0
    assert steps == ["bus"]
    assert clients != parents
    assert get_redis().client_id() == parents


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tools", "no module"),
        ("tools", "a:b"),
        ("evaluators", ["a."]),
        ("evaluators", "[1"),
        ("services", "a.b"),
        ("services", ["a:"]),
    ],
)
def test_names_that_name_nothing_are_refused(field: str, value: Any) -> None:
    with pytest.raises(SettingsError, match=f"bootstrap.{field}"):
        AppSettings(bootstrap={field: value})
