"""Settings as connections are made from them."""

from __future__ import annotations

from typing import Any

import pytest

from eventstore.connection import Guard, ServerIdentity, target_of
from eventstore.faults import UnverifiedServer
from eventstore.settings_models import RedisSettings

ONE = ServerIdentity("1" * 40, "a" * 40, "master")
RESTARTED = ServerIdentity("2" * 40, "a" * 40, "master")
FAILED_OVER = ServerIdentity("1" * 40, "b" * 40, "master")
REPLICA = ServerIdentity("1" * 40, "a" * 40, "slave")


def redis_settings(**fields: Any) -> RedisSettings:
    return RedisSettings.model_validate(fields)


class TestTarget:
    @pytest.mark.parametrize(
        ("fields", "kind", "where"),
        [
            ({"host": "db"}, "tcp", "db:6379"),
            ({"host": "db", "port": 7000, "tls": True}, "tls", "db:7000"),
            ({"url": "redis://db"}, "tcp", "db:6379"),
            ({"url": "rediss://:word@db:7000/3"}, "tls", "db:7000"),
            ({"url": "unix:///run/db.sock?db=2"}, "unix", "/run/db.sock"),
        ],
    )
    def test_an_address(self, fields: dict[str, Any], kind: str, where: str) -> None:
        target = target_of(redis_settings(**fields))
        assert (target.kind, target.where) == (kind, where)

    def test_an_embedded_socket_wins(self) -> None:
        target = target_of(redis_settings(url="redis://db"), "/home/server.sock")
        assert (target.kind, target.where) == ("unix", "/home/server.sock")

    def test_an_embedded_server_is_asked_for_no_password_and_no_other_database(self) -> None:
        fields = {"db": 2, "username": "user", "password": "word"}
        target = target_of(redis_settings(**fields), "/home/server.sock")
        assert target.options.keys().isdisjoint(fields)

    def test_a_url_changes_what_it_names(self) -> None:
        url = "redis://user:word@db/3?socket_timeout=7&max_connections=5&timeout=9"
        target = target_of(redis_settings(url=url))
        assert (target.max_connections, target.wait) == (5, 9.0)
        wanted = {"username": "user", "password": "word", "db": 3, "socket_timeout": 7.0}
        assert target.options.items() >= wanted.items()

    def test_a_url_cannot_change_how_replies_are_read(self) -> None:
        url = "redis://db?protocol=3&decode_responses=True"
        target = target_of(redis_settings(url=url))
        assert target.options["protocol"] == 2
        assert target.options["decode_responses"] is False

    def test_tls_files_are_passed_on(self) -> None:
        fields = {"host": "db", "tls": True, "tls_ca_certs": "/ca.pem", "tls_check_hostname": False}
        target = target_of(redis_settings(**fields))
        wanted = {"ssl_ca_certs": "/ca.pem", "ssl_check_hostname": False}
        assert target.options.items() >= wanted.items()


class TestGuard:
    @pytest.mark.parametrize(
        ("found", "said"),
        [
            (RESTARTED, "instance 22222222:aaaaaaaa is not the verified 11111111:aaaaaaaa"),
            (FAILED_OVER, "instance 11111111:bbbbbbbb is not the verified 11111111:aaaaaaaa"),
            (REPLICA, "the server is a replica"),
        ],
    )
    def test_only_the_verified_instance_is_admitted(self, found: ServerIdentity, said: str) -> None:
        guard = Guard(open_to_any=False)
        guard.admitted = ONE
        guard.check(ONE)
        with pytest.raises(UnverifiedServer, match=said):
            guard.check(found)

    def test_a_store_that_is_not_open_admits_none(self) -> None:
        with pytest.raises(UnverifiedServer, match="not open"):
            Guard(open_to_any=False).check(ONE)

    def test_opening_admits_any_until_it_has_looked(self) -> None:
        guard = Guard(open_to_any=True)
        guard.check(RESTARTED)
        guard.admitted = ONE
        with pytest.raises(UnverifiedServer):
            guard.check(RESTARTED)
