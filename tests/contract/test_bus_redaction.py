"""The redaction hook, on both forms of the bus: before the digest, or nothing is written."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from support.buses import BusUnderTest
from support.redacting import Hook, held_by
from support.stores import make_settings

from eventstore import redact_keys_and_emails
from eventstore.errors import InvalidEvent, RedactionFailed, RefConflict

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis
    from support.server import PrivateServer

LEAST: dict[str, Any] = {"session_id": "s", "agent_id": "a", "type": "state"}
REF = "0123456789abcdef" * 2
SECRET = "hunter2-hunter2"


@pytest.fixture
def hook() -> Hook:
    return Hook()


@pytest.fixture(params=["blocking", "asyncio"])
def tested(
    request: pytest.FixtureRequest, server: PrivateServer, namespace: str, hook: Hook
) -> Iterator[BusUnderTest]:
    portal = request.getfixturevalue("portal") if request.param == "asyncio" else None
    under_test = BusUnderTest(make_settings(server, namespace), portal, hook)
    try:
        yield under_test
    finally:
        under_test.close()


def test_what_the_hook_returns_is_published(tested: BusUnderTest, hook: Hook) -> None:
    hook.does = lambda header, payload: (
        {**header, "meta": {"said": len(payload)}, "tool_name": "t"},
        {"text": "***"},
    )
    header, payload = tested.bus.get(tested.bus.publish(LEAST, SECRET).ref)
    assert payload == {"text": "***"}
    assert (header["meta"], header["tool_name"]) == ({"said": len(SECRET)}, "t")
    assert header["mime"] == "application/json"


def test_what_is_lifted_is_lifted_from_what_is_kept(tested: BusUnderTest, hook: Hook) -> None:
    hook.does = lambda header, _: (header, {"name": "masked"})
    given = {**LEAST, "type": "tool_call"}
    header, _ = tested.bus.get(tested.bus.publish(given, {"name": SECRET}).ref)
    assert header["tool_name"] == "masked"


def test_a_repeated_call_is_the_same_event(tested: BusUnderTest, hook: Hook) -> None:
    hook.does = redact_keys_and_emails
    given = {**LEAST, "ref": REF}
    first = tested.bus.publish(given, {"password": SECRET})
    assert tested.bus.publish(given, {"password": SECRET}) == first
    # Also one that differs in nothing but what is not kept.
    assert tested.bus.publish(given, {"password": "another"}) == first
    with pytest.raises(RefConflict):
        tested.bus.publish(given, {"password": SECRET, "n": 1})
    assert tested.events == 1


def test_the_callers_objects_are_as_they_were(tested: BusUnderTest, hook: Hook) -> None:
    def spoil(header: dict[str, Any], payload: Any) -> Any:
        header["meta"]["tags"].append("spoilt")
        payload["parts"][0]["text"] = "spoilt"
        payload["bytes"] = "spoilt"
        header["agent_id"] = "spoilt"
        return header, payload

    hook.does = spoil
    header = {**LEAST, "meta": {"tags": ["t"]}}
    payload = {"parts": ({"text": "said"},)}
    before = copy.deepcopy((header, payload))
    ref = tested.bus.publish(header, payload).ref
    assert (header, payload) == before
    found = tested.bus.get(ref)
    assert found.payload == {"parts": [{"text": "spoilt"}], "bytes": "spoilt"}
    assert (found.header["agent_id"], found.header["meta"]) == ("spoilt", {"tags": ["t", "spoilt"]})


def boom(header: dict[str, Any], payload: Any) -> Any:
    raise KeyError(payload)


async def later(header: dict[str, Any], payload: Any) -> Any:
    return header, payload


@pytest.mark.parametrize(
    ("does", "said"),
    [
        (boom, "raised KeyError"),
        (lambda _header, _payload: None, "returned NoneType, and not a pair"),
        (lambda header, _: header, "returned dict, and not a pair"),
        (lambda header, payload: (header, payload, 1), "returned tuple, and not a pair"),
        (lambda _, payload: (None, payload), "returned tuple, and not a pair"),
        (later, "returned coroutine, and not a pair"),
        (lambda header, payload: ({**header, "ref": "f" * 32}, payload), "changed the ref"),
    ],
)
def test_a_hook_that_fails_refuses_the_append(
    tested: BusUnderTest, hook: Hook, does: Any, said: str
) -> None:
    hook.does = does
    with pytest.raises(RedactionFailed, match=f"^redact: the hook {said}") as refused:
        tested.bus.publish({**LEAST, "ref": REF}, SECRET)
    assert SECRET not in str(refused.value)
    hook.does = lambda header, payload: (header, payload) if payload == 1 else does(header, payload)
    with pytest.raises(RedactionFailed, match=r"^items\[1\]\.redact: the hook "):
        tested.bus.publish_many([(LEAST, 1), ({**LEAST, "ref": REF}, SECRET)])
    assert tested.events == 0


@pytest.mark.parametrize(
    ("made", "field"),
    [({"session_id": ""}, "header.session_id"), ({"new": 1}, "header.new"), ({"ts": "x"}, "ts")],
)
def test_what_the_hook_returns_is_checked_as_ever(
    tested: BusUnderTest, hook: Hook, made: dict[str, Any], field: str
) -> None:
    hook.does = lambda header, payload: ({**header, **made}, payload)
    with pytest.raises(ValueError, match=field):
        tested.bus.publish(LEAST, 1)
    hook.does = lambda header, _: (header, {"a": {1, 2}})
    with pytest.raises(InvalidEvent, match=r"^payload\.a: set is not a JSON value"):
        tested.bus.publish(LEAST, 1)
    assert tested.events == 0


def test_what_cannot_be_copied_is_refused_before_the_hook(tested: BusUnderTest, hook: Hook) -> None:
    hook.does = boom
    endless: list[Any] = [1]
    endless += [endless, endless]
    with pytest.raises(InvalidEvent, match=r"^payload: nested deeper than 256 levels"):
        tested.bus.publish(LEAST, endless)
    with pytest.raises(InvalidEvent, match=r"^header: "):
        tested.bus.publish("no header", 1)  # type: ignore[arg-type]


def test_amendments_and_requests_pass_the_hook(tested: BusUnderTest, hook: Hook) -> None:
    hook.does = redact_keys_and_emails
    ref = tested.bus.publish(LEAST, {"password": SECRET}).ref
    tested.bus.amend(ref, {"meta": {"token": SECRET}}, payload={"mail": "a.b@example.org"})
    header, payload = tested.bus.get(ref)
    assert (header["meta"], payload) == ({"token": "*" * 10}, {"mail": "*" * 10})
    tested.bus.amend(ref, {"meta": {"n": 1}})
    assert tested.bus.get(ref).payload == {"mail": "*" * 10}
    asked = tested.bus.create_evaluation_for(ref, evaluator_id="e", payload={"api_key": SECRET})
    assert tested.bus.get(asked.ref).payload == {"api_key": "*" * 10}
    assert SECRET not in json.dumps([str(each.event) for each in tested.store.read("s")])


def test_nothing_of_a_secret_reaches_the_server(
    tested: BusUnderTest, hook: Hook, redis_client: redis.Redis, namespace: str
) -> None:
    hook.does = redact_keys_and_emails
    given = {**LEAST, "meta": {"authorization": SECRET, "note": f"password={SECRET}"}}
    tested.bus.publish(given, f"my key is sk-{SECRET}, write to me@{SECRET}.org")
    tested.project()
    held = held_by(redis_client, namespace)
    assert any("**********" in value for value in held)
    assert not any(SECRET in value for value in held)
