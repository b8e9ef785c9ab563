"""A side effect as a value: what is asked for, what was begun, what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, get_args

from eventstore.errors import InvalidInput
from eventstore.names import check_name
from eventstore.payloads import encode_payload
from eventstore.refs import derived_ref

if TYPE_CHECKING:
    from collections.abc import Mapping

Policy = Literal["none", "penalty", "strict"]
DUPLICATE: Final = "duplicate_call"
"""The type of the artifact that says that a repeated effect was answered and not made."""
OK, ERROR = "ok", "error"


class Effect(NamedTuple):
    """A side effect as asked for."""

    tool: str
    arguments: Mapping[str, Any]
    key: str
    policy: Policy
    penalty: float
    retry_after: float | None
    tool_call_id: str | None

    @property
    def payload(self) -> dict[str, Any]:
        """What the call's artifact holds."""
        return {"name": self.tool, "arguments": dict(self.arguments)}


class Begun(NamedTuple):
    """An effect that the caller is to make now: its call is in the log."""

    effect: Effect
    call_ref: str
    attempt: int
    penalty: float


class Outcome(NamedTuple):
    """What came of a side effect.

    `executed` says whether this call made it; otherwise `result` is what was recorded before.
    `attempt` counts the calls under `key` from 1; `penalty` is that of a repeated one.
    """

    result: Any
    executed: bool
    key: str
    call_ref: str
    result_ref: str
    attempt: int
    penalty: float


def make_effect(
    tool: str,
    arguments: Mapping[str, Any] | None,
    key: str | None,
    policy: str,
    penalty: float,
    retry_after: float | None,
    tool_call_id: str | None,
) -> Effect:
    """Return the effect that a caller asks for; without a key it is its tool and arguments."""
    check_name("tool", tool)
    if policy not in get_args(Policy):
        raise InvalidInput(f"policy: one of {', '.join(get_args(Policy))}, not {policy!r}")
    _check_number("penalty", penalty)
    if retry_after is not None:
        _check_number("retry_after", retry_after)
    if tool_call_id is not None:
        check_name("tool_call_id", tool_call_id)
    if arguments is not None and not isinstance(arguments, dict):
        raise InvalidInput(f"arguments: is a dict, not {type(arguments).__name__}")
    given = dict(arguments or {})
    if key is None:
        # Before any redaction: two calls that differ in a secret alone are two.
        content = encode_payload({"name": tool, "arguments": given}, "json", 0).info
        key = f"{tool[:64]}:{content.sha256}"
    chosen: Any = policy
    return Effect(
        tool, given, check_name("key", key), chosen, float(penalty), retry_after, tool_call_id
    )


def _check_number(what: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise InvalidInput(f"{what}: a number from 0 on, not {value!r}")


def call_ref(session_id: str, branch_id: str, key: str, attempt: int) -> str:
    """Return the ref of an attempt's call."""
    return derived_ref("effect", session_id, branch_id, key, str(attempt))


def result_ref(call_ref: str) -> str:
    """Return the ref of the result of a call."""
    return derived_ref("effect result", call_ref)
