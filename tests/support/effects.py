"""Side effects of either form behind one interface, made by functions that note each call."""

from __future__ import annotations

import asyncio
import functools
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

import pytest

from eventstore.async_effects import AsyncSideEffects
from eventstore.effects import SideEffects

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.buses import BusUnderTest

    from eventstore.effect import Outcome


class Death(BaseException):
    """Stands for the end of a process in its effect: nothing of an application catches it."""


class EffectsUnderTest:
    """The effects of a session; `made` has the arguments of each that was made."""

    def __init__(self, tested: BusUnderTest, session_id: str, **named: Any) -> None:
        self.made: list[dict[str, Any]] = []
        self._portal = tested.portal
        if tested.portal is None:
            self._effects: Any = SideEffects(tested.bus, session_id, **named)
        else:
            self._effects = AsyncSideEffects(tested.awaited, session_id, **named)

    def run(
        self,
        tool: str,
        arguments: Any = None,
        *,
        gives: Any = "done",
        raises: BaseException | None = None,
        at: Callable[[], object] = lambda: None,
        **named: Any,
    ) -> Outcome:
        """Run an effect that gives or raises something, and does something meanwhile."""

        def make(**given: Any) -> Any:
            self.made.append(given)
            at()
            if raises is not None:
                raise raises
            return gives

        async def make_async(**given: Any) -> Any:
            return make(**given)

        function = make if self._portal is None else make_async
        outcome: Outcome = self._call(self._effects.run, tool, function, arguments, **named)
        return outcome

    def die_in(self, tool: str, arguments: Any = None, **named: Any) -> None:
        """Begin an effect whose maker says nothing of it any more."""
        end = Death() if self._portal is None else asyncio.CancelledError()
        with pytest.raises((Death, CancelledError)):
            self.run(tool, arguments, raises=end, **named)

    def settle(self, key: str, result: Any = None, **named: Any) -> Outcome:
        outcome: Outcome = self._call(self._effects.settle, key, result, **named)
        return outcome

    def _call(self, function: Any, *args: Any, **named: Any) -> Any:
        if self._portal is None:
            return function(*args, **named)
        return self._portal.call(functools.partial(function, *args, **named))
