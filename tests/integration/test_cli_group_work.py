"""`eventstore group` beside work and parked events: lag of work, and what a reset gives again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.competing import take as take_work
from support.consuming import publish
from support.parking import missing, park_given, parked_of, trying
from support.stores import make_settings
from support.subscribing import take
from support.terminal import Terminal

from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.server import PrivateServer

    from eventstore.settings import AppSettings


@pytest.fixture
def terminal(server: PrivateServer, namespace: str) -> Terminal:
    return Terminal(server, namespace, 2, lease_seconds=0.3)


@pytest.fixture
def settings(server: PrivateServer, namespace: str) -> AppSettings:
    return make_settings(server, namespace, 2, lease_seconds=0.3)


@pytest.fixture
def store(settings: AppSettings) -> Iterator[EventStore]:
    with EventStore(settings) as opened:
        yield opened


def test_work_has_a_lag_like_any_group(store: EventStore, terminal: Terminal) -> None:
    publish(store, "s", 8)
    partition = store.parts.log.keys_of("s").partition
    take_work(store.compete(group="judges", in_flight=8), 3, lambda item: item.ack())

    def place() -> dict[str, Any]:
        listed = terminal.json("group", "list")
        [found] = [r for r in listed if (r["group"], r["partition"]) == ("judges", partition)]
        return dict(found)

    before = place()
    assert (before["kind"], before["position"], before["head"]) == ("work", 8, 8)
    assert (before["lag_events"], before["pending"]) == (0, 5)
    publish(store, "s", 4)
    after = place()
    assert (after["position"], after["head"], after["lag_events"]) == (8, 12, 4)
    assert after["lag_seconds"] >= 0


def test_what_is_given_again_is_parked_no_more(
    settings: AppSettings, store: EventStore, terminal: Terminal
) -> None:
    refs = publish(store, "s", 4)
    partition = store.parts.log.keys_of("s").partition
    with EventStore(trying(settings, 1)) as trying_once:
        park_given(trying_once, "mailer")
    where = ("--partition", str(partition), "--yes")
    terminal.json("group", "reset", "mailer", "--to", "2", *where)
    assert [item.ref for item in parked_of(store, "mailer", partition)] == refs[:2]
    assert missing(store, "s") == {"mailer": 2}
    with store.subscribe(group="mailer") as events:
        assert [event.ref for event in take(events, 2)] == refs[2:]
        assert events.commit()
    terminal.json("group", "reset", "mailer", "--to", "end", "--yes")
    assert [item.ref for item in parked_of(store, "mailer", partition)] == refs[:2]
