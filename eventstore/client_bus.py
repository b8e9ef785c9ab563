"""The bus for a Redis client of the application's own, where a call takes one.

Such a client says which server is meant, no more: its connections are not verified when they are
made, and may send a command twice. What is appended goes over connections of the store's own.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import redis
import redis.asyncio as aredis
from pydantic import SecretStr
from redis.asyncio.connection import SSLConnection as AsyncSSLConnection
from redis.asyncio.connection import UnixDomainSocketConnection as AsyncUnixConnection
from redis.connection import SSLConnection, UnixDomainSocketConnection

from eventstore.bus import EventBus
from eventstore.connection import target_of
from eventstore.errors import InvalidInput
from eventstore.process_bus import get_bus
from eventstore.redact_hook import process_hook
from eventstore.settings import settings
from eventstore.settings_models import RedisSettings
from eventstore.store import EventStore

if TYPE_CHECKING:
    from eventstore.connection import Target

_TLS_FILES: Final = {
    "ssl_ca_certs": "tls_ca_certs",
    "ssl_certfile": "tls_certfile",
    "ssl_keyfile": "tls_keyfile",
}


class _Buses:
    """The buses of this process for servers other than the configured one, an address each."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_address: dict[tuple[Any, ...], EventBus] = {}

    def get(self, address: tuple[Any, ...], section: RedisSettings) -> EventBus:
        with self._lock:
            bus = self._by_address.get(address)
            if bus is None:
                store = EventStore(settings().model_copy(update={"redis": section}))
                bus = EventBus(store, redact=process_hook.take())
                self._by_address[address] = bus
            return bus

    def reset(self) -> None:
        with self._lock:
            buses, self._by_address = self._by_address, {}
        for bus in buses.values():
            bus.close()


_buses: Final = _Buses()
os.register_at_fork(after_in_child=_buses.__init__)  # type: ignore[misc]


def bus_for(client: EventBus | redis.Redis | None) -> EventBus:
    """Return the bus of the store on the server that a client speaks to.

    None, or a client of the configured server: the bus of this process, `get_bus()`. A client of
    another server: one bus for each address, with all other settings of the process. A bus is
    itself. Raises `InvalidInput` for a client whose address cannot be told, such as a cluster's.
    """
    if isinstance(client, EventBus):
        return client
    if client is None:
        return get_bus()
    section = redis_settings_of(client)
    address = address_of(target_of(section))
    configured = get_bus()
    if address == address_of(configured.store.parts.location.target):
        return configured
    return _buses.get(address, section)


def reset_client_buses() -> None:
    """Close the buses that clients of other servers were given."""
    _buses.reset()


def redis_settings_of(client: redis.Redis | aredis.Redis) -> RedisSettings:
    """Return the settings that name the server, database and user of a client."""
    pool = getattr(client, "connection_pool", None)
    if not isinstance(pool, (redis.ConnectionPool, aredis.ConnectionPool)):
        raise InvalidInput(
            f"client: {type(client).__name__} is no redis.Redis of one server; "
            "pass one, the bus itself, or None for the configured store"
        )
    given = pool.connection_kwargs
    if given.get("credential_provider") is not None:
        raise InvalidInput(
            "client: it has a credential provider, which cannot be asked twice; configure the "
            "store (REDIS_URL) and pass None"
        )
    common = {
        "db": given.get("db") or 0,
        "username": given.get("username"),
        "password": _secret(given.get("password")),
    }
    if issubclass(pool.connection_class, (UnixDomainSocketConnection, AsyncUnixConnection)):
        return _with_address(
            settings().redis, url=SecretStr("unix://" + quote(given["path"])), **common
        )
    tls: dict[str, Any] = {
        "tls": issubclass(pool.connection_class, (SSLConnection, AsyncSSLConnection))
    }
    if tls["tls"]:
        tls |= {ours: given.get(theirs) for theirs, ours in _TLS_FILES.items()}
        tls["tls_check_hostname"] = given.get("ssl_check_hostname", True)
    # redis-py's own defaults, where a client was given neither.
    host, port = given.get("host", "localhost"), given.get("port", 6379)
    return _with_address(settings().redis, url=None, host=host, port=port, **tls, **common)


def _with_address(section: RedisSettings, **address: Any) -> RedisSettings:
    """Return timeouts and limits as configured, with another address."""
    kept = section.model_dump(
        include={
            "socket_timeout",
            "connect_timeout",
            "max_connections",
            "health_check_interval",
            "client_name",
        }
    )
    return RedisSettings(**kept, **address)


def _secret(password: object) -> SecretStr | None:
    if password is None:
        return None
    return SecretStr(password.decode() if isinstance(password, bytes) else str(password))


def address_of(target: Target) -> tuple[Any, ...]:
    """Return what tells one server, database and user from another."""
    options = target.options
    return (
        target.kind,
        options.get("path"),
        options.get("host"),
        options.get("port"),
        options.get("db") or 0,
        options.get("username"),
    )
