"""config/redis.conf: a real server takes it, and gives what it promises."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import pytest
import redis
from pydantic import SecretStr
from support.consuming import publish
from support.house import ROOT
from support.server import PrivateServer, short_dir
from support.stores import open_store
from support.subscribing import Listener
from support.terminal import Terminal

from eventstore.bus import EventBus
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIG = ROOT / "config" / "redis.conf"
PASSWORD = "correct-horse"
ACCOUNT = re.compile(r"^# (user eventstore on >)PASSWORD (.+)$", re.MULTILINE)


@pytest.fixture
def own_server(request: pytest.FixtureRequest) -> Iterator[PrivateServer]:
    """A server on the configuration as it stands, or on the text that a test gives for it."""
    directory = short_dir()
    config = CONFIG
    if hasattr(request, "param"):
        config = directory / "redis.conf"
        config.write_text(request.param)
    server = PrivateServer(directory, config=config)
    try:
        yield server.start()
    finally:
        server.close()


def with_account() -> str:
    """Return the configuration with the store's account, and one to look in with."""
    text, found = ACCOUNT.subn(rf"\g<1>{PASSWORD} \g<2>", CONFIG.read_text(encoding="utf-8"))
    assert found == 1
    return text


def test_a_store_at_level_fsync_opens_and_survives_a_kill(
    own_server: PrivateServer, namespace: str
) -> None:
    with open_store(own_server, namespace, durability="fsync") as store:
        refs = publish(store, "s", 20)
        own_server.kill()
        own_server.start()
        refs += publish(store, "s", 5)
        assert [item.event.ref for item in store.read("s")] == refs
        checks = {check.name: check for check in EventBus(store).health().checks}
        for name in ("redis", "eviction", "durability", "store"):
            assert checks[name].status == "ok", checks[name]


def test_it_never_evicts_has_a_limit_and_lets_in_this_machine_only(
    own_server: PrivateServer,
) -> None:
    with own_server.client() as client:
        found: Any = client.config_get("*")
    assert found["maxmemory-policy"] == "noeviction"
    assert int(found["maxmemory"]) > 0
    assert found["protected-mode"] == "yes"
    assert set(found["bind"].split()) == {"127.0.0.1", "-::1"}
    assert found["save"] == ""


@pytest.mark.parametrize("own_server", [with_account()], indirect=True, ids=["account"])
def test_the_account_can_do_all_that_a_store_does_and_nothing_else(
    own_server: PrivateServer,
) -> None:
    terminal = AccountTerminal(own_server)
    with own_server.client() as client:
        with terminal.working():
            use_everything(terminal)
        assert client.acl_log() == []
        client.execute_command("AUTH", "eventstore", PASSWORD)
        for forbidden in (
            "FLUSHALL",
            "SHUTDOWN",
            "CONFIG SET maxmemory 0",
            "SET other x",
            "KEYS *",
        ):
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.execute_command(*forbidden.split())


class AccountTerminal(Terminal):
    """A terminal whose commands use the account, as its worker does."""

    def __init__(self, server: PrivateServer) -> None:
        super().__init__(server, "es", lease_seconds=0.5, durability="fsync")
        account = {"username": "eventstore", "password": SecretStr(PASSWORD)}
        own = self.settings.redis.model_copy(update=account)
        self.settings = self.settings.model_copy(update={"redis": own})
        self._environment |= {
            "EVENTSTORE_REDIS__USERNAME": "eventstore",
            "REDIS_PASSWORD": PASSWORD,
            "EVENTSTORE_RETENTION__KEEP_EVENTS": "5",
        }


def use_everything(terminal: AccountTerminal) -> None:
    """Run every sort of command, and what applications do beside them."""
    with EventStore(terminal.settings) as store, EventBus(store) as bus:
        refs = publish(store, "s", 30)
        bus.publish({"session_id": "s", "agent_id": "a", "type": "state"}, os.urandom(400_000))
        bus.create_evaluation_for(refs[0], evaluator_id="judge")
        with Listener(store.subscribe(group="mine")) as listener:
            listener.until_seen(31)
    for line in COMMANDS:
        terminal.run(*line.split())


COMMANDS = (
    "session open t",
    "artifact search s -n 3",
    "branch fork s --at 3 --name child",
    "override set s a model=m",
    "projection verify",
    "projection rebuild index",
    "group list",
    "group reset mine --to begin --yes",
    "group delete mine --yes",
    "parked list",
    "log verify",
    "log trim --yes",
    "log usage",
    "export s --format jsonl",
    "doctor",
)
