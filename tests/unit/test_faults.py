"""What the client library raises, in this project's terms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis import exceptions as redis_errors

from eventstore.connection import Target
from eventstore.errors import CommandFailed, StoreFull, StoreUnreachable, Unavailable
from eventstore.faults import translate

if TYPE_CHECKING:
    from eventstore.errors import EventStoreError

TARGET = Target("tcp", {"host": "h", "port": 1}, 1, 1.0)


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (redis_errors.OutOfMemoryError("x"), StoreFull, "wrote nothing"),
        (redis_errors.NoPermissionError("NOPERM"), CommandFailed, "redis.username"),
        (redis_errors.BusyLoadingError("LOADING"), Unavailable, "send the same call again"),
        (redis_errors.TryAgainError("TRYAGAIN"), Unavailable, "send the same call again"),
        (redis_errors.MasterDownError("MASTERDOWN"), Unavailable, "send the same call again"),
        (redis_errors.ResponseError("MISCONF no save"), Unavailable, "send the same call again"),
        (redis_errors.ReadOnlyError("READONLY"), StoreUnreachable, "point redis.url at the"),
        (redis_errors.ResponseError("UNBLOCKED by force"), StoreUnreachable, "is a replica"),
        (redis_errors.MovedError("866 10.0.0.1:7001"), StoreUnreachable, "point redis.url at that"),
        (redis_errors.AskError("866 10.0.0.1:7001"), StoreUnreachable, "point redis.url at that"),
        (redis_errors.TimeoutError("reading"), StoreUnreachable, "is the server up"),
        (redis_errors.ResponseError("ERR syntax"), CommandFailed, "syntax"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_an_error_says_what_it_means_for_the_caller(
    error: redis_errors.RedisError, kind: type[EventStoreError], said: str
) -> None:
    found = translate(error, TARGET)
    assert type(found) is kind
    assert "h:1" in str(found)
    assert said in str(found)
