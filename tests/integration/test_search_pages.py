"""A search that walks an index in pages while the index grows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.buses import BusUnderTest
from support.stores import make_settings

from eventstore.flow import Batch
from eventstore.operations import Operations, filters

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.server import PrivateServer

    from eventstore.flow import Flow
    from eventstore.operations import Row

LIMIT = 120


def publish_thirds(tested: BusUnderTest, count: int) -> list[str]:
    """Publish artifacts of one millisecond, a third of them with both type and branch.

    Returns the refs of those that have both, in the order of the log.
    """
    common = {"session_id": "s", "agent_id": "a", "ts": "2026-01-01T00:00:00Z"}
    items: list[tuple[dict[str, Any], int]] = [
        (
            common
            | {"type": "state" if n % 3 else "metrics", "branch_id": "x" if n % 3 != 1 else "main"},
            n,
        )
        for n in range(count)
    ]
    rows = tested.bus.publish_many(items)
    tested.project()
    return [row.ref for n, row in enumerate(rows) if n % 3 == 2]


def after_first_page(flow: Flow[list[Row]], action: Callable[[], None]) -> Flow[list[Row]]:
    """Run a search, and `action` once the first page of its index has been read."""
    step, waiting = next(flow), True
    while True:
        result = yield step
        verbs = [each.verb for each in step.calls] if isinstance(step, Batch) else []
        if waiting and "ZREVRANGEBYSCORE" in verbs:
            action()
            waiting = False
        try:
            step = flow.send(result)
        except StopIteration as end:
            rows: list[Row] = end.value
            return rows


def test_a_late_event_between_two_pages_doubles_nothing(
    server: PrivateServer, namespace: str
) -> None:
    tested = BusUnderTest(make_settings(server, namespace), None)
    try:
        refs = publish_thirds(tested, 300)
        parts = tested.store.parts
        operations = Operations(parts.log, parts.appender, parts.payloads)
        search = operations.search("s", filters(type="state", branch="x"), "desc", LIMIT)
        late: list[str] = []

        def publish_late() -> None:
            late.extend(publish_thirds(tested, 9))

        rows = tested.store.runner.run(after_first_page(search, publish_late))
        assert len(late) == 3
        assert [header["ref"] for header, _ in rows] == refs[::-1][:LIMIT]
    finally:
        tested.close()
