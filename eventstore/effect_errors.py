"""Errors of side effects that are made through the store."""

from __future__ import annotations

from typing import Any

from eventstore.errors_base import Refused, Unavailable


class EffectRefused(Refused):
    """A side effect is not made, or not settled; `key` names it, `call_ref` its call if any."""

    def __init__(self, key: str, call_ref: str | None, problem: str) -> None:
        where = "" if call_ref is None else f" (call {call_ref})"
        super().__init__(f"effect {key!r}{where}: {problem}")
        self.key = key
        self.call_ref = call_ref


class EffectUnanswered(EffectRefused):
    """The effect was begun and has no result: it is under way, or whoever made it died."""

    def __init__(self, key: str, call_ref: str, begun: str) -> None:
        super().__init__(
            key,
            call_ref,
            f"begun {begun}, and without a result: it is under way, or its process ended in it. "
            "Look outside whether it happened and `settle` it; give `retry_after` only where "
            "making it twice does no harm",
        )


class EffectFailed(EffectRefused):
    """The effect was made before and failed, so it is not made again; `error` is what was said."""

    def __init__(self, key: str, call_ref: str, error: str) -> None:
        super().__init__(
            key,
            call_ref,
            f"it failed before: {error}. Make it under another key; give `retry_after` only where "
            "making it twice does no harm",
        )
        self.error = error


class EffectUnrecorded(Unavailable):
    """The effect was made and its result could not be recorded; `result` has it.

    The call stays unanswered until `settle` records what came of it.
    """

    def __init__(self, key: str, call_ref: str, result: Any, problem: object) -> None:
        super().__init__(
            f"effect {key!r} was made, and its result could not be recorded: {problem}. "
            f"Call {call_ref} is unanswered until `settle` says what came of it"
        )
        self.key = key
        self.call_ref = call_ref
        self.result = result
