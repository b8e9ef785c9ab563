"""`log verify`, `projection verify` and `doctor` find what is wrong, and only that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.stores import open_store
from support.terminal import Terminal

from eventstore.keys import Keys, entry_id

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis
    from support.server import PrivateServer


def test_what_is_whole_is_said_to_be_whole(server: PrivateServer, namespace: str) -> None:
    with Terminal(server, namespace, 2).working() as terminal:
        for session in ("a", "b", "c"):
            terminal.run("artifact", "publish", session, "1")
        terminal.json("artifact", "search", "a")
        log = terminal.json("log", "verify")
        assert [row["partition"] for row in log] == [0, 1]
        assert all(row["ok"] for row in log)
        assert sum(row["position"] for row in log) == 3
        found = terminal.json("projection", "verify", "timeline")
        assert {row["projection"] for row in found} == {"timeline"}
        assert all(row["equal"] and row["differences"] == [] for row in found)
        assert "equal" in terminal.run("projection", "verify").stdout
        assert "whole" in terminal.run("log", "verify").stdout


def test_a_row_that_is_not_from_the_log_is_a_finding(
    server: PrivateServer, namespace: str, redis_client: redis.Redis
) -> None:
    with Terminal(server, namespace).working() as terminal:
        ref = terminal.json("artifact", "publish", "s", "1")["ref"]
        terminal.json("artifact", "search", "s")
        key = Keys(namespace, 0).projection().index("s")
        redis_client.hset(key, ref, "forged")
        (found,) = terminal.json("projection", "verify", "index", code=1)
        assert (found["equal"], found["keys_differing"]) == (False, 1)
        (difference,) = found["differences"]
        assert (difference["key"], difference["row"]) == (key, ref)
        assert difference["found"] == "forged"
        said = terminal.run("projection", "verify", code=1).stdout
        assert "the server has forged" in said


def test_another_projection_is_bad_input(server: PrivateServer, namespace: str) -> None:
    terminal = Terminal(server, namespace)
    assert "timeline" in terminal.run("projection", "verify", "nonsense", code=2).stderr


def test_an_entry_that_is_gone_is_damage(
    server: PrivateServer, namespace: str, redis_client: redis.Redis
) -> None:
    terminal = Terminal(server, namespace)
    for number in range(3):
        terminal.run("artifact", "publish", "s", str(number))
    redis_client.xdel(Keys(namespace, 0).stream, entry_id(2))
    (found,) = terminal.json("log", "verify", code=5)
    assert (found["ok"], found["chain"]) == (False, None)
    assert "position 2" in found["problem"]
    assert "position 2" in terminal.run("log", "verify", code=5).stderr


def test_doctor_is_content_with_a_store_that_is_well(
    private_server: Callable[..., PrivateServer], namespace: str
) -> None:
    server = private_server("--appendonly", "yes", "--appendfsync", "always")
    with Terminal(server, namespace, durability="fsync").working() as terminal:
        terminal.run("artifact", "publish", "s", "1")
        terminal.json("artifact", "search", "s")
        found = terminal.json("doctor")
        assert found["ok"]
        status = {check["name"]: check["status"] for check in found["checks"]}
        assert set(status) >= {
            *("set-up", "redis", "store", "consumers", "payloads"),
            *("server", "owners", "payload write", "payload buffer"),
        }
        assert status["payload write"] == status["server"] == "ok"
        assert "payload write" in terminal.run("doctor").stdout


def test_doctor_names_a_remedy_for_all_that_is_not_well(
    server: PrivateServer, namespace: str
) -> None:
    terminal = Terminal(server, namespace)
    terminal.run("artifact", "publish", "s", "1")
    found = terminal.json("doctor", code=1)
    assert not found["ok"]
    checks = {check["name"]: check for check in found["checks"]}
    assert checks["consumers"]["status"] == "failed"
    assert "eventstore work" in checks["consumers"]["remedy"]
    assert checks["owners"]["status"] == "warning"
    for check in found["checks"]:
        assert check["remedy"] or check["status"] == "ok"


def test_doctor_survives_a_server_that_is_not_there(
    private_server: Callable[..., PrivateServer], namespace: str
) -> None:
    server = private_server()
    terminal = Terminal(server, namespace)
    with open_store(server, namespace):
        pass
    server.kill()
    found = terminal.json("doctor", code=1)
    assert {check["name"] for check in found["checks"] if check["status"] == "failed"} >= {"redis"}
    assert terminal.json("session", "list", code=3)["error"]["type"] == "StoreUnreachable"
