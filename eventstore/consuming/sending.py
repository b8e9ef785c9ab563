"""Performing what may be performed twice, through losses of the server."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

import anyio

from eventstore.consuming.backoff import pause_after
from eventstore.errors import Unavailable
from eventstore.flow import call

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventstore.consuming.access import StoreAccess
    from eventstore.flow import Call, Flow

T = TypeVar("T")


async def send(access: StoreAccess, step: Call[T]) -> T:
    """Return the answer to a call that has the same one when it is sent again; see `persist`."""
    return await persist(access, lambda: call(step))


async def persist(access: StoreAccess, flow: Callable[[], Flow[T]]) -> T:
    """Perform a flow again and again while the store is away, for `store.publish_timeout` seconds.

    Raises the last `Unavailable` after that, and any other error of the flow at once.
    """
    deadline = time.monotonic() + access.settings.store.publish_timeout
    failures = 0
    while True:
        try:
            return await access.run(flow())
        except Unavailable:
            # Whether it happened is not known, and makes no difference.
            if time.monotonic() >= deadline:
                raise
        failures += 1
        await anyio.sleep(pause_after(failures))
