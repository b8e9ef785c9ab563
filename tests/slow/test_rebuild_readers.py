"""No reader ever sees a mixture of generations, nor one that is not whole."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from support.applying import apply_all
from support.consuming import publish
from support.rebuilding import Site, Stamped, stamps, told

from eventstore.bus import EventBus
from eventstore.flow import Batch
from eventstore.views import Views
from projections.registry import projection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.server import PrivateServer

    from consumers.rebuild.run import Rebuilt
    from eventstore.flow import Flow, Step

STAMPED = Stamped()
SWITCHES = 25
EVENTS = 30


@pytest.fixture
def site(server: PrivateServer, namespace: str) -> Iterator[Site]:
    with told(server, namespace, sessions=0) as site:
        publish(site.store, "s", EVENTS)
        apply_all(site.store, [STAMPED])
        yield site


class Reader:
    """Reads in a thread, again and again, what must always be of one generation and whole."""

    def __init__(self, read: Callable[[], object]) -> None:
        self.seen: list[object] = []
        self._read = read
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self.seen.append(self._read())


def read_stamps(site: Site, views: Views, between: int) -> tuple[bytes, ...]:
    """Return what both keys of a query say: generation and count, of each."""
    first, *_, second = site.store.reading(
        partial(views.query, "stamped", site.keys, stamps("s", between))
    )
    return (*first, *second)


def test_readers_of_two_keys_see_one_generation_over_many_switches(site: Site) -> None:
    """One reader asks briefly, one for so much that other commands run in the middle of it."""
    log = site.store.parts.log
    readers = [Reader(partial(read_stamps, site, Views(log), between)) for between in (0, 0, 2000)]
    with readers[0], readers[1], readers[2]:
        for _ in range(SWITCHES):
            (done,) = site.rebuild(STAMPED)
            assert done.verified.is_equal
    count = b"%d" % EVENTS
    whole = {
        (prefix, count, prefix, count)
        for generation in range(1, SWITCHES + 2)
        for prefix in [site.keys.projection(generation).prefix.encode()]
    }
    for reader in readers:
        assert set(reader.seen) <= whole
        assert len(set(reader.seen)) > SWITCHES // 3


def test_searches_over_many_switches_always_answer_the_same(
    server: PrivateServer, namespace: str
) -> None:
    with told(server, namespace) as site, EventBus(site.store) as bus:
        searches: list[Callable[[], object]] = [
            lambda: bus.search("s0", tag="t:1", type="tool_call"),
            lambda: bus.history("s0", "b:1"),
        ]
        expected = [search() for search in searches]
        readers = [Reader(search) for search in searches]
        with readers[0], readers[1]:
            for name in ("timeline", "branch", "index") * 4:
                assert site.rebuild(projection(name))
        for reader, rows in zip(readers, expected, strict=True):
            assert reader.seen
            assert all(seen == rows for seen in reader.seen)


def perform_one_by_one(site: Site, flow: Flow[Any], before: Callable[[int], object]) -> Any:
    """Run a flow with every command of a round trip sent by itself; count them to `before`."""
    count, result = 0, None

    def one(step: Step) -> Flow[Any]:
        return (yield step)

    try:
        step = next(flow)
        while True:
            calls = step.calls if isinstance(step, Batch) else (step,)
            results = []
            for each in calls:
                before(count)
                count += 1
                results.append(site.store.reading(partial(one, each)))
            result = results if isinstance(step, Batch) else results[0]
            step = flow.send(result)
    except StopIteration as end:
        return end.value


@pytest.mark.parametrize("moment", range(5))
def test_a_switch_and_drop_in_the_middle_of_a_query_is_noticed(site: Site, moment: int) -> None:
    """A query is two looks at the checkpoint and what is asked between them."""

    def switch(count: int) -> None:
        if count == moment:
            site.rebuild(STAMPED)

    query = Views(site.store.parts.log).query("stamped", site.keys, stamps("s"))
    first, second = perform_one_by_one(site, query, switch)
    assert first == second
    assert first[1] == b"%d" % EVENTS


def test_several_queries_of_one_read_see_one_generation(site: Site) -> None:
    views = Views(site.store.parts.log)
    rebuilt: list[Rebuilt] = []

    def twice() -> Flow[list[Any]]:
        one = yield from views.query("stamped", site.keys, stamps("s"))
        if not rebuilt:
            rebuilt.extend(site.rebuild(STAMPED))
        other = yield from views.query("stamped", site.keys, stamps("s"))
        return [*one, *other]

    found = site.store.runner.run(views.settled(site.keys, twice))
    assert len(rebuilt) == 1
    assert [each == found[0] for each in found] == [True] * 4
