"""The redaction hook and what is written beside artifacts: patches, titles, reasons, requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.buses import BusUnderTest
from support.redacting import Hook, held_by, write_patch
from support.stores import make_settings

from eventstore import redact_keys_and_emails
from eventstore.bus import EventBus
from eventstore.errors import InvalidEvent, InvalidInput, RedactionFailed
from eventstore.overrides import override_history, read_override

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import redis
    from support.server import PrivateServer
    from support.sessions import Clients

LEAST: dict[str, Any] = {"session_id": "s", "agent_id": "a", "type": "state"}
REF = "0123456789abcdef" * 2
SECRET = "hunter2-hunter2"
SAID = f"password={SECRET}"
MASK = "*" * 10


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


def write_all(tested: BusUnderTest, clients: Clients) -> None:
    """Write a secret wherever something may be written that is no name."""
    session = clients.session("s")
    session.open(SAID)
    session.register_agent("a")
    session.stack_for("a").push({"type": "state", "meta": {"note": SAID}}, {"text": SAID})
    session.save()
    ref = tested.bus.publish({**LEAST, "meta": {"token": SECRET}}, SAID).ref
    tested.bus.amend(ref, {"meta": {"note": SAID}}, payload=[SAID], reason=SAID)
    tested.bus.create_evaluation_for(ref, evaluator_id="e", payload={"rubric": SAID})
    write_patch(tested, {"api_key": SECRET, "prompt": SAID, "deep": [{"password": SECRET}]})
    write_patch(tested, {"model": "m"})
    tested.bus.fork("s", 0, "b")
    tested.project()
    tested.bus.prune("s", "b", reason=SAID)
    session.close(SAID)


def test_nothing_of_a_secret_reaches_the_server(
    tested: BusUnderTest, hook: Hook, clients: Clients, redis_client: redis.Redis, namespace: str
) -> None:
    hook.does = redact_keys_and_emails
    write_all(tested, clients)
    tested.project()
    held = held_by(redis_client, namespace)
    assert any(MASK in value for value in held)
    assert not any(SECRET in value for value in held)
    masked = {"api_key": MASK, "prompt": f"password={MASK}", "deep": [{"password": MASK}]}
    bus = EventBus(tested.store)
    assert read_override(bus, "a", "s") == {**masked, "model": "m"}
    assert override_history(bus, "a", "s")[0]["patch"] == masked


def test_the_hook_is_told_what_it_is_given(
    tested: BusUnderTest, hook: Hook, clients: Clients
) -> None:
    given: list[tuple[dict[str, Any], Any]] = []

    def note(header: dict[str, Any], payload: Any) -> Any:
        given.append((header, payload))
        return header, payload

    hook.does = note
    write_all(tested, clients)
    by_type = {header["type"]: (header, payload) for header, payload in given if "type" in header}
    for kind, agent, content in (
        ("session.opened", "operator", {"title": SAID}),
        ("session.closed", "operator", {"reason": SAID}),
        ("override.written", "a", {"model": "m"}),
        ("branch.pruned", "operator", {"reason": SAID}),
    ):
        assert by_type[kind] == ({"session_id": "s", "agent_id": agent, "type": kind}, content)
    header, payload = by_type["artifact.amended"]
    assert (set(header), payload) == ({"target", "type"}, {"reason": SAID})
    header, payload = by_type["evaluation.requested"]
    assert (set(header), payload) == ({"target", "type"}, {"rubric": SAID})


def boom(header: dict[str, Any], payload: Any) -> Any:
    raise KeyError(payload)


def writes(tested: BusUnderTest, clients: Clients, ref: str) -> list[Callable[[], object]]:
    """Return calls that each write one thing, other than an artifact."""
    session = clients.session("s")
    return [
        lambda: write_patch(tested, {"k": SECRET}),
        lambda: session.open(title=SECRET),
        lambda: session.close(reason=SECRET),
        lambda: tested.bus.prune("s", "b", reason=SECRET),
        lambda: tested.bus.amend(ref, {"status": "x"}, reason=SECRET),
        lambda: tested.bus.create_evaluation_for(ref, evaluator_id="e", payload=SECRET),
    ]


def test_a_hook_that_fails_refuses_them(tested: BusUnderTest, hook: Hook, clients: Clients) -> None:
    ref = tested.bus.publish(LEAST, 1).ref
    hook.does = boom
    for write in writes(tested, clients, ref):
        with pytest.raises(RedactionFailed, match=r"^redact: the hook raised KeyError") as refused:
            write()
        assert SECRET not in str(refused.value)
    hook.does = lambda header, _: (header, 7)
    for write in writes(tested, clients, ref)[:5]:
        with pytest.raises(
            RedactionFailed, match=r"^redact: the hook returned int for the mapping"
        ):
            write()
    hook.does = lambda header, payload: (header, {"reason": 7, "title": 7, "k": {1, 2}})
    for write in writes(tested, clients, ref)[1:5]:
        with pytest.raises(RedactionFailed, match=r"^redact: the hook returned int for the text"):
            write()
    with pytest.raises(InvalidEvent, match=r"^patch\.k: set is not a JSON value"):
        write_patch(tested, {"k": SECRET})
    assert tested.events == 1


def test_a_text_that_the_hook_takes_out_is_not_written(
    tested: BusUnderTest, hook: Hook, clients: Clients
) -> None:
    hook.does = lambda header, _: (header, {})
    session = clients.session("s")
    session.open(SECRET)
    (opened,) = tested.store.read("s")
    assert getattr(opened.event, "title", "no title") is None
    with pytest.raises(InvalidEvent, match=r"^patch: is empty"):
        write_patch(tested, {"k": SECRET})


def test_what_is_no_text_is_refused_before_the_hook(
    tested: BusUnderTest, hook: Hook, clients: Clients
) -> None:
    hook.does = boom
    odd: Any = 7
    with pytest.raises(InvalidInput, match=r"^title: is text, not int"):
        clients.session("s").open(title=odd)
    with pytest.raises(InvalidEvent, match=r"^patch: a key is text"):
        write_patch(tested, {odd: 1})


def test_a_patch_made_again_is_the_same_event(tested: BusUnderTest, hook: Hook) -> None:
    hook.does = redact_keys_and_emails
    assert write_patch(tested, {"api_key": SECRET, "lock": True}, REF)
    assert write_patch(tested, {"api_key": SECRET, "lock": True}, REF)
    assert tested.events == 1
    assert override_history(EventBus(tested.store), "a", "s")[0]["locked"]
