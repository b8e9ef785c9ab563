"""A reply that is lost on its way: what was done is neither lost nor done twice."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from support.consuming import (
    assert_each_once,
    at,
    drafts,
    publish,
    running,
    until_caught_up,
)
from support.proxy import LossyProxy
from support.stores import make_settings, open_store
from support.wait import until

from eventstore.consuming.membership import Slot
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.server import PrivateServer


@pytest.fixture
def proxy(server: PrivateServer) -> Iterator[LossyProxy]:
    with LossyProxy(server.socket_path) as proxy:
        yield proxy


@pytest.mark.parametrize("nth", [1, 2, 4])
def test_an_apply_whose_reply_is_lost_takes_effect_once(
    server: PrivateServer, namespace: str, proxy: LossyProxy, nth: int
) -> None:
    settings = proxy.settings(make_settings(server, namespace, lease_seconds=1))
    with open_store(server, namespace) as store:
        refs = publish(store, "s", 1700)
        proxy.lose_reply("apply", nth)
        with running(settings) as worker:
            until_caught_up(store)
            refs += publish(store, "s", 30)
            until_caught_up(store)
            failures = worker.slots[Slot("counting", 0)].status.total_failures
        assert proxy.lost == 1
        assert failures == 1
        assert_each_once(store, "s", refs)


def _has_lost(proxy: LossyProxy, count: int) -> bool:
    return proxy.lost >= count


@pytest.mark.parametrize("script", ["lease", "heartbeat"])
def test_a_worker_gets_over_lost_replies_to_its_own_calls(
    server: PrivateServer, namespace: str, proxy: LossyProxy, script: str
) -> None:
    settings = proxy.settings(make_settings(server, namespace, lease_seconds=0.1))
    with open_store(server, namespace) as store:
        refs = publish(store, "s", 10)
        for nth in (1, 2):
            before = proxy.lost
            proxy.lose_reply(script, nth)
            with running(settings):
                refs += publish(store, "s", 10)
                until_caught_up(store)
                until(partial(_has_lost, proxy, before + 1), what=f"a lost reply of {script}")
                refs += publish(store, "s", 10)
                until_caught_up(store)
        assert_each_once(store, "s", refs)


def test_an_append_whose_reply_is_lost_is_one_event_with_the_same_answer(
    server: PrivateServer, namespace: str, proxy: LossyProxy
) -> None:
    settings = make_settings(server, namespace)
    with EventStore(proxy.settings(settings)) as producer, open_store(server, namespace) as store:
        items = drafts("s", 3)
        proxy.lose_reply("append")
        # The call re-sent finds its own success before its expectation fails.
        rows = producer.append("s", items, expect={"branch:main": 0})
        assert proxy.lost == 1
        assert [row.position for row in rows] == [1, 2, 3]
        assert [row.ref for row in rows] == [item.event.ref for item in items]
        assert [each.event.ref for each in store.read("s")] == [item.event.ref for item in items]
        assert producer.append("s", items) == rows
        assert [head.position for head in store.head()] == [3]
        assert at(store).position == 0
