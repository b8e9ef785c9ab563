"""Header fields that hold for a block of code: `with bus.bind(session_id=…, agent_id=…):`."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from eventstore.errors import InvalidEvent
from eventstore.headers import check_field

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NOTHING: Final[Mapping[str, Any]] = {}
_BINDABLE: Final = (
    "session_id",
    "agent_id",
    "branch_id",
    "episode_id",
    "group_id",
    "correlation_id",
    "traceparent",
)
_TRACE: Final = ("correlation_id", "traceparent")
_bound: ContextVar[Mapping[str, Any]] = ContextVar("eventstore_bound", default=_NOTHING)


def bound() -> Mapping[str, Any]:
    """Return the fields bound in this thread or task."""
    return _bound.get()


def bound_trace() -> dict[str, Any]:
    """Return what is bound of correlation id and traceparent."""
    fields = _bound.get()
    return {name: fields[name] for name in _TRACE if name in fields}


@contextmanager
def bind(**fields: Any) -> Iterator[None]:
    """Fill these header fields of what is published inside the block, in this thread or task.

    Blocks nest; the inner one wins, and a header's own field wins over both. None leaves a
    field as it is. Raises `InvalidEvent` for a field that belongs to one artifact only, such as
    `ref`, and `InvalidEvent` or `InvalidName` for a wrong value.
    """
    for name in fields:
        if name not in _BINDABLE:
            raise InvalidEvent(f"bind.{name}", f"only {', '.join(_BINDABLE)} can be bound")
    given = {name: value for name, value in fields.items() if value is not None}
    for name, value in given.items():
        check_field(name, value, f"bind.{name}")
    token = _bound.set({**_bound.get(), **given})
    try:
        yield
    finally:
        _bound.reset(token)
