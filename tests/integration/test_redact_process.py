"""One hook a process: for every bus that it makes by itself, and in its children."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
import redis

from eventstore import get_async_bus, get_bus, get_session, redact_keys_and_emails, reset_bus
from eventstore.client_bus import bus_for
from eventstore.errors import InvalidInput
from eventstore.settings import reset_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.server import PrivateServer

HEADER = {"session_id": "s", "agent_id": "a", "type": "state"}
MASKED = {"password": "*" * 10}


@pytest.fixture(autouse=True)
def _configured(
    server: PrivateServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    monkeypatch.setenv("REDIS_URL", server.url)
    monkeypatch.setenv("EVENTSTORE_STORE__NAMESPACE", namespace)
    monkeypatch.setenv("EVENTSTORE_PAYLOADS__URL", f"memory://{namespace}")
    reset_settings()
    yield
    reset_bus()
    reset_settings()


def published(bus: Any) -> Any:
    return bus.get(bus.publish(HEADER, {"password": "hunter2"}).ref).payload


def other(header: dict[str, Any], payload: Any) -> Any:
    return header, payload


def test_the_first_call_says_it_and_the_others_have_it() -> None:
    bus = get_bus(redact=redact_keys_and_emails)
    assert get_bus() is bus is get_bus(redact=redact_keys_and_emails)
    assert published(get_bus()) == MASKED
    with pytest.raises(InvalidInput, match=r"^redact: this process has a bus without this hook"):
        get_bus(redact=other)
    assert published(get_bus()) == MASKED


def test_a_bus_without_the_hook_is_not_given_out_with_it() -> None:
    get_bus()
    with pytest.raises(InvalidInput, match=r"^redact: "):
        get_bus(redact=redact_keys_and_emails)
    reset_bus()
    assert published(get_bus(redact=redact_keys_and_emails)) == MASKED
    reset_bus()
    assert published(get_bus()) == {"password": "hunter2"}


@pytest.mark.anyio
async def test_the_asyncio_buses_have_it_too() -> None:
    bus = get_async_bus(redact=redact_keys_and_emails)
    assert get_async_bus() is bus
    row = await bus.publish(HEADER, {"password": "hunter2"})
    assert (await bus.get(row.ref)).payload == MASKED
    await bus.close()
    again = get_async_bus()
    row = await again.publish(HEADER, {"password": "hunter2"})
    assert (await again.get(row.ref)).payload == MASKED
    await again.close()


def test_so_has_the_bus_of_a_client_of_ones_own(server: PrivateServer) -> None:
    get_bus(redact=redact_keys_and_emails)
    with redis.Redis(unix_socket_path=str(server.socket_path), db=1) as client:
        assert bus_for(client) is not get_bus()
        assert published(bus_for(client)) == MASKED


def test_what_is_pushed_on_a_stack_passes_it() -> None:
    get_bus(redact=redact_keys_and_emails)
    with get_session("s") as session:
        session.register_agent("a")
        session.save()
        session.stack_for("a").push({"role": "user", "content": "I am me@example.org"})
    (row,) = _states()
    assert row == {"role": "user", "content": f"I am {'*' * 10}"}


def _states() -> list[Any]:
    bus = get_bus()
    events = [each.event for each in bus.store.read("s")]
    return [bus.get(event.ref).payload for event in events if event.kind == "artifact.published"]


# Forking beside threads is what is tested here.
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_has_it_as_well() -> None:
    get_bus(redact=redact_keys_and_emails)
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writing, json.dumps(published(get_bus())).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        assert json.loads(answer.read()) == MASKED
    os.waitpid(pid, 0)
