"""Backends of the program's own, and emissions that are no good: never an error."""

from __future__ import annotations

import logging
import os
from typing import Any

import pytest
from support.emitted import Shown

from eventstore.emitting import Metrics


@pytest.fixture
def shown() -> Shown:
    return Shown()


class CustomMetrics:
    """A backend as the specification spells it."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, float, Any]] = []

    def emit(self, name: str, value: float, tags: Any = None) -> None:
        self.seen.append((name, value, tags))


class Failing:
    def emit(self, name: str, value: float, tags: Any = None) -> None:
        raise ConnectionError("the collector is away")


def test_a_backend_of_the_program_takes_over_at_once(shown: Shown) -> None:
    shown.emit("n", 1)
    custom = CustomMetrics()
    shown.metrics._backend = custom
    shown.emit("n", 2, tags={"any": "tags"})
    shown.emit("n", 3)
    assert custom.seen == [("n", 2, {"any": "tags"}), ("n", 3, None)]
    assert shown.samples("eventstore_app_n_count") == {(): 1}
    shown.metrics._backend = shown.backend
    shown.emit("n", 4)
    assert len(custom.seen) == 2
    assert shown.samples("eventstore_app_n_count") == {(): 2}


def test_a_backend_that_fails_is_counted_and_logged_once(
    shown: Shown, caplog: pytest.LogCaptureFixture
) -> None:
    shown.metrics._backend = Failing()
    for name in ("a", "b", "a", "a"):
        shown.emit(name, 1)
    assert shown.rejected() == {"backend": 4}
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "the collector is away" in caplog.text


@pytest.mark.parametrize("backend", [object(), Metrics])
def test_what_is_no_backend_is_no_error(shown: Shown, backend: Any) -> None:
    shown.metrics._backend = backend
    shown.emit("a", 1)
    assert shown.rejected() == {"backend": 1}


class Hostile:
    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__
    __float__ = __str__


@pytest.mark.parametrize(
    ("name", "value", "tags"),
    [
        (Hostile(), 1, None),
        ("n", Hostile(), None),
        ("n", 1, Hostile()),
        ("n", 1, {"a": Hostile()}),
        ("n", 1, {Hostile(): "a"}),
    ],
    ids=["name", "value", "tags", "tag value", "tag key"],
)
def test_nothing_that_is_emitted_is_an_error(
    shown: Shown, name: Any, value: Any, tags: Any
) -> None:
    shown.emit(name, value, tags=tags)
    assert sum(shown.rejected().values()) == 1


def test_what_is_said_is_bounded(shown: Shown, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(1_100):
        shown.emit(f"n{number}", float("nan"))
    assert len(caplog.messages) == 1_000
    assert shown.rejected() == {"value": 1_100}


def test_a_forked_child_can_emit(shown: Shown) -> None:
    shown.emit("n", 1)
    child = os.fork()
    if child == 0:
        shown.emit("n", 1)
        shown.emit("m", 1)
        os._exit(0 if shown.samples("eventstore_app_m_count") == {(): 1} else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert shown.samples("eventstore_app_n_count") == {(): 1}
