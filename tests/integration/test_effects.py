"""Side effects that others overtake, whose store goes away, that hold secrets, as a command."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.consuming import publish
from support.house import ROOT
from support.interleaving import before_appends
from support.program import clean_environment
from support.stores import open_store
from support.terminal import Terminal
from support.trimming import all_groups, keep, put_groups, stream, trim, write_journal

from eventstore import (
    EffectRefused,
    EffectUnrecorded,
    EventBus,
    Outcome,
    RedactionFailed,
    SideEffects,
    redact_keys_and_emails,
)
from eventstore.effect import make_effect
from eventstore.effect_core import EffectCore
from eventstore.operations import Operations

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import redis
    from support.server import PrivateServer


def test_who_comes_second_finds_the_first(server: PrivateServer, namespace: str) -> None:
    """Another begins it between the second one's look and its append."""
    with open_store(server, namespace) as store:
        parts = store.parts
        operations = Operations(parts.log, parts.appender, parts.payloads)
        core = EffectCore(operations, "s", "late", "main")
        effect = make_effect("look", {}, "k", "strict", 1.0, None, None)
        effects = SideEffects(EventBus(store), "s", agent_id="early")
        first = store.runner.run(
            before_appends(core.begin(effect), [lambda: effects.run("look", lambda: 7, key="k")])
        )
        assert isinstance(first, Outcome)
        assert (first.executed, first.result) == (False, 7)


def test_a_store_that_goes_away_in_it_costs_no_result(
    private_server: Callable[..., PrivateServer], namespace: str
) -> None:
    server = private_server()
    with open_store(server, namespace, publish_timeout=0.1) as store:
        effects = SideEffects(EventBus(store), "s", agent_id="clerk")

        def charge() -> str:
            server.kill()
            return "paid"

        with pytest.raises(EffectUnrecorded, match="was made") as raised:
            effects.run("charge", charge)
        assert raised.value.result == "paid"


def test_a_failure_that_cannot_be_recorded_is_raised_with_a_note(
    private_server: Callable[..., PrivateServer], namespace: str
) -> None:
    server = private_server()
    with open_store(server, namespace, publish_timeout=0.1) as store:
        effects = SideEffects(EventBus(store), "s", agent_id="clerk")

        def charge() -> str:
            server.kill()
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError) as raised:
            effects.run("charge", charge)
        assert "is unanswered: recording this failed" in raised.value.__notes__[0]


def test_what_was_trimmed_is_not_made_again(
    server: PrivateServer, namespace: str, redis_client: redis.Redis
) -> None:
    with open_store(server, namespace) as store:
        effects = SideEffects(EventBus(store), "s", agent_id="clerk")
        made = effects.run("charge", lambda: "paid", key="k")
        publish(store, "s", 8)
        put_groups(redis_client, store, all_groups(10))
        write_journal(store, [10])
        trim(store, keep(events=2))
        assert stream(store)[0][0] == b"0-9"
        again = effects.run("charge", lambda: "paid twice", key="k")
        assert (again.executed, again.result, again.call_ref) == (False, "paid", made.call_ref)
        [row] = EventBus(store).effects("s")
        assert (row.status, row.duplicates) == ("ok", 1)


def test_the_program_of_the_page_runs_as_it_stands(
    server: PrivateServer, namespace: str, tmp_path: Path
) -> None:
    page = (ROOT / "docs" / "effects.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    env = clean_environment(
        REDIS_URL=server.url,
        EVENTSTORE_STORE__NAMESPACE=namespace,
        EVENTSTORE_HOME=str(tmp_path / "home"),
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_two_calls_that_differ_in_a_secret_alone_are_two(
    server: PrivateServer, namespace: str
) -> None:
    with open_store(server, namespace) as store:
        bus = EventBus(store, redact=redact_keys_and_emails)
        effects = SideEffects(bus, "s", agent_id="clerk")
        sent: list[str] = []
        for to in ("a@example.com", "b@example.com", "a@example.com"):
            effects.run("send", lambda to: sent.append(to), {"to": to})
        assert sent == ["a@example.com", "b@example.com"]
        [first, *_] = bus.effects("s")
        assert "example.com" not in str(bus.get(first.ref))
        with pytest.raises(EffectRefused):
            effects.run("send", print, {"to": "somebody"}, key=first.key)


def test_a_hook_that_fails_behind_an_effect_hides_no_failure(
    server: PrivateServer, namespace: str
) -> None:
    def hook(header: dict[str, Any], payload: Any) -> tuple[dict[str, Any], Any]:
        if header["type"] == "tool_result":
            raise LookupError
        return header, payload

    with open_store(server, namespace) as store:
        effects = SideEffects(EventBus(store, redact=hook), "s", agent_id="clerk")
        for function, said in ((lambda: 1, RedactionFailed), (lambda: 1 / 0, ZeroDivisionError)):
            with pytest.raises(said) as raised:
                effects.run("charge", function, policy="none")
            assert "is unanswered" in raised.value.__notes__[0]
        assert [row.status for row in EventBus(store).effects("s")] == ["unanswered"] * 2


def test_as_a_command(server: PrivateServer, namespace: str) -> None:
    terminal = Terminal(server, namespace)
    with open_store(server, namespace) as store:
        effects = SideEffects(EventBus(store), "s", agent_id="cl\x1b[31merk")
        effects.run("look", lambda: 7, key="k\n1", policy="penalty")
        effects.run("look", lambda: 7, key="k\n1", policy="penalty", penalty=0.5)
        effects.run("look", lambda: 8, key="k2")
        effects.run("look", lambda: 8, key="k2")
    rows = terminal.json("session", "effects", "s")
    assert [(row["key"], row["attempt"], row["penalty"], row["duplicates"]) for row in rows] == [
        ("k\n1", 1, None, 0),
        ("k\n1", 2, 0.5, 0),
        ("k2", 1, None, 1),
    ]
    shown = terminal.run("session", "effects", "s").stdout
    assert "s: 3 effects, 0 unanswered" in shown
    assert "ok, penalty 0.5" in shown
    assert "k\\n1" in shown
    assert "\x1b" not in shown
    assert len(terminal.json("session", "effects", "s", "--limit", "1")) == 1
    filters = ("--agent", "nobody", "--branch", "b")
    assert terminal.json("session", "effects", "s", *filters) == []
