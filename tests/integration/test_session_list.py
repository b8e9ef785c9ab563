"""Lists of sessions: the latest in order, and all of them, whatever is appended meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.consuming import publish
from support.stores import open_store

from eventstore.session_list import all_sessions, latest_sessions, session_total

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.server import PrivateServer

    from eventstore.flow import Flow

SESSIONS = 2500  # several pages of the walk


def interleaved(flow: Flow[list[str]], act: Callable[[], None]) -> Flow[list[str]]:
    """Pass a flow's steps on, and act before it has each answer."""
    step = next(flow)
    while True:
        answer = yield step
        act()
        try:
            step = flow.send(answer)
        except StopIteration as end:
            found: list[str] = end.value
            return found


@pytest.mark.parametrize("partitions", [1, 4])
def test_no_session_is_missed_while_their_order_changes(
    server: PrivateServer, namespace: str, partitions: int
) -> None:
    names = [f"s{number:04}" for number in range(SESSIONS)]
    with open_store(server, namespace, partitions) as store:
        for name in names:
            publish(store, name, 1)
        busy = iter(names)

        def append_to_some() -> None:
            for _ in range(20):
                publish(store, next(busy), 1)

        walk = interleaved(all_sessions(store.parts.log), append_to_some)
        assert store.runner.run(walk) == names
        assert store.reading(lambda: session_total(store.parts.log)) == SESSIONS


@pytest.mark.parametrize("partitions", [1, 4])
def test_the_latest_are_first_and_counted(
    server: PrivateServer, namespace: str, partitions: int
) -> None:
    with open_store(server, namespace, partitions) as store:
        log = store.parts.log
        for number in range(6):
            publish(store, f"s{number}", number + 1)
        every = store.reading(lambda: latest_sessions(log, 10))
        assert {row.session_id: row.events for row in every} == {f"s{n}": n + 1 for n in range(6)}
        times = [row.last_append for row in every]
        assert times == sorted(times, reverse=True)
        assert store.reading(lambda: latest_sessions(log, 2)) == every[:2]
        assert store.reading(lambda: latest_sessions(log, 0)) == []


def test_an_empty_store_has_none(server: PrivateServer, namespace: str) -> None:
    with open_store(server, namespace) as store:
        log = store.parts.log
        assert store.reading(lambda: all_sessions(log)) == []
        assert store.reading(lambda: latest_sessions(log, 5)) == []
        assert store.reading(lambda: session_total(log)) == 0
