"""Finding artifacts again, on both forms of the bus, against filtering a list."""

from __future__ import annotations

import itertools
import random
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from support.buses import BusUnderTest
from support.stores import make_settings

from eventstore.errors import InvalidEvent, InvalidInput, InvalidName, NotCaughtUp
from eventstore.times import from_milliseconds, to_milliseconds

if TYPE_CHECKING:
    from support.server import PrivateServer

    from eventstore.bus import EventBus
    from eventstore.searching import Order

START = to_milliseconds("2026-01-01T00:00:00.000Z")
TYPES = ["state", "tool_call", "evaluation"]
AGENTS = ["planner", "a:b"]
BRANCHES = ["main", "x"]
TAGS = ["red", "state", "é: {1}"]


class Told(NamedTuple):
    """An artifact as it was published."""

    ref: str
    position: int
    at: int
    header: dict[str, Any]

    @property
    def tags(self) -> set[str]:
        return {self.header["type"], *self.header["meta"].get("tags", ())}


def tell(tested: BusUnderTest, count: int, seed: int = 1, session: str = "s") -> list[Told]:
    """Publish artifacts of all sorts, many of one millisecond, and project them."""
    rng = random.Random(seed)
    items = []
    for n in range(count):
        meta = {"tags": rng.sample(TAGS, rng.randrange(3))} if rng.random() < 0.7 else {}
        header: dict[str, Any] = {
            "session_id": session,
            "agent_id": rng.choice(AGENTS),
            "type": rng.choice(TYPES),
            "branch_id": rng.choice(BRANCHES),
            "ts": from_milliseconds(START + rng.randrange(6) * 1000),
            "meta": meta,
        }
        items.append((header, {"n": n}))
    rows = tested.bus.publish_many(items)
    tested.project()
    return [
        Told(row.ref, row.position, to_milliseconds(header["ts"]), header)
        for row, (header, _) in zip(rows, items, strict=True)
    ]


def wanted(told: list[Told], order: str = "desc", limit: int = 50, **filters: Any) -> list[str]:
    """Return the refs that a search must find, by looking at each."""
    since: str | None = filters.get("since")
    until: str | None = filters.get("until")
    found: list[Told] = [
        each
        for each in told
        if filters.get("tag") in (None, *each.tags)
        and filters.get("type") in (None, each.header["type"])
        and filters.get("agent") in (None, each.header["agent_id"])
        and filters.get("branch") in (None, each.header["branch_id"])
        and (since is None or each.at >= to_milliseconds(since))
        and (until is None or each.at < to_milliseconds(until))
    ]
    found.sort(key=lambda each: (each.at, each.position), reverse=order == "desc")
    return [each.ref for each in found[:limit]]


def refs(rows: list[Any]) -> list[str]:
    return [header["ref"] for header, _ in rows]


class TestFilters:
    def test_every_combination_of_filters(self, tested: BusUnderTest) -> None:
        told = tell(tested, 60)
        values: dict[str, list[Any]] = {
            "tag": [None, "red", "state", "é: {1}", "evaluation", "absent"],
            "type": [None, "tool_call", "absent"],
            "agent": [None, "a:b"],
            "branch": [None, "x"],
            "since": [None, from_milliseconds(START + 2000)],
            "until": [None, from_milliseconds(START + 4000)],
        }
        for chosen in itertools.product(*values.values()):
            named = dict(zip(values, chosen, strict=True))
            found = tested.bus.search("s", **named)
            assert refs(found) == wanted(told, **named), named

    def test_the_call_of_the_spec(self, tested: BusUnderTest) -> None:
        told = tell(tested, 60)
        results = tested.bus.search("s", tag="evaluation", since="2024-01-01T00:00:00Z", limit=50)
        assert refs(results) == wanted(told, tag="evaluation")
        assert results
        for header, payload in results:
            assert header["type"] == "evaluation"
            assert isinstance(payload["n"], int)

    def test_since_is_included_and_until_is_not(self, tested: BusUnderTest) -> None:
        told = tell(tested, 30)
        moment = from_milliseconds(START + 3000)
        at_moment = {each.ref for each in told if each.at == START + 3000}
        assert at_moment
        assert at_moment <= set(refs(tested.bus.search("s", since=moment)))
        assert not at_moment & set(refs(tested.bus.search("s", until=moment)))
        assert tested.bus.search("s", since=moment, until=moment) == []

    def test_a_moment_may_be_a_datetime(self, tested: BusUnderTest) -> None:
        told = tell(tested, 10)
        since = datetime.fromisoformat("2026-01-01T01:00:02+01:00")
        assert refs(tested.bus.search("s", since=since)) == wanted(
            told, since=from_milliseconds(START + 2000)
        )

    def test_sessions_are_apart(self, tested: BusUnderTest) -> None:
        tell(tested, 5, session="s")
        other = tell(tested, 5, seed=2, session="s:type:state")
        assert refs(tested.bus.search("s:type:state")) == wanted(other)
        assert tested.bus.search("nobody") == []


