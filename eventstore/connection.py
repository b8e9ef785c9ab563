"""Connections to the server: explicit timeouts, no silent re-sends, only verified instances.

Every new connection asks the server which instance it is and compares that with the one the
store has verified. A restart or a failover therefore cannot slip under a producer: its next
connection is refused with `UnverifiedServer`, and the store opens anew (`eventstore.opening`).
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

import redis
import redis.asyncio as aredis
from redis.asyncio.connection import SSLConnection as AsyncSSLConnection
from redis.asyncio.connection import UnixDomainSocketConnection as AsyncUnixConnection
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.connection import (
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
    parse_url,
)
from redis.retry import Retry

from eventstore.faults import UnverifiedServer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventstore.settings_models import RedisSettings

_IDENTITY_SECTIONS: Final = ("server", "replication")


@dataclasses.dataclass(frozen=True)
class ServerIdentity:
    """Which server instance this is: a restart changes run_id, a failover replid."""

    run_id: str
    replid: str
    role: str

    def __str__(self) -> str:
        return f"{self.run_id[:8]}:{self.replid[:8]}"


def identity_from_info(info: bytes) -> ServerIdentity:
    """Return the identity that INFO's sections `server` and `replication` show."""
    fields = parse_info(info)
    return ServerIdentity(fields["run_id"], fields["master_replid"], fields["role"])


def parse_info(info: bytes) -> dict[str, str]:
    """Return the fields of an INFO reply."""
    pairs = (line.partition(":") for line in info.decode().splitlines() if ":" in line)
    return {name: value for name, _, value in pairs}


class Guard:
    """Decides which server instance connections may reach.

    `admitted` None admits any (`open_to_any`) or none.
    """

    def __init__(self, *, open_to_any: bool) -> None:
        self._open_to_any = open_to_any
        self.admitted: ServerIdentity | None = None

    @property
    def _admits_any(self) -> bool:
        return self.admitted is None and self._open_to_any

    def check(self, found: ServerIdentity) -> None:
        """Raise `UnverifiedServer` unless connections may reach this instance."""
        if self._admits_any:
            return
        if self.admitted is None:
            raise UnverifiedServer("the store is not open")
        if found.role != "master":
            raise UnverifiedServer("the server is a replica, which may be promoted without notice")
        if found != self.admitted:
            raise UnverifiedServer(f"instance {found} is not the verified {self.admitted}")

    def on_connect(self, connection: Any) -> None:
        """Greet a server and check it; the connect hook of blocking connections."""
        try:
            connection.on_connect()
            if not self._admits_any:
                connection.send_command("INFO", *_IDENTITY_SECTIONS, check_health=False)
                self.check(identity_from_info(connection.read_response()))
        except BaseException:
            # An interrupt between the calls too: a connection is checked whole, or it is none.
            connection.disconnect()
            raise

    async def on_connect_async(self, connection: Any) -> None:
        """Greet a server and check it; the connect hook of asyncio connections."""
        # A cancellation arrives in one of these awaits, each of which then closes the connection.
        await connection.on_connect()
        if not self._admits_any:
            await connection.send_command("INFO", *_IDENTITY_SECTIONS, check_health=False)
            self.check(identity_from_info(await connection.read_response()))


@dataclasses.dataclass(frozen=True)
class Target:
    """Where a server is and how to speak to it, for either kind of client."""

    kind: str
    options: Mapping[str, Any]
    max_connections: int
    wait: float

    @property
    def where(self) -> str:
        """The address, for messages; holds no secret."""
        if self.kind == "unix":
            return str(self.options["path"])
        return f"{self.options['host']}:{self.options['port']}"


