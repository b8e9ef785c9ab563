"""Side effects through the log: a call before, a result after, and what is repeated is known.

    effects = SideEffects(get_bus(), "c-1", agent_id="clerk")
    receipt = effects.run("charge", charge, {"cents": 500}, key="order-17").result

`eventstore.async_effects` is the asyncio twin; a test compares them.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from eventstore.effect import Outcome, make_effect
from eventstore.effect_core import EffectCore
from eventstore.event import MAIN_BRANCH
from eventstore.operations import Operations

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from eventstore.bus import EventBus
    from eventstore.effect import Policy


class SideEffects:
    """Makes side effects in a session, each known by its key. Safe to share between threads.

    What is promised of strict effects: of all callers of all processes one appends the call and
    makes the effect; the others get its result, or an error. Whether the effect happened in a
    process that died in it nobody knows but the world outside, so nothing makes it again unless
    the caller says that this does no harm. What a server loses by its durability is forgotten.
    """

    def __init__(
        self,
        bus: EventBus,
        session_id: str,
        *,
        agent_id: str | None = None,
        branch_id: str = MAIN_BRANCH,
    ) -> None:
        parts = bus.store.parts
        operations = Operations(parts.log, parts.appender, parts.payloads, bus.redact)
        self._runner = bus.store.runner
        self._core = EffectCore(operations, session_id, agent_id, branch_id)

    def run(
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
        """Make an effect, `function(**arguments)`, between its call and its result in the log.

        Under the same `key` (by default the tool and its arguments) in the session and branch:
        "strict" makes it no second time, and returns the recorded result; "penalty" makes it, and
        records `penalty` for each repetition; "none" makes and records it each time.

        A call without a result raises `EffectUnanswered`, one that failed `EffectFailed`, unless
        `retry_after` says that making the effect twice does no harm: then it is made again where
        it failed, or has had no result for so many seconds. What the function raises is recorded
        and raised. Raises `EffectRefused` for a key of other arguments, `EffectUnrecorded` if the
        effect was made and the store is away, `InvalidEvent` for a result that cannot be kept.
        """
        effect = make_effect(tool, arguments, key, policy, penalty, retry_after, tool_call_id)
        begun = self._runner.run(self._core.begin(effect))
        if isinstance(begun, Outcome):
            return begun
        started = time.monotonic()
        try:
            result = function(**effect.arguments)
        except Exception as error:
            seconds = time.monotonic() - started
            self._runner.run(self._core.fail(begun, error, seconds))
            raise
        seconds = time.monotonic() - started
        return self._runner.run(self._core.succeed(begun, result, seconds))

    def settle(self, key: str, result: Any = None, *, error: str | None = None) -> Outcome:
        """Record what came of an effect whose maker died; `error` says that it failed.

        Raises `EffectRefused` if there is no unanswered call under the key.
        """
        return self._runner.run(self._core.settle(key, result, error))
