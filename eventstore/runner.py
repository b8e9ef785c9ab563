"""The two shells that perform a flow's steps: one blocking, one asyncio.

Each exchange takes a connection for itself, writes all commands in one go and reads the replies
in order. A connection on which an exchange did not come to its end is closed, never reused: its
next reply would belong to the wrong command.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import anyio.to_thread
import hiredis
import redis
import redis.asyncio as aredis
from redis import exceptions as redis_errors

from eventstore.connection import Guard, Target, async_pool, sync_pool
from eventstore.errors import EventStoreError
from eventstore.faults import translate
from eventstore.flow import Argument, Batch, Blocking, Call, Flow, Pause
from eventstore.scripts import Script

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")
Command = tuple[Argument, ...]


def _command(step: Call[Any]) -> Command:
    if isinstance(step.verb, Script):
        return ("EVALSHA", step.verb.sha, len(step.keys), *step.keys, *step.args)
    return (step.verb, *step.keys, *step.args)


def _with_source(step: Call[Any]) -> Command:
    assert isinstance(step.verb, Script)
    return ("EVAL", step.verb.source, len(step.keys), *step.keys, *step.args)


def _packed(commands: Sequence[Command]) -> bytes:
    # The client's own packing looks at every argument in Python, and for asyncio packs there too.
    # hiredis says that it takes a tuple of one; it takes any.
    return b"".join([hiredis.pack_command(each) for each in commands])  # type: ignore[arg-type]


def _parsed(calls: Sequence[Call[Any]], replies: Sequence[Any], target: Target) -> list[Any]:
    for reply in replies:
        if isinstance(reply, redis_errors.RedisError):
            raise translate(reply, target)
    return [step.parse(reply) for step, reply in zip(calls, replies, strict=True)]


class Runner:
    """Performs flows with blocking connections; safe to use from many threads."""

    def __init__(self, target: Target, guard: Guard, control: Guard) -> None:
        self._target = target
        self._pools = {
            False: sync_pool(target, guard),
            True: sync_pool(target, control),
        }

    def run(self, flow: Flow[T]) -> T:
        """Perform a flow's steps until it returns; its errors are the flow's."""
        try:
            step = next(flow)
            while True:
                try:
                    result = self._perform(step)
                except EventStoreError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(result)
        except StopIteration as end:
            value: T = end.value
            return value

    def close(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            pool.disconnect()

    def connections(self) -> tuple[int, int]:
        """Return how many connections of the pool are idle, and how many in use."""
        (idle, _), (used, _) = self._pools[False].get_connection_count()
        return idle, used

    def _perform(self, step: Any) -> Any:
        if isinstance(step, Call):
            reply = self._exchange([_command(step)], control=step.control)[0]
            if isinstance(reply, redis_errors.NoScriptError):
                reply = self._exchange([_with_source(step)], control=step.control)[0]
            return _parsed([step], [reply], self._target)[0]
        if isinstance(step, Batch):
            commands = [_command(each) for each in step.calls]
            replies = self._exchange(commands, control=step.calls[0].control)
            return _parsed(step.calls, replies, self._target)
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        assert isinstance(step, Blocking)
        return step.function(*step.args)

    def _exchange(self, commands: Sequence[Command], *, control: bool) -> list[Any]:
        pool = self._pools[control]
        try:
            connection = pool.get_connection()
        except redis_errors.RedisError as error:
            raise translate(error, self._target) from error
        try:
            connection.send_packed_command([_packed(commands)])
            replies = [_reply(connection) for _ in commands]
        except BaseException as error:
            connection.disconnect()
            if isinstance(error, redis_errors.RedisError):
                raise translate(error, self._target) from error
            raise
        finally:
            pool.release(connection)
        return replies


def _reply(connection: redis.Connection) -> Any:
    try:
        return connection.read_response()
    except redis_errors.ResponseError as error:
        return error


class AsyncRunner:
    """Performs flows with asyncio connections, for one event loop."""

    def __init__(self, target: Target, guard: Guard, control: Guard) -> None:
        self._target = target
        self._pools = {
            False: async_pool(target, guard),
            True: async_pool(target, control),
        }

    async def run(self, flow: Flow[T]) -> T:
        """Perform a flow's steps until it returns; its errors are the flow's."""
        try:
            step = next(flow)
            while True:
                try:
                    result = await self._perform(step)
                except EventStoreError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(result)
        except StopIteration as end:
            value: T = end.value
            return value

    async def close(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            await pool.disconnect()

    def connections(self) -> tuple[int, int]:
        """Return how many connections of the pool are idle, and how many in use."""
        (idle, _), (used, _) = self._pools[False].get_connection_count()
        return idle, used

    async def _perform(self, step: Any) -> Any:
        if isinstance(step, Call):
            reply = (await self._exchange([_command(step)], control=step.control))[0]
            if isinstance(reply, redis_errors.NoScriptError):
                reply = (await self._exchange([_with_source(step)], control=step.control))[0]
            return _parsed([step], [reply], self._target)[0]
        if isinstance(step, Batch):
            commands = [_command(each) for each in step.calls]
            replies = await self._exchange(commands, control=step.calls[0].control)
            return _parsed(step.calls, replies, self._target)
        if isinstance(step, Pause):
            await anyio.sleep(step.seconds)
            return None
        assert isinstance(step, Blocking)
        return await anyio.to_thread.run_sync(
            step.function, *step.args, abandon_on_cancel=step.abandon
        )

    async def _exchange(self, commands: Sequence[Command], *, control: bool) -> list[Any]:
        pool = self._pools[control]
        try:
            connection = await pool.get_connection()
        except redis_errors.RedisError as error:
            raise translate(error, self._target) from error
        try:
            await connection.send_packed_command(_packed(commands))
            replies = [await _async_reply(connection) for _ in commands]
        except BaseException as error:
            with anyio.CancelScope(shield=True):
                await connection.disconnect(nowait=True)
            if isinstance(error, redis_errors.RedisError):
                raise translate(error, self._target) from error
            raise
        finally:
            with anyio.CancelScope(shield=True):
                await pool.release(connection)
        return replies


async def _async_reply(connection: aredis.Connection) -> Any:
    try:
        return await connection.read_response()
    except redis_errors.ResponseError as error:
        return error