def target_of(settings: RedisSettings, socket_path: str | None = None) -> Target:
    """Return the target that the settings name, or the unix socket of an embedded server.

    An embedded server has one database and no password: what the settings say of those is about
    another server, and is left out.
    """
    options: dict[str, Any] = {
        "socket_timeout": settings.socket_timeout,
        "socket_connect_timeout": settings.connect_timeout,
        "health_check_interval": settings.health_check_interval,
        "client_name": settings.client_name,
        # Else the library looks up its own version on disk for every connection.
        "driver_info": None,
    }
    if socket_path is not None:
        kind = "unix"
        options["path"] = socket_path
    else:
        kind = _address(settings, options)
    if kind == "tls":
        options["ssl_check_hostname"] = settings.tls_check_hostname
        for name in ("ca_certs", "certfile", "keyfile"):
            path = getattr(settings, f"tls_{name}")
            if path is not None:
                options[f"ssl_{name}"] = str(path)
    # Replies are parsed here, once, from bytes in the shape of protocol 2, whatever a URL says.
    options |= {"protocol": 2, "decode_responses": False}
    most = options.pop("max_connections", settings.max_connections)
    wait = options.pop("timeout", settings.socket_timeout)
    return Target(kind, options, int(most), float(wait))


def _address(settings: RedisSettings, options: dict[str, Any]) -> str:
    """Add where the server of the settings is and who asks; return the kind of connection."""
    options["db"] = settings.db
    if settings.username is not None:
        options["username"] = settings.username
    if settings.password is not None:
        options["password"] = settings.password.get_secret_value()
    if settings.url is not None:
        return _from_url(settings.url.get_secret_value(), options)
    options |= {"host": settings.host or "localhost", "port": settings.port}
    return "tls" if settings.tls else "tcp"


def _from_url(url: str, options: dict[str, Any]) -> str:
    parsed: dict[str, Any] = dict(parse_url(url))
    connection_class = parsed.pop("connection_class", Connection)
    options.update(parsed)
    if connection_class is UnixDomainSocketConnection:
        return "unix"
    options.setdefault("host", "localhost")
    options.setdefault("port", 6379)
    return "tls" if connection_class is SSLConnection else "tcp"


_SYNC: dict[str, type[Connection] | type[UnixDomainSocketConnection]] = {
    "tcp": Connection,
    "tls": SSLConnection,
    "unix": UnixDomainSocketConnection,
}
_ASYNC: dict[str, type[aredis.Connection] | type[AsyncUnixConnection]] = {
    "tcp": aredis.Connection,
    "tls": AsyncSSLConnection,
    "unix": AsyncUnixConnection,
}


def sync_pool(target: Target, guard: Guard) -> redis.BlockingConnectionPool:
    """Return a pool of blocking connections that pass `guard`; connects at first use."""
    return redis.BlockingConnectionPool(
        max_connections=target.max_connections,
        timeout=target.wait,
        connection_class=_SYNC[target.kind],
        retry=Retry(NoBackoff(), 0),
        redis_connect_func=guard.on_connect,
        **target.options,
    )


def async_pool(target: Target, guard: Guard) -> aredis.BlockingConnectionPool:
    """Return a pool of asyncio connections that pass `guard`; connects at first use."""
    return aredis.BlockingConnectionPool(
        max_connections=target.max_connections,
        timeout=target.wait,
        connection_class=_ASYNC[target.kind],
        retry=AsyncRetry(NoBackoff(), 0),
        redis_connect_func=guard.on_connect_async,
        **target.options,
    )


def plain_client(target: Target) -> redis.Redis:
    """Return an ordinary pooled client of the target, for the application's own commands."""
    pool = redis.BlockingConnectionPool(
        max_connections=target.max_connections,
        timeout=target.wait,
        connection_class=_SYNC[target.kind],
        retry=Retry(NoBackoff(), 0),
        **target.options,
    )
    return redis.Redis(connection_pool=pool)


def plain_async_client(target: Target) -> aredis.Redis:
    """Return an ordinary pooled asyncio client of the target, for the application's own use."""
    pool = aredis.BlockingConnectionPool(
        max_connections=target.max_connections,
        timeout=target.wait,
        connection_class=_ASYNC[target.kind],
        retry=AsyncRetry(NoBackoff(), 0),
        **target.options,
    )
    return aredis.Redis(connection_pool=pool)
