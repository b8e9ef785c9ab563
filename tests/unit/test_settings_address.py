"""Which server the settings lead to: a URL, a host, or the embedded one."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr
from support.settings_env import write_config

from eventstore.errors import SettingsError
from eventstore.settings import (
    AppSettings,
    reset_settings,
    settings,
    warn_if_embedded_in_production,
)
from eventstore.settings_models import RedisSettings
from eventstore.settings_sources import EMBEDDED_URL_VARIABLE

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("no_configuration")


def address(chosen: AppSettings) -> str | None:
    """The URL if one holds, else the host."""
    url = chosen.redis.url
    return url.get_secret_value() if url else chosen.redis.host


def test_the_prefixed_host_drops_the_url_of_an_alias(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://other")
    monkeypatch.setenv("EVENTSTORE_REDIS__HOST", "mine")
    assert address(settings()) == "mine"


def test_a_host_in_the_environment_drops_the_url_of_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_config(monkeypatch, tmp_path, {"redis": {"url": "redis://file"}})
    monkeypatch.setenv("REDIS_HOST", "mine")
    assert address(settings()) == "mine"


def test_a_url_in_the_environment_wins_over_the_host_of_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_config(monkeypatch, tmp_path, {"redis": {"host": "file", "port": 7000}})
    monkeypatch.setenv("REDIS_URL", "redis://mine")
    assert address(settings()) == "redis://mine"


def test_an_argument_drops_the_url_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://other")
    assert address(AppSettings(redis={"host": "mine"})) == "mine"
    assert AppSettings(redis=RedisSettings()).uses_embedded
    given = RedisSettings(url=SecretStr("redis://given"))
    assert address(AppSettings(redis=given)) == "redis://given"


@pytest.mark.parametrize("order", [("url", "port", "host"), ("port", "host", "url")])
def test_beside_each_other_the_url_wins(
    order: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given = {"url": "redis://url", "host": "host", "port": 7000}
    write_config(monkeypatch, tmp_path, {"redis": {name: given[name] for name in order}})
    assert address(settings()) == "redis://url"


def test_a_platform_may_set_every_alias(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_PORT", "6380")
    monkeypatch.setenv("REDIS_HOST", "h")
    monkeypatch.setenv("REDIS_URL", "redis://h:6380/0")
    assert address(settings()) == "redis://h:6380/0"


@pytest.mark.parametrize("name", ["port", "db"])
def test_a_port_or_db_without_effect_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = write_config(monkeypatch, tmp_path, {"redis": {"url": "redis://h"}})
    monkeypatch.setenv(f"REDIS_{name.upper()}", "7")
    with pytest.raises(SettingsError) as caught:
        settings()
    assert f"redis.{name} (environment variable REDIS_{name.upper()})" in str(caught.value)
    assert str(path) in str(caught.value)


def test_an_empty_url_in_the_file_is_no_address(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_config(monkeypatch, tmp_path, {"redis": {"url": None}})
    monkeypatch.setenv("REDIS_PORT", "7000")
    assert settings().uses_embedded


def test_variables_that_describe_a_kubernetes_service_are_not_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for service in ("REDIS", "EVENTSTORE", "EVENTSTORE_METRICS"):
        monkeypatch.setenv(f"{service}_SERVICE_HOST", "10.0.0.1")
        monkeypatch.setenv(f"{service}_SERVICE_PORT", "6379")
        monkeypatch.setenv(f"{service}_SERVICE_PORT_HTTP", "6379")
        monkeypatch.setenv(f"{service}_PORT", "tcp://10.0.0.1:6379")
        monkeypatch.setenv(f"{service}_PORT_6379_TCP", "tcp://10.0.0.1:6379")
        monkeypatch.setenv(f"{service}_PORT_6379_TCP_ADDR", "10.0.0.1")
    assert settings().redis.port == 6379
    assert settings().uses_embedded


def test_the_worker_of_an_embedded_store_goes_there_with_no_account_of_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    elsewhere = {"host": "file", "db": 3, "username": "app", "password": "p", "max_connections": 7}
    write_config(monkeypatch, tmp_path, {"redis": elsewhere})
    monkeypatch.setenv("REDIS_DB", "5")
    monkeypatch.setenv(EMBEDDED_URL_VARIABLE, "unix:///run/s.sock")
    found = settings().redis
    assert address(settings()) == "unix:///run/s.sock"
    assert (found.host, found.db, found.username, found.password) == (None, 0, None, None)
    assert found.max_connections == 7


class TestEmbedded:
    def test_used_only_without_url_and_host(self) -> None:
        assert AppSettings().uses_embedded
        assert not AppSettings(redis={"host": "h"}).uses_embedded
        assert not AppSettings(redis={"url": "unix:///run/redis.sock"}).uses_embedded
        assert AppSettings(redis={"port": 7000, "db": 2, "password": "p"}).uses_embedded

    def test_never_refuses_and_says_what_to_set(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("EVENTSTORE_EMBEDDED", "never")
        with pytest.raises(SettingsError, match="REDIS_URL"):
            _ = settings().uses_embedded
        with pytest.raises(SettingsError, match="REDIS_URL"):
            warn_if_embedded_in_production(settings())
        monkeypatch.setenv("REDIS_HOST", "h")
        reset_settings()
        assert not settings().uses_embedded

    def test_production_warns_once(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.WARNING, "eventstore")
        for _ in range(3):
            warn_if_embedded_in_production(AppSettings(mode="production"))
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "REDIS_URL" in caplog.text

    @pytest.mark.parametrize(
        "chosen",
        [
            {"mode": "test"},
            {"mode": "development"},
            {"mode": "production", "redis": {"host": "h"}},
        ],
    )
    def test_others_do_not_warn(
        self, chosen: dict[str, object], caplog: pytest.LogCaptureFixture
    ) -> None:
        warn_if_embedded_in_production(AppSettings(**chosen))
        assert caplog.records == []
