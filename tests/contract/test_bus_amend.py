"""Amendments: shown in place and at once, the original kept, on both forms of the bus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from eventstore import ArtifactNotFound, RefConflict
from eventstore.errors import InvalidEvent, InvalidInput, InvalidName
from eventstore.events import ArtifactAmended

if TYPE_CHECKING:
    from support.buses import BusUnderTest

    from eventstore.bus import EventBus

REF = "0123456789abcdef" * 2
AMENDED = "fedcba9876543210" * 2
HEADER = {"session_id": "s", "agent_id": "a", "type": "state"}


def publish(bus: EventBus, payload: object = "wrong", **header: Any) -> str:
    ref: str = bus.publish({**HEADER, **header}, payload).ref
    return ref


class TestShown:
    def test_get_shows_it_at_once_and_in_place(self, tested: BusUnderTest) -> None:
        bus = tested.bus
        ref = publish(bus, {"text": "wrong"}, meta={"tags": ["draft"], "n": 1})
        before, _ = bus.get(ref)
        with bus.bind(agent_id="editor"):
            row = bus.amend(ref, {"meta": {"tags": ["final"]}}, {"text": "right"}, reason="typo")
        header, payload = bus.get(ref)
        assert payload == {"text": "right"}
        assert header["meta"] == {"tags": ["final"]}
        assert header["amended"] == {
            "ref": row.ref,
            "by": "editor",
            "ts": tested.store.get(row.ref).event.ts,
            "position": row.position,
            "reason": "typo",
        }
        identity = ("ref", "session_id", "agent_id", "branch_id", "type", "ts", "step_idx", "seq")
        assert all(header[name] == before[name] for name in identity)

    def test_the_original_stays_readable(self, tested: BusUnderTest) -> None:
        ref = publish(tested.bus)
        before = tested.bus.get(ref)
        tested.bus.amend(ref, payload="right")
        assert tested.bus.get(ref, original=True) == before

    def test_every_read_shows_it_in_place(self, tested: BusUnderTest) -> None:
        bus = tested.bus
        refs = [publish(bus, n) for n in range(3)]
        tested.project()
        bus.amend(refs[1], {"status": "fixed"}, 10)
        tested.project()
        assert [payload for _, payload in bus.search("s", order="asc")] == [0, 10, 2]
        assert [payload for _, payload in bus.read_first_n("s", 2)] == [0, 10]
        history = bus.history("s")
        assert [payload for _, payload in history] == [0, 10, 2]
        assert [header["step_idx"] for header, _ in history] == [0, 1, 2]
        assert history[1].header["status"] == "fixed"
        shown = {**history[1].header}
        del shown["depth"]
        assert shown == bus.get(refs[1]).header

    def test_tags_are_found_as_they_are_now(self, tested: BusUnderTest) -> None:
        bus = tested.bus
        first = publish(bus, 1, meta={"tags": ["old", "both"]})
        publish(bus, 2, meta={"tags": ["old"]})
        tested.project()
        bus.amend(first, {"meta": {"tags": ["both", "new"]}})
        tested.project()

        def found(tag: str) -> list[Any]:
            return [payload for _, payload in bus.search("s", tag=tag, order="asc")]

        assert (found("old"), found("both"), found("new")) == ([2], [1], [1])
        assert found("state") == [1, 2]
        assert bus.search("s", tag="new", type="state", agent="a")[0].payload == 1

    def test_a_large_payload_and_one_of_another_form(self, tested: BusUnderTest) -> None:
        bus = tested.bus
        ref = publish(bus, {"n": 1})
        large = b"x" * 400_000
        bus.amend(ref, payload=large)
        tested.project()
        header, payload = bus.get(ref)
        assert (payload, header["mime"]) == (large, "application/octet-stream")
        assert bus.search("s")[0].payload == large
        bus.amend(ref, {"mime": "text/markdown"}, "# text")
        assert bus.get(ref).payload == "# text"
        assert bus.get(ref, original=True).payload == {"n": 1}

    def test_a_moment_shows_the_view_of_then(self, tested: BusUnderTest) -> None:
        bus = tested.bus
        ref = publish(bus, "a")
        for text in ("b", "c"):
            bus.amend(ref, payload=text)
        publish(bus, "z")
        tested.project()

        def shown(seq: int) -> list[Any]:
            return [payload for _, payload in bus.as_of("s", seq=seq)]

        assert [shown(seq) for seq in range(4)] == [["a"], ["b"], ["c"], ["c", "z"]]
        header = bus.as_of("s", seq=1)[0].header
        assert header["amended"]["position"] == 2
        assert header["depth"] == 0


class TestView:
    def test_what_is_not_given_stays(self, tested: BusUnderTest) -> None:
        bus = tested.bus
        ref = publish(bus, {"x": 1}, role="user", cost_usd=0.5, group_id="g", meta={"k": 1})
        bus.amend(ref, {"cost_usd": 0.25})
        header, payload = bus.get(ref)
        assert (header["role"], header["cost_usd"], header["group_id"]) == ("user", 0.25, "g")
        assert (header["meta"], payload) == ({"k": 1}, {"x": 1})

    def test_none_takes_a_field_away(self, tested: BusUnderTest) -> None:
        bus = tested.bus
        ref = publish(bus, 1, role="user", score=0.5, parent_refs=[REF], meta={"k": 1})
        bus.amend(ref, {"role": None, "score": None, "parent_refs": None, "meta": None})
        header, _ = bus.get(ref)
        assert "role" not in header
        assert "score" not in header
        assert (header["parent_refs"], header["meta"]) == ([], {})

    def test_a_new_payload_says_anew_what_is_lifted(self, tested: BusUnderTest) -> None:
        bus = tested.bus
        call = {"name": "f", "id": "1"}
        ref = publish(bus, call, type="tool_call", model="m")
        bus.amend(ref, payload={"name": "g"})
        header, _ = bus.get(ref)
        assert (header["tool_name"], header["model"]) == ("g", "m")
        assert "tool_call_id" not in header
        bus.amend(ref, {"tool_name": "h"}, {"name": "g", "id": "2"})
        header, _ = bus.get(ref)
        assert (header["tool_name"], header["tool_call_id"]) == ("h", "2")

    def test_two_at_once_lose_no_change(self, tested: BusUnderTest) -> None:
        ref = publish(tested.bus)
        tested.bus.amend(ref, {"status": "seen"})
        tested.bus.amend(ref, {"role": "user"})
        header, _ = tested.bus.get(ref)
        assert (header["status"], header["role"]) == ("seen", "user")
        events = [each.event for each in tested.store.read("s")]
        amendments = [event for event in events if isinstance(event, ArtifactAmended)]
        assert [event.previous for event in amendments] == [None, amendments[0].ref]


class TestRefused:
    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ({}, r"^header: changes nothing"),
            ({"header": {}}, r"^header: changes nothing"),
            ({"header": {"agent_id": "b"}}, r"^header\.agent_id: cannot be amended; mime, meta"),
            ({"header": {"type": "state"}}, r"^header\.type: cannot be amended"),
            ({"header": {"nonsense": 1}}, r"^header\.nonsense: cannot be amended"),
            ({"header": {"score": "high"}}, r"^header\.score: is a number"),
            ({"header": {"mime": None}}, r"^header\.mime: "),
            ({"header": {"mime": "text/plain"}}, r"^header\.mime: text/plain is not JSON"),
            ({"header": 3}, r"^header: a header is a mapping"),
            ({"payload": {"a": float("inf")}}, r"^payload\.a: "),
            ({"header": {"role": "x"}, "reason": 3}, r"^reason: is text"),
            ({"header": {"role": "x"}, "agent_id": ""}, r"^agent_id: "),
            ({"header": {"role": "x"}, "amendment_ref": "x"}, r"^ref: 'x' is not a ref"),
        ],
    )
    def test_a_wrong_argument_is_named(
        self, tested: BusUnderTest, arguments: dict[str, Any], said: str
    ) -> None:
        ref = publish(tested.bus, {"a": 1})
        with pytest.raises((InvalidEvent, InvalidInput, InvalidName), match=said):
            tested.bus.amend(ref, **arguments)
        assert tested.events == 1

    def test_only_artifacts_are_amended(self, tested: BusUnderTest) -> None:
        ref = publish(tested.bus)
        row = tested.bus.amend(ref, payload="right")
        with pytest.raises(InvalidInput, match=r"is an event of kind artifact\.amended"):
            tested.bus.amend(row.ref, payload="again")
        with pytest.raises(ArtifactNotFound):
            tested.bus.amend(REF, payload="x")
        with pytest.raises(InvalidEvent, match=r"^target: 'x' is not a ref"):
            tested.bus.amend("x", payload="x")


class TestRepeated:
    def test_a_repeated_call_is_one(self, tested: BusUnderTest) -> None:
        ref = publish(tested.bus)
        once = tested.bus.amend(ref, {"role": "user"}, "right", amendment_ref=AMENDED)
        tested.bus.amend(ref, {"role": "other"}, "later")
        again = tested.bus.amend(ref, {"role": "user"}, "right", amendment_ref=AMENDED)
        assert once == again
        assert tested.bus.get(ref).payload == "later"
        for header, payload in (({"role": "user"}, "else"), ({"role": "else"}, "right")):
            with pytest.raises(RefConflict):
                tested.bus.amend(ref, header, payload, amendment_ref=AMENDED)
        assert tested.events == 3


class TestScores:
    def test_aggregates_are_those_of_the_corrected_scores(self, tested: BusUnderTest) -> None:
        bus = tested.bus
        target = publish(bus)
        refs = [
            publish(bus, {"score": score, "target": target}, type="evaluation")
            for score in (0.1, 0.2, 0.7)
        ]
        tested.project()
        bus.amend(refs[0], payload={"score": 0.3, "target": target})
        tested.project()
        scores = bus.branches("s")[0]["scores"]
        assert scores["count"] == 3
        assert scores["sum"] == 0.0 + 0.3 + 0.2 + 0.7
        bus.amend(refs[1], {"score": None})
        tested.project()
        scores = bus.branches("s")[0]["scores"]
        assert (scores["count"], scores["unscored"], scores["sum"]) == (2, 1, 0.3 + 0.7)
        found = bus.evaluations_for(target)
        assert [(row["status"], row["score"]) for row in found] == [
            ("completed", 0.3),
            ("unscored", None),
            ("completed", 0.7),
        ]
        for ref in refs:
            bus.amend(ref, {"score": None, "target": None})
        tested.project()
        scores = bus.branches("s")[0]["scores"]
        assert (scores["count"], scores["mean"], scores["unscored"]) == (0, None, 3)
        assert bus.evaluations_for(target) == []
