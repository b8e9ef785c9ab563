"""Waiting until every consumer group has caught up with the log."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from eventstore.errors import NotCaughtUp
from eventstore.views import Views

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from eventstore.store import EventStore

# So many times `store.read_timeout` a group may stand still: a worker may just be starting.
_ROUNDS: Final = 3


def wait_until_caught_up(
    store: EventStore,
    groups: Iterable[str],
    progress: Callable[[str, int, int], object] = lambda *_: None,
) -> None:
    """Return when every group has passed what the log holds now.

    However much there is to consume, a group that gets on is waited for; `progress` is told the
    group, its position and the head. Raises `NotCaughtUp` for one that stands still.
    """
    log = store.parts.log
    views = Views(log)
    heads = store.head()
    for group in groups:
        for head in heads:
            keys = log.partitions[head.partition]
            reached, rounds = -1, 0
            while True:
                try:
                    store.reading(partial(views.wait, group, keys, head.position))
                except NotCaughtUp as behind:
                    rounds = 0 if behind.position > reached else rounds + 1
                    if rounds == _ROUNDS:
                        raise
                    reached = behind.position
                    progress(group, reached, head.position)
                else:
                    break
