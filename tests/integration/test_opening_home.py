"""The data directory beside a configured server appears with the first open that is not refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.stores import make_settings, open_store

from eventstore.errors import EventStoreError, StoreUnreachable, WrongStore
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.server import PrivateServer

    from eventstore.settings import AppSettings


def with_home(settings: AppSettings, home: Path) -> AppSettings:
    """Return settings whose payloads lie in a data directory."""
    payloads = settings.payloads.model_copy(update={"url": None})
    return settings.model_copy(update={"payloads": payloads, "home": home})


def refused(settings: AppSettings, error: type[EventStoreError]) -> None:
    store = EventStore(settings)
    with pytest.raises(error):
        store.open()
    store.close()


def test_a_refused_open_leaves_no_data_directory(
    server: PrivateServer,
    private_server: Callable[..., PrivateServer],
    namespace: str,
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    with open_store(server, namespace, partitions=2):
        refused(with_home(make_settings(server, namespace, 3), home), WrongStore)
    evicting = private_server("--maxmemory-policy", "allkeys-lru")
    refused(with_home(make_settings(evicting, namespace), home), WrongStore)
    evicting.kill()
    refused(with_home(make_settings(evicting, namespace), home), StoreUnreachable)
    assert list(tmp_path.iterdir()) == []


def test_an_open_that_is_not_refused_makes_it(
    server: PrivateServer, namespace: str, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    with EventStore(with_home(make_settings(server, namespace), home)) as store:
        assert not home.exists()
        store.open()
        assert (home / "payloads").is_dir()
