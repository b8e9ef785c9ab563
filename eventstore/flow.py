"""Operations without I/O: what to send, written once and driven by a sync or an async shell.

An operation is a generator (`Flow`) that yields steps and is sent their results; it returns
the operation's result. A shell performs the steps: `eventstore.runner.Runner` with blocking
connections, `eventstore.runner.AsyncRunner` with asyncio ones. Errors of a step are thrown into
the flow, already translated to `EventStoreError`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

if TYPE_CHECKING:
    from eventstore.scripts import Script

T = TypeVar("T")
Argument: TypeAlias = bytes | str | int | float


def as_is(reply: Any) -> Any:
    """Return a reply unparsed."""
    return reply


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One command or script: the keys it touches, its arguments, how its reply reads.

    A command is sent as `verb *keys *args`. Each exchange has a connection to itself, so a call
    that waits on the server holds up nobody else. `control` calls run on connections that may
    reach a server which is not verified yet; only opening a store makes them.
    """

    verb: str | Script
    keys: tuple[str, ...]
    args: tuple[Argument, ...]
    parse: Callable[[Any], T]
    control: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """Several commands (no scripts) in one round trip; the result is the list of results."""

    calls: tuple[Call[Any], ...]


@dataclass(frozen=True, slots=True)
class Blocking:
    """A function that blocks (a file, a process); the async shell runs it in a thread.

    Cancelled, the shell waits for it, unless it may be left behind (`abandon`).
    """

    function: Callable[..., Any]
    args: tuple[Any, ...] = field(default=())
    abandon: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait this many seconds."""

    seconds: float


Step: TypeAlias = Call[Any] | Batch | Blocking | Pause
Flow: TypeAlias = Generator[Step, Any, T]


def call(step: Call[T]) -> Flow[T]:
    """Perform one call."""
    result: T = yield step
    return result


def batch(calls: list[Call[T]]) -> Flow[list[T]]:
    """Perform calls in one round trip; no round trip at all for none."""
    if not calls:
        return []
    result: list[T] = yield Batch(tuple(calls))
    return result


def blocking(function: Callable[..., T], *args: Any) -> Flow[T]:
    """Run a function that blocks."""
    result: T = yield Blocking(function, args)
    return result


def pause(seconds: float) -> Flow[None]:
    """Wait."""
    yield Pause(seconds)
