"""Results and the calls that they answer: the nearest open one of the id, of a turn the first."""

from __future__ import annotations

from eventstore.tool_calls import OpenCall, OpenCalls, pairing_key


def call(ref: str, turn: str = "", name: str = "f") -> OpenCall:
    return OpenCall(turn or ref, ref, name)


def refs(calls: OpenCalls, *ids: str | None, name: str | None = None) -> list[str | None]:
    return [found and found.ref for found in (calls.take(each, name) for each in ids)]


def test_the_nearest_call_of_an_id_is_answered_once() -> None:
    calls = OpenCalls()
    for ref in ("a", "b", "c"):
        calls.add("1", call(ref))
    assert refs(calls, "1", "2", "1", "1", "1") == ["c", None, "b", "a", None]


def test_calls_of_one_turn_are_answered_in_order() -> None:
    calls = OpenCalls()
    calls.add("1", call("old"))
    for ref in ("a", "b"):
        calls.add("1", call(ref, turn="t"))
    assert refs(calls, "1", "1", "1") == ["a", "b", "old"]


def test_without_an_id_the_tool_counts() -> None:
    calls = OpenCalls()
    calls.add(None, call("a", name="f"))
    calls.add(None, call("b", name="g"))
    calls.add("1", call("c", name="f"))
    assert refs(calls, None, name="f") == ["a"]
    assert refs(calls, "", None, name="g") == ["b", None]
    assert refs(calls, None) == [None]
    assert pairing_key("", "f") == pairing_key(None, "f") != pairing_key("f", None)
