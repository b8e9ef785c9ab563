"""Which sort of group has parked something: it decides what replaying and dropping mean."""

from __future__ import annotations

import enum
import importlib
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio.to_thread
from redis.exceptions import RedisError

from consumers.working.groups import known_groups, known_projections
from eventstore.errors import GroupNotFound, GroupRefused, InvalidInput, Unavailable
from eventstore.faults import says_away
from eventstore.flow import Call, Flow, as_is, batch
from eventstore.loading import load_payloads, payload_of
from eventstore.subscribing.delivered import Delivered

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eventstore.codec import Recorded
    from eventstore.consuming.access import StoreAccess
    from eventstore.consuming.writes import Write
    from eventstore.keys import Keys
    from eventstore.parking.replaying import Handle

    Handler: TypeAlias = Callable[[Delivered], Any]
    """What a program runs for each event, a function or a coroutine function."""


class Kind(enum.Enum):
    """What a group is."""

    PROJECTION = "a read model"
    OWN = "a group of the store's own"
    COMPETING = "a competing group"
    SUBSCRIBER = "a subscriber"


def kind_of(partitions: Sequence[Keys], group: str) -> Flow[Kind]:
    """Return what a group is. Raises `GroupNotFound`."""
    if group in {each.name for each in known_projections()}:
        return Kind.PROJECTION
    if group in known_groups():
        return Kind.OWN
    hashes = [key for keys in partitions for key in (keys.competing, keys.subscribers)]
    found = yield from batch([Call("HGET", (key,), (group,), as_is) for key in hashes])
    if any(found[0::2]):
        return Kind.COMPETING
    if any(found[1::2]):
        return Kind.SUBSCRIBER
    counts = yield from batch(
        [Call("HEXISTS", (k.checkpoints,), (group,), int) for k in partitions]
    )
    if any(counts):
        # A projection that is installed no more, say.
        return Kind.PROJECTION
    raise GroupNotFound(group)


def handle_of(
    access: StoreAccess, keys: Keys, kind: Kind, group: str, handler: Handler | None
) -> Handle:
    """Return what handles one event of a group again.

    `handler` is for a subscriber: what it runs for each event. Raises `GroupRefused` for a read
    model, `InvalidInput` for a handler that is missing.
    """
    if kind is Kind.PROJECTION:
        raise GroupRefused(
            group,
            "it is a read model, folded in the order of the log: what an event of then would do "
            "to the rows of now is not what the log says. Mend its code, and "
            f"`eventstore projection rebuild {group}` takes the event in",
        )
    if kind is Kind.OWN:
        return _own(access, keys, group)
    if handler is None:
        raise InvalidInput(
            f"group {group!r} is a program's: name what handles its events, "
            "--handler module:function"
        )
    return _subscribers(access, keys, group, handler)


def _own(access: StoreAccess, keys: Keys, group: str) -> Handle:
    handler = known_groups()[group](access)

    async def handle(recorded: Recorded) -> Sequence[Write]:
        return await handler.writes([recorded], 1, keys)

    return handle


def _subscribers(access: StoreAccess, keys: Keys, group: str, handler: Handler) -> Handle:
    state = keys.subscriber(group)

    async def handle(recorded: Recorded) -> Sequence[Write]:
        wanted = [payload_of(recorded.event)]
        [payload] = await access.run(load_payloads(access.payloads, keys, wanted))
        event = Delivered(recorded, payload, state)
        try:
            returned = await anyio.to_thread.run_sync(handler, event)
            returned = await returned if inspect.isawaitable(returned) else returned
        except RedisError as error:
            if not says_away(error):
                raise
            raise Unavailable(
                f"what handles the events of {group!r} cannot reach a server of its own: {error}; "
                "what was handled before is settled, run the replay again"
            ) from error
        return event.check_writes(returned)

    return handle


def load_handler(name: str) -> Handler:
    """Return the function that `module:function` names, looked up from the current directory.

    Raises `InvalidInput` if there is none.
    """
    module, _, attribute = name.partition(":")
    if not module or not attribute:
        raise InvalidInput(f"--handler {name!r}: write module:function")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise InvalidInput(f"--handler {name}: {error}") from error
    if not callable(found):
        raise InvalidInput(f"--handler {name}: it is no function")
    handler: Handler = found
    return handler
