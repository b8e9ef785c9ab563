"""Waiting for a condition with a deadline: the only way a test waits for another process."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_PAUSE = 0.005


def until(predicate: Callable[[], T | None], timeout: float = 60.0, *, what: str = "") -> T:
    """Call `predicate` until it answers something true, and return that.

    Raises `AssertionError` naming `what` when `timeout` seconds pass first. The deadline bounds a
    broken run; no test may rely on how soon the condition holds.
    """
    deadline = time.monotonic() + timeout
    while True:
        answer = predicate()
        if answer:
            return answer
        if time.monotonic() >= deadline:
            name = what or getattr(predicate, "__qualname__", repr(predicate))
            raise AssertionError(f"not within {timeout:g} s: {name} (last answer: {answer!r})")
        time.sleep(_PAUSE)
