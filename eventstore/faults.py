"""What the client library raises, said in this project's terms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from redis import exceptions as redis_errors

from eventstore.errors import (
    CommandFailed,
    EventStoreError,
    Sealed,
    StoreFull,
    StoreUnreachable,
    Unavailable,
    WriteRefused,
)

if TYPE_CHECKING:
    from eventstore.connection import Target

# What the server says of its own state, not of the command.
_PASSING: Final = (
    redis_errors.TryAgainError,
    redis_errors.BusyLoadingError,
    redis_errors.ClusterDownError,
)
# A primary that became a replica cuts off who waits for something on it.
_DEMOTED: Final = "UNBLOCKED "
_PASSING_CODES: Final = ("BUSY ", "MISCONF ", "NOREPLICAS ")
# What the server, or apply.lua, says of a key or of what was to be done to it.
_KEY_CODES: Final = ("BADWRITE ", "WRONGTYPE ")


_AWAY: Final = (
    *_PASSING,
    redis_errors.AskError,
    redis_errors.ConnectionError,
    redis_errors.OutOfMemoryError,
    redis_errors.ReadOnlyError,
    redis_errors.TimeoutError,
)


def says_away(error: redis_errors.RedisError) -> bool:
    """Return whether an error is of the server's state or of the way to it, not of the command."""
    return isinstance(error, _AWAY) or str(error).startswith((*_PASSING_CODES, _DEMOTED))


class UnverifiedServer(redis_errors.RedisError):
    """A connection reached a server instance that this process has not verified."""


def translate(error: redis_errors.RedisError, target: Target) -> EventStoreError:
    """Return the error of this project that a client library's error stands for."""
    where = target.where
    if isinstance(error, UnverifiedServer):
        return Sealed(f"{where}: {error}")
    if isinstance(error, redis_errors.OutOfMemoryError):
        return StoreFull(
            f"{where}: the server is at maxmemory and wrote nothing; raise maxmemory, or let the "
            "payload group drain the buffer, and send the same call again"
        )
    if isinstance(error, (redis_errors.AuthenticationError, redis_errors.NoPermissionError)):
        return CommandFailed(f"{where}: {error}; check redis.username and redis.password")
    if isinstance(error, _PASSING) or str(error).startswith(_PASSING_CODES):
        return Unavailable(f"{where}: {error}; send the same call again")
    if isinstance(error, redis_errors.AskError):
        return StoreUnreachable(
            f"{where} is a node of a cluster, and another one serves these keys ({error}); point "
            "redis.url at that one: a store lies on one node"
        )
    if isinstance(error, redis_errors.ReadOnlyError) or str(error).startswith(_DEMOTED):
        return StoreUnreachable(f"{where} is a replica; point redis.url at the primary")
    if isinstance(error, (redis_errors.ConnectionError, redis_errors.TimeoutError)):
        return StoreUnreachable(
            f"{where}: {type(error).__name__} {error}; {_remedy(error, target)}"
        )
    kind = WriteRefused if str(error).startswith(_KEY_CODES) else CommandFailed
    return kind(f"{where}: {error}")


def _remedy(error: redis_errors.RedisError, target: Target) -> str:
    """Return what to look at when a connection fails; most faults of TLS do not name it."""
    said = str(error)
    if target.kind == "tls":
        if "CERTIFICATE_VERIFY_FAILED" in said:
            return (
                "redis.tls_ca_certs must name the CA that signed its certificate, and that "
                "certificate must name this host (redis.tls_check_hostname)"
            )
        if "No such file" in said:
            return "redis.tls_ca_certs, tls_certfile and tls_keyfile must name files"
        return (
            "is the server up, and does it speak TLS there? If not: redis:// instead of "
            "rediss://, or redis.tls false; `eventstore doctor`"
        )
    if target.kind == "tcp" and any(word in said for word in ("reset", "closed", "Broken pipe")):
        return "is the server up? If it speaks TLS there: rediss://; `eventstore doctor`"
    return "is the server up? `eventstore doctor`"
