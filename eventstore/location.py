"""Where a store is: the configured server, or the embedded one of a data directory."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eventstore.connection import Target, target_of
from eventstore.embedded import EmbeddedStore, open_home
from eventstore.embedded import locate as locate_home
from eventstore.embedded.damage import read_damage
from eventstore.embedded.home import Home
from eventstore.embedded.sockets import socket_path
from eventstore.opening import undamaged
from eventstore.settings import AppSettings, warn_if_embedded_in_production

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from eventstore.embedded.damage import Damage
    from eventstore.settings_models import StoreSettings


@dataclass(frozen=True)
class Location:
    """A server to speak to, a place for files, and how to get back after a lost connection.

    `payloads_url` is where payloads lie, or with a driver, which keeps them, the journal.
    `reconnect` is called before a server is looked at, also at first; `prepare` before files are,
    once the server was found fit. Both block, and one of them creates the data directory where
    one is needed. `leave` is called at close. `home` is the data directory, None if neither
    server nor payloads are in one. `damage` says what became of files that the server had before.
    """

    target: Target
    payloads_url: str
    store_settings: StoreSettings
    home: Path | None
    reconnect: Callable[[], object]
    prepare: Callable[[], object]
    leave: Callable[[], object]
    damage: Callable[[], Damage | None] = undamaged


def locate(settings: AppSettings) -> Location:
    """Return where the settings put the store; connects to nothing and creates nothing.

    Raises `SettingsError` if no server is configured and the embedded one is forbidden.
    """
    if not settings.uses_embedded:
        return _configured(settings)
    warn_if_embedded_in_production(settings)
    path = locate_home(settings.home)
    home = Home(path.resolve())
    embedded = EmbeddedStore(home)

    def find_or_start() -> None:
        open_home(path)
        embedded.ensure()

    return Location(
        target=target_of(settings.redis, str(socket_path(home))),
        payloads_url=_given_url(settings) or _url_of(home),
        # The embedded server syncs every append; the check that it does costs one round trip.
        store_settings=settings.store.model_copy(update={"durability": "fsync"}),
        home=home.path,
        reconnect=find_or_start,
        prepare=_nothing,
        leave=embedded.release,
        damage=functools.partial(read_damage, home),
    )


def _configured(settings: AppSettings) -> Location:
    target = target_of(settings.redis)
    path = locate_home(settings.home)
    home = Home(path.resolve())
    # The worker of an embedded store is given its address as that of any other server.
    is_embedded = target.where == str(socket_path(home))
    damage = functools.partial(read_damage, home) if is_embedded else undamaged
    url = _given_url(settings)
    if url:
        return Location(target, url, settings.store, None, _nothing, _nothing, _nothing, damage)
    return Location(
        target=target,
        payloads_url=_url_of(home),
        store_settings=settings.store,
        home=home.path,
        reconnect=_nothing,
        prepare=functools.partial(open_home, path),
        leave=_nothing,
        damage=damage,
    )


def _given_url(settings: AppSettings) -> str | None:
    return settings.journal.url if settings.payloads.driver else settings.payloads.url


def _url_of(home: Home) -> str:
    # Not `as_uri`: fsspec takes what follows the protocol for the path as it is, % included.
    return f"file://{home.payloads}"


def _nothing() -> None:
    """What a configured server, or a store without a data directory, needs."""
