"""`projection rebuild` at the command line: what it says, in words, JSON and exit codes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from support.applying import apply_all
from support.consuming import publish
from support.rebuilding import Site, told
from support.terminal import Terminal

from consumers.ordered import MAX_BATCH
from consumers.rebuild.run import Stage
from projections.registry import projection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.server import PrivateServer


@pytest.fixture
def site(server: PrivateServer, namespace: str) -> Iterator[Site]:
    with told(server, namespace) as site:
        yield site


@pytest.fixture
def terminal(server: PrivateServer, namespace: str) -> Terminal:
    return Terminal(server, namespace, lease_seconds=0.3)


def test_a_rebuild_says_what_it_did(site: Site, terminal: Terminal) -> None:
    (done,) = terminal.json("projection", "rebuild", "timeline")
    (verified,) = terminal.json("projection", "verify", "timeline")
    assert done.pop("seconds") > 0
    assert done.pop("events_per_second") > 0
    assert done == {
        "projection": "timeline",
        "partition": 0,
        "generation": 2,
        "resumed": False,
        "events": site.head,
        "keys_dropped": verified["keys"],
        "position": site.head,
        "keys": verified["keys"],
        "rows": verified["rows"],
        "digest": verified["digest"],
        "equal": True,
        "keys_differing": 0,
    }
    shown = terminal.run("projection", "rebuild", "timeline").stdout
    assert "timeline" in shown
    assert "equal" in shown
    assert verified["digest"][:16] in shown


def test_no_rate_is_told_where_nothing_was_folded(site: Site, terminal: Terminal) -> None:
    site.cut_short(Stage.DROP)
    (done,) = terminal.json("projection", "rebuild", "index")
    assert (done["resumed"], done["events"], done["events_per_second"]) == (True, 0, None)


def test_a_terminal_is_shown_a_bar_of_each_stage(
    site: Site, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(site.store, "s0", MAX_BATCH + 1)
    apply_all(site.store, [projection("timeline")])
    monkeypatch.setenv("FORCE_COLOR", "1")
    shown = terminal.run("projection", "rebuild", "timeline").stderr
    for stage in Stage:
        assert f"partition 0: {stage.value}" in shown
    assert re.search(r"[0-9,]+ events/s", shown)
    as_document = terminal.run("projection", "rebuild", "evaluation", "--json").stderr
    assert "partition 0" not in as_document


def test_a_result_that_differs_is_a_finding(site: Site, terminal: Terminal) -> None:
    site.cut_short(Stage.DROP)
    site.client.hset(site.keys.projection(2).index("s0"), "f" * 32, "{}")
    (done,) = terminal.json("projection", "rebuild", "index", code=1)
    assert (done["equal"], done["keys_differing"]) == (False, 1)
    (done,) = terminal.json("projection", "rebuild", "index")
    assert (done["generation"], done["equal"]) == (3, True)


def test_giving_up_is_told(site: Site, terminal: Terminal) -> None:
    nothing = terminal.json("projection", "rebuild", "index", "--abort")
    assert nothing == {"projection": "index", "aborted": False, "keys_dropped": None}
    assert "unfinished" in terminal.run("projection", "rebuild", "index", "--abort").stdout
    site.cut_short(Stage.BUILD)
    said = terminal.json("projection", "rebuild", "index", "--abort")
    assert said == {"projection": "index", "aborted": True, "keys_dropped": len(site.written(1))}


def test_bad_input_is_refused(site: Site, terminal: Terminal) -> None:
    said = terminal.run("projection", "rebuild", "nonsense", code=2).stderr
    assert "there is no 'nonsense'; there are index, timeline" in said
    said = terminal.run("projection", "rebuild", "index", "--partition", "1", code=2).stderr
    assert "there are 1" in said
    assert site.generations() == [1]