class TestOrderAndLimit:
    @pytest.mark.parametrize("order", ["asc", "desc"])
    @pytest.mark.parametrize("limit", [0, 1, 7, 50, 1000])
    def test_order_and_limit(self, tested: BusUnderTest, order: Any, limit: int) -> None:
        told = tell(tested, 60)
        every: list[dict[str, Any]] = [{}, {"tag": "red"}, {"tag": "red", "agent": "planner"}]
        for chosen in every:
            found = tested.bus.search("s", order=order, limit=limit, **chosen)
            assert refs(found) == wanted(told, order, limit, **chosen)

    def test_one_millisecond_keeps_the_order_of_the_log(self, tested: BusUnderTest) -> None:
        header = {"session_id": "s", "agent_id": "a", "type": "state", "ts": "2026-01-01T00:00:00Z"}
        # Refs that sort the other way round than they are appended.
        given = [f"{n:032x}" for n in range(20, 0, -1)]
        for ref in given:
            tested.bus.publish({**header, "ref": ref}, {})
        tested.project()
        assert refs(tested.bus.search("s", order="asc")) == given
        assert refs(tested.bus.search("s")) == given[::-1]

    def test_two_filters_over_many_pages(self, tested: BusUnderTest) -> None:
        told = tell(tested, 2600)
        orders: list[Order] = ["asc", "desc"]
        for order in orders:
            found = tested.bus.search("s", tag="red", branch="x", order=order, limit=2000)
            assert refs(found) == wanted(told, order, 2000, tag="red", branch="x")
        assert refs(tested.bus.search("s", limit=2600)) == wanted(told, limit=2600)


class TestReadN:
    @pytest.mark.parametrize("n", [0, 1, 5, 1000])
    def test_filters_come_before_the_cut(self, tested: BusUnderTest, n: int) -> None:
        told = tell(tested, 60)
        for chosen in ({}, {"type": "tool_call"}, {"type": "state", "agent": "a:b"}):
            oldest = wanted(told, "asc", 1000, **chosen)
            first = tested.bus.read_first_n("s", n, **chosen)
            last = tested.bus.read_last_n("s", n, **chosen)
            assert refs(first) == oldest[:n]
            assert refs(last) == oldest[max(0, len(oldest) - n) :]


class TestRefused:
    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ({"tag": ""}, "tag: a name cannot be empty"),
            ({"type": 5}, "type: a name is text"),
            ({"agent": "\ud800"}, "agent: .*surrogate"),
            ({"branch": ""}, "branch: a name cannot be empty"),
            ({"since": "2026-01-01T00:00:00"}, "since: .*no offset"),
            ({"until": "soon"}, "until: 'soon' is not an ISO-8601 time"),
            ({"limit": -1}, "limit: counts from 0, -1"),
            ({"limit": 2**53}, "limit: 9007199254740992 is more than there can be"),
            ({"limit": None}, "limit: a whole number, not NoneType"),
            ({"limit": 1.5}, "limit: a whole number, not float"),
            ({"order": "newest"}, 'order: "asc" or "desc"'),
        ],
    )
    def test_a_wrong_argument_is_named(
        self, bus: EventBus, arguments: dict[str, Any], said: str
    ) -> None:
        with pytest.raises((InvalidInput, InvalidName, InvalidEvent), match=f"^{said}"):
            bus.search("s", **arguments)

    @pytest.mark.parametrize("session", ["", None, 5])
    def test_a_session_is_a_name(self, bus: EventBus, session: Any) -> None:
        with pytest.raises(InvalidName, match=r"^session_id: "):
            bus.search(session)


class TestCatchingUp:
    def test_without_a_consumer_the_error_says_what_to_start(
        self, server: PrivateServer, namespace: str
    ) -> None:
        settings = make_settings(server, namespace, read_timeout=0.1)
        tested = BusUnderTest(settings, None)
        try:
            tested.bus.publish({"session_id": "s", "agent_id": "a", "type": "state"}, {})
            tested.bus.publish({"session_id": "s", "agent_id": "a", "type": "state"}, {})
            with pytest.raises(NotCaughtUp) as behind:
                tested.bus.search("s")
        finally:
            tested.close()
        error = behind.value
        assert (error.group, error.position, error.wanted) == ("timeline", 0, 2)
        assert "projection 'timeline' is at 0, 2 events short of 2" in str(error)
        assert "start one: `eventstore work`" in str(error)

    def test_a_reader_who_wrote_nothing_does_not_wait(
        self, server: PrivateServer, namespace: str
    ) -> None:
        settings = make_settings(server, namespace, read_timeout=0.1)
        writer, reader = BusUnderTest(settings, None), BusUnderTest(settings, None)
        try:
            writer.bus.publish({"session_id": "s", "agent_id": "a", "type": "state"}, {})
            assert reader.bus.search("s") == []
        finally:
            writer.close()
            reader.close()
