"""Something that happens between what a decision reads and what it appends."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from eventstore.errors import EventStoreError
from eventstore.flow import Call
from eventstore.scripts import Script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from eventstore.flow import Flow, Step

T = TypeVar("T")


def before_appends(flow: Flow[T], acts: Iterable[Callable[[], object]]) -> Flow[T]:
    """Pass a flow's steps on; before its first append do the first act, and so on."""
    waiting = iter(acts)
    step = next(flow)
    while True:
        if _appends(step):
            next(waiting, _nothing)()
        try:
            answer = yield step
        except EventStoreError as error:
            send = _throwing(flow, error)
        else:
            send = _sending(flow, answer)
        try:
            step = send()
        except StopIteration as end:
            found: T = end.value
            return found


def _appends(step: Step) -> bool:
    return isinstance(step, Call) and isinstance(step.verb, Script) and step.verb.name == "append"


def _throwing(flow: Flow[T], error: EventStoreError) -> Callable[[], Step]:
    return lambda: flow.throw(error)


def _sending(flow: Flow[T], answer: object) -> Callable[[], Step]:
    return lambda: flow.send(answer)


def _nothing() -> None:
    """Once the acts are used up, nothing comes between."""
