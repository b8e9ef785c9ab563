"""A log of which the beginning was trimmed, repaired: read, verified, trimmed again as before."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import pytest
from support.artifacts import artifacts
from support.losing import Site, hidden
from support.trimming import keep, stream, trim

from consumers.checking.log_verify import verify_log
from eventstore.errors import TwoHistories
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import TypeAlias

    from support.server import PrivateServer

    from eventstore.commands import Appended
    from eventstore.drafts import Draft
    from eventstore.opening.repairing import Keep

    Told: TypeAlias = "list[tuple[Draft, Appended]]"

OLD, JOURNALLED, LOGGED, KEPT = 40, 20, 4, 8


class Trimmed:
    """A store whose log was trimmed, and then parted from its journal.

    `reader` has it open all along, with what it remembers of journal and index.
    """

    def __init__(self, site: Site, reader: EventStore) -> None:
        self.site = site
        self.reader = reader
        self.old = self.tell(OLD)
        site.consume()

    def trim(self) -> int:
        """Trim all that may go; return the position that the stream begins with."""
        with self.site.open() as store:
            trim(store, keep(events=KEPT))
            return int(stream(store)[0][0].partition(b"-")[2])

    def part(self, *, trimming: bool) -> None:
        """Lose what comes from here on, a trim as well, and go on without the journal."""
        self.site.mark()
        self.journalled = self.tell(JOURNALLED)
        self.site.consume()
        if trimming:
            assert self.trim() == OLD + JOURNALLED - KEPT + 1
            self._check_reads(self.reader, self.old + self.journalled)
        self.site.lose()
        with hidden(self.site.root):
            self.logged = self.tell(LOGGED)
        self.site.server.restart()
        with pytest.raises(TwoHistories):
            self.site.open()

    def choose(self, choice: Keep) -> Told:
        """Repair; return what was told of events that are there afterwards."""
        with EventStore(self.site.settings) as store:
            repaired = store.repair(choice)
        assert repaired.problem is None
        (done,) = repaired.partitions
        assert done.lost_events == (JOURNALLED if choice == "stream" else LOGGED)
        return self.old + (self.logged if choice == "stream" else self.journalled)

    def check(self, told: Told) -> None:
        """Everything is there, by position and by ref, and the books agree."""
        self.site.consume()
        with self.site.open() as store:
            for each in (store, self.reader):
                self._check_reads(each, told)
            for draft, row in told:
                # Sent again, each finds its own success.
                assert store.append("a", [draft]) == [row]
            verified = store.reading(partial(verify_log, store.parts.log, 0))
            assert verified.position == len(told)
        self.site.digests()
        assert problems_of(self.site) == []

    @staticmethod
    def _check_reads(store: EventStore, told: Told) -> None:
        refs = [row.ref for _, row in told]
        assert [each.event.ref for each in store.read_all(0)] == refs
        assert [each.event.ref for each in store.read("a")] == refs
        assert [store.get(ref).position for ref in refs] == [row.position for _, row in told]

    def tell(self, count: int) -> Told:
        """Append so many events."""
        drafts = artifacts("a", count)
        with self.site.open() as store:
            return list(zip(drafts, store.append("a", drafts), strict=True))


def problems_of(site: Site) -> list[str]:
    """Return what the check of the store finds, but for the files of events that are kept aside."""
    stranger = re.compile(r"file (lost/|artifacts/).* belongs to no event")
    return [each for each in site.problems() if not stranger.fullmatch(each)]


@pytest.fixture
def trimmed(
    private_server: Callable[..., PrivateServer], namespace: str, tmp_path: Path
) -> Iterator[Trimmed]:
    site = Site(private_server, namespace, tmp_path, partitions=1)
    with site.open() as reader:
        yield Trimmed(site, reader)


@pytest.mark.parametrize("choice", ["stream", "journal"])
def test_one_that_was_trimmed_before_the_two_parted(trimmed: Trimmed, choice: Keep) -> None:
    assert trimmed.trim() == OLD - KEPT + 1
    assert len(trimmed.reader.read("a")) == OLD
    trimmed.part(trimming=False)
    told = trimmed.choose(choice)
    trimmed.check(told)
    assert trimmed.trim() == len(told) - KEPT + 1
    trimmed.check(told)


@pytest.mark.parametrize("choice", ["stream", "journal"])
def test_one_whose_server_lost_the_trim_as_well(trimmed: Trimmed, choice: Keep) -> None:
    # The index beside the journal then knows events that the log has no more, or not yet again.
    trimmed.part(trimming=True)
    told = trimmed.choose(choice)
    trimmed.check(told)
    told += trimmed.tell(30)
    trimmed.site.consume()
    assert trimmed.trim() == len(told) - KEPT + 1
    trimmed.check(told)
