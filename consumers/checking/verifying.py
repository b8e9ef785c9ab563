"""`projection verify`: a read model on the server against a fold of the log, row by row.

The group may go on consuming meanwhile. A key that equals the fold at one position is right
there; one that differs may only be of a later position, so the fold is taken further and the
key read again, until the group stood still around a look at every key still in question.

Events that the group left out, parked or dropped, are left out of the fold as well. The fold is
held in memory, about as large as the read model itself.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

import msgspec

from consumers.checking.dumping import KEYS_A_PAGE, dump, scan, text
from eventstore.consuming.history import replay
from eventstore.errors import Diverged, Unavailable
from eventstore.flow import Flow, call
from eventstore.log_reader import PAGE
from eventstore.parking.reading import left_out
from eventstore.views import START, Checkpoint, checkpoint
from projections.memory import Memory
from projections.verify import Difference, Digest, differences

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.codec import Recorded
    from eventstore.keys import Keys
    from eventstore.log import Log
    from eventstore.log_reader import LogReader
    from projections.base import Projection

_MOST_ROUNDS: Final = 50


class Verified(msgspec.Struct, frozen=True):
    """What verifying a projection in one partition found.

    `position` is what the read model was compared at. `keys`, `rows` and `digest` are of the
    fold; the server's are the same if there are no differences. `keys_differing` counts all
    keys that are wrong, `differences` lists the first rows of them.
    """

    projection: str
    partition: int
    generation: int
    position: int
    keys: int
    rows: int
    digest: str
    keys_differing: int
    differences: tuple[Difference, ...]

    @property
    def is_equal(self) -> bool:
        """Whether the server holds what the log makes of it, no more and no less."""
        return self.keys_differing == 0


def verify_projection(
    log: Log, partition: int, projection: Projection, *, most: int = 100
) -> Flow[Verified]:
    """Compare one projection in one partition with a fold of the log up to its checkpoint.

    Lists at most `most` differences. Raises `Diverged` if the checkpoint is of another history
    than the log, and `Unavailable` if differences were seen while the group never stood still.
    """
    keys = log.partitions[partition]
    while True:
        at = yield from call(checkpoint(keys, projection.name))
        run = _Comparison(log.reader, keys, projection, at.generation, most)
        yield from run.fold_to(at)
        suspects = yield from run.all_keys()
        found = yield from run.settle(suspects)
        if found is not None:
            return found


class _Comparison:
    """One generation of a projection in one partition, and the fold it is compared with."""

    def __init__(
        self, reader: LogReader, keys: Keys, projection: Projection, generation: int, most: int
    ) -> None:
        self._reader = reader
        self._keys = keys
        self._projection = projection
        self._names = keys.projection(generation)
        self._parked = keys.parked(projection.name, generation)
        self._memory = Memory()
        self._at = START._replace(generation=generation)
        self._most = most

    def fold_to(self, at: Checkpoint) -> Flow[None]:
        """Take the fold on to a checkpoint of the same generation."""
        while self._at.position < at.position:
            page = yield from replay(self._reader, self._keys, self._at, at.position, PAGE)
            applied = yield from self._without_left_out(page)
            if applied:
                self._memory.advance(self._projection, applied, self._names)
            self._at = Checkpoint(at.generation, page[-1].position, page[-1].chain)
        if self._at != at:
            raise Diverged(
                f"partition {self._keys.partition}: {self._projection.name!r} was folded from "
                f"another history than the log holds ({at}, the log has {self._at}); rebuild it"
            )

    def _without_left_out(self, page: Sequence[Recorded]) -> Flow[list[Recorded]]:
        bounds = page[0].position, page[-1].position
        skipped = frozenset((yield from call(left_out(self._parked, *bounds, len(page)))))
        return [item for item in page if item.position not in skipped]

    def all_keys(self) -> Flow[list[str]]:
        """Return every key of the projection, here or there, that differs at a first look."""
        found = yield from scan(self._names, self._projection.families)
        names = dict.fromkeys((*self._memory.keys, *map(text, found)))
        suspects, _ = yield from self._compare(list(names))
        return suspects

    def settle(self, suspects: Sequence[str]) -> Flow[Verified | None]:
        """Look again at keys that differed until none does or the group stands still.

        None if a rebuild has put another generation in the place of this one.
        """
        if not suspects:
            return self._report(0, ())
        for _ in range(_MOST_ROUNDS):
            before = yield from call(checkpoint(self._keys, self._projection.name))
            if before.generation != self._at.generation:
                return None
            yield from self.fold_to(before)
            suspects, found = yield from self._compare(suspects)
            after = yield from call(checkpoint(self._keys, self._projection.name))
            if after == before or not suspects:
                return self._report(len(suspects), found)
        raise Unavailable(
            f"partition {self._keys.partition}: {self._projection.name!r} moved whenever it was "
            "compared; verify it when less is appended, or stop the workers meanwhile"
        )

    def _compare(self, names: Sequence[str]) -> Flow[tuple[list[str], tuple[Difference, ...]]]:
        """Return the keys that differ now, and the first rows of them that do."""
        suspects: list[str] = []
        listed: list[Difference] = []
        for start in range(0, len(names), KEYS_A_PAGE):
            page = names[start : start + KEYS_A_PAGE]
            raw = [name.encode("utf-8", "surrogateescape") for name in page]
            contents = yield from dump(raw)
            for name, key, content in zip(page, raw, contents, strict=True):
                shown = key.decode("utf-8", "backslashreplace")
                faults = differences(shown, self._memory.keys.get(name), content)
                first = list(islice(faults, max(1, self._most - len(listed))))
                if first:
                    suspects.append(name)
                    listed += first
        return suspects, tuple(listed[: self._most])

    def _report(self, differing: int, found: tuple[Difference, ...]) -> Verified:
        digest = Digest()
        for name, content in self._memory.keys.items():
            digest.add(name.removeprefix(self._names.prefix), content)
        return Verified(
            projection=self._projection.name,
            partition=self._keys.partition,
            generation=self._at.generation,
            position=self._at.position,
            keys=len(self._memory.keys),
            rows=sum(len(content.rows) for content in self._memory.keys.values()),
            digest=digest.hexdigest(),
            keys_differing=differing,
            differences=found,
        )
