"""Events of one partition that are due together, and where the group is after each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from eventstore.codec import Recorded
    from eventstore.subscribing.delivered import Delivered
    from eventstore.views import Checkpoint

CHUNK_BYTES: Final = 8 * 1024 * 1024


class Chunk:
    """Events to hand out in order; `taken` of them are. Chunks of a feed are numbered from 0.

    `marks[n]` is the checkpoint once n of them are settled: it stands right before the next
    one, past everything between that the subscriber did not ask for.
    """

    __slots__ = ("events", "marks", "number", "taken")

    def __init__(
        self, number: int, events: Sequence[Delivered], marks: Sequence[Checkpoint]
    ) -> None:
        assert len(marks) == len(events) + 1
        self.number = number
        self.events = events
        self.marks = list(marks)
        self.taken = 0

    @property
    def mark(self) -> Checkpoint:
        """Where the group is once everything taken is settled."""
        return self.marks[self.taken]

    @property
    def is_empty(self) -> bool:
        """Whether everything is taken."""
        return self.taken == len(self.events)

    def take(self) -> Delivered:
        """Hand out the next event."""
        self.taken += 1
        return self.events[self.taken - 1]


def marks_of(
    wanted: Sequence[Recorded], page: Sequence[Recorded], at: Checkpoint
) -> list[Checkpoint]:
    """Return the marks of the events of a page that are wanted; `at` is where the page begins."""
    places = {item.position: item for item in page}

    def before(position: int) -> Checkpoint:
        found = places.get(position - 1)
        return at if found is None else at._replace(position=found.position, chain=found.chain)

    last = page[-1]
    end = at._replace(position=last.position, chain=last.chain)
    return [*(before(item.position) for item in wanted), end]


def in_steps(wanted: Sequence[Recorded]) -> Iterator[slice]:
    """Yield runs of events with payloads of `CHUNK_BYTES` at most, or one event that has more."""
    first, size = 0, 0
    for number, item in enumerate(wanted):
        more = 0 if item.event.payload is None else item.event.payload.size
        if number > first and size + more > CHUNK_BYTES:
            yield slice(first, number)
            first, size = number, 0
        size += more
    if wanted:
        yield slice(first, len(wanted))
