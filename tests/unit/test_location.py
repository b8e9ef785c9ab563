"""Where settings put a store: looked up without creating or connecting to anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from eventstore.errors import SettingsError
from eventstore.location import locate
from eventstore.payload_store import PayloadStore
from eventstore.payloads import encode_payload
from eventstore.settings import AppSettings

if TYPE_CHECKING:
    from pathlib import Path

REF = "0" * 32


@pytest.fixture(params=["home", "a b", "percent%20é"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / str(request.param)


def settings(**sections: Any) -> AppSettings:
    return AppSettings(mode="test", **sections)


class TestConfigured:
    def test_nothing_is_created_before_it_is_used(self, home: Path) -> None:
        location = locate(settings(home=home, redis={"host": "db"}))
        location.reconnect()
        assert not home.exists()
        location.prepare()
        assert home.is_dir()

    def test_payloads_lie_in_the_data_directory(self, home: Path) -> None:
        location = locate(settings(home=home, redis={"host": "db"}))
        location.reconnect()
        location.prepare()
        item = encode_payload("text", "text", 2048)
        PayloadStore(location.payloads_url).write("s", REF, item.info, item.data)
        assert [path.name for path in (home / "payloads").rglob("*.txt")] == [f"{REF}.txt"]
        assert location.home == home

    def test_payloads_elsewhere_need_no_data_directory(self, home: Path) -> None:
        sections = {"redis": {"host": "db"}, "payloads": {"url": "memory://x"}}
        location = locate(settings(home=home, **sections))
        location.reconnect()
        location.prepare()
        location.leave()
        assert (location.home, location.payloads_url) == (None, "memory://x")
        assert not home.exists()

    def test_the_address_is_shown_without_secrets(self, home: Path) -> None:
        location = locate(settings(home=home, redis={"url": "redis://user:word@db:7000/2"}))
        assert location.target.where == "db:7000"


class TestEmbedded:
    def test_nothing_is_created_or_started_before_it_is_used(self, home: Path) -> None:
        location = locate(settings(home=home))
        assert not home.exists()
        assert location.home == home
        assert location.payloads_url == f"file://{home}/payloads"
        assert location.target.kind == "unix"

    def test_every_append_is_synced(self, home: Path) -> None:
        location = locate(settings(home=home, store={"durability": "memory"}))
        assert location.store_settings.durability == "fsync"

    def test_it_can_be_forbidden(self, home: Path) -> None:
        with pytest.raises(SettingsError, match="embedded"):
            locate(settings(home=home, embedded="never"))
