"""Prunings that others overtake, that are many, and as commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.applying import apply_all
from support.consuming import publish
from support.interleaving import before_appends
from support.stores import open_store
from support.terminal import Terminal

from eventstore.branch_views import BranchViews
from eventstore.bus import EventBus
from eventstore.events import BranchPruned
from eventstore.operations import Operations
from eventstore.prune_rule import PruneRule
from eventstore.pruning import Pruning
from eventstore.state_errors import BranchInUse
from projections.registry import PROJECTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.server import PrivateServer

    from eventstore.store import EventStore


@pytest.fixture
def store(server: PrivateServer, namespace: str) -> Iterator[EventStore]:
    with open_store(server, namespace) as opened:
        yield opened


def overtaken(store: EventStore, act: Callable[[], object]) -> None:
    """Prune branch "a", while somebody acts between its decision and its append."""
    parts = store.parts
    operations = Operations(parts.log, parts.appender, parts.payloads)
    pruning = Pruning(operations, BranchViews(operations))

    def act_and_project() -> None:
        act()
        apply_all(store, PROJECTIONS)

    apply_all(store, PROJECTIONS)
    flow = pruning.prune("s", PruneRule(branches=("a",)), None, None, False)
    store.runner.run(before_appends(flow, [act_and_project]))


def test_who_comes_between_is_seen(store: EventStore) -> None:
    publish(store, "s", 3)
    bus = EventBus(store)
    bus.fork("s", at=1, name="a")
    with pytest.raises(BranchInUse, match="'b' comes from it"):
        overtaken(store, lambda: bus.fork("s", at=1, name="b", parent="a"))
    apply_all(store, PROJECTIONS)
    bus.prune("s", "b")
    with pytest.raises(BranchInUse, match="checked out by 'somebody new'"):
        overtaken(store, lambda: bus.checkout("s", "a", agent_id="somebody new"))
    bus.checkout("s", "main", agent_id="somebody new")
    overtaken(store, lambda: publish(store, "s", 1))
    pruned = [e.event for e in store.read("s") if isinstance(e.event, BranchPruned)]
    assert [event.branch_id for event in pruned] == ["b", "a"]


@pytest.fixture
def terminal(server: PrivateServer, namespace: str) -> Iterator[Terminal]:
    with Terminal(server, namespace).working() as working:
        yield working


def test_as_commands(terminal: Terminal) -> None:
    for payload in ("1", "2"):
        terminal.run("artifact", "publish", "s", payload)
    for name in ("b\x1b[31m", "c"):
        terminal.run("branch", "fork", "s", "--at", "0", "--name", name)
    dry = terminal.run("branch", "prune", "s", "--shorter-than", "2", "--dry-run").stdout
    assert "2 would be pruned, 0 kept" in dry
    assert "\x1b" not in dry
    found = terminal.json("branch", "prune", "s", "c", "--agent", "critic", "--reason", "dull")
    assert found["dry_run"] is False
    (row,) = found["branches"]
    assert (row["branch_id"], row["pruned"], row["kept"], row["length"]) == ("c", True, None, 1)
    assert [row["branch_id"] for row in terminal.json("branch", "list", "s")] == [
        "main",
        "b\x1b[31m",
    ]
    shown = terminal.run("branch", "list", "s")
    assert "1 pruned; --all shows them" in shown.stderr
    assert "by critic" in terminal.run("branch", "list", "s", "--all").stdout
    terminal.run("branch", "prune", "s", "main", code=4)
    terminal.run("branch", "prune", "s", "nobranch", code=1)
    terminal.run("branch", "prune", "s", code=2)
    none = terminal.run("branch", "prune", "s", "--created-before", "1d", "--below", "0.5").stdout
    assert "0 pruned, 0 kept" in none
    changed = terminal.json("branch", "unprune", "s", "c")
    assert changed == {"session_id": "s", "branch_id": "c", "changed": True}
    assert "is listed already" in terminal.run("branch", "unprune", "s", "c").stderr
