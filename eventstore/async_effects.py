"""Side effects through the log, for asyncio callers: the twin of `eventstore.effects`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from eventstore.effect import Outcome, make_effect
from eventstore.effect_core import EffectCore
from eventstore.event import MAIN_BRANCH
from eventstore.operations import Operations

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from eventstore.async_bus import AsyncEventBus
    from eventstore.effect import Policy


class AsyncSideEffects:
    """Makes side effects in a session, each known by its key; see `SideEffects`.

    A cancelled effect is one whose outcome nobody knows: its call stays unanswered.
    """

    def __init__(
        self,
        bus: AsyncEventBus,
        session_id: str,
        *,
        agent_id: str | None = None,
        branch_id: str = MAIN_BRANCH,
    ) -> None:
        parts = bus.store.parts
        operations = Operations(parts.log, parts.appender, parts.payloads, bus.redact)
        self._runner = bus.store.runner
        self._core = EffectCore(operations, session_id, agent_id, branch_id)

    async def run(
        self,
        tool: str,
        function: Callable[..., Any],
        arguments: Mapping[str, Any] | None = None,
        *,
        key: str | None = None,
        policy: Policy = "strict",
        penalty: float = 1.0,
        retry_after: float | None = None,
        tool_call_id: str | None = None,
    ) -> Outcome:
        """Make an effect, `function(**arguments)`, between its call and its result in the log."""
        effect = make_effect(tool, arguments, key, policy, penalty, retry_after, tool_call_id)
        begun = await self._runner.run(self._core.begin(effect))
        if isinstance(begun, Outcome):
            return begun
        started = time.monotonic()
        try:
            result = await function(**effect.arguments)
        except Exception as error:
            seconds = time.monotonic() - started
            await self._runner.run(self._core.fail(begun, error, seconds))
            raise
        seconds = time.monotonic() - started
        return await self._runner.run(self._core.succeed(begun, result, seconds))

    async def settle(self, key: str, result: Any = None, *, error: str | None = None) -> Outcome:
        """Record what came of an effect whose maker died; `error` says that it failed.

        Raises `EffectRefused` if there is no unanswered call under the key.
        """
        return await self._runner.run(self._core.settle(key, result, error))
