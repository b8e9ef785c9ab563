"""Is the log of a partition the one that its journal tells of, and which of them is longer?

Equal chains at a position mean equal histories up to it, so one look at the end of the shorter
decides; only where they differ is the last common position searched for.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal, NamedTuple

from eventstore import commands
from eventstore.chain import link
from eventstore.errors import JournalDamaged, TwoHistories
from eventstore.flow import Flow, blocking
from eventstore.journal import START, End
from eventstore.journal_format import field
from eventstore.keys import position_of

if TYPE_CHECKING:
    from eventstore.journal import Journal
    from eventstore.journal_format import Entry
    from eventstore.keys import Keys
    from eventstore.opening.partition import Standing

Verdict = Literal["within", "beyond", "differs"]


class Comparison(NamedTuple):
    """Where the journal ends: within the log, beyond it with the same history, or in another."""

    verdict: Verdict
    end: End


def compare(standing: Standing, journal: Journal) -> Flow[Comparison]:
    """Compare a partition's log with its journal.

    Raises `Diverged` if the journal itself ends in two histories, `JournalDamaged` if it lacks
    what it must be compared by.
    """
    keys, log = standing.keys, standing.end
    end: End = yield from blocking(journal.end, keys.partition)
    if end.position > log.position:
        chain = yield from _journal_chain(journal, keys, log.position)
        return Comparison("beyond" if chain == log.chain else "differs", end)
    found = yield from log_chain(keys, log, end)
    return Comparison("within" if found == end.chain else "differs", end)


def two_histories(standing: Standing, journal: Journal, end: End) -> Flow[TwoHistories]:
    """Return the error for a log and a journal that differ: what they share, and both tails."""
    common = yield from last_common(standing, journal, end)
    return TwoHistories(standing.where, standing.keys.partition, common, standing.end, end)


def last_common(standing: Standing, journal: Journal, end: End) -> Flow[End]:
    """Return the last position up to which log and journal have one history."""
    keys, log = standing.keys, standing.end
    low, high = START, min(end.position, log.position) + 1
    while low.position + 1 < high:
        middle = (low.position + high) // 2
        chain = yield from _journal_chain(journal, keys, middle)
        at = End(middle, chain)
        if (yield from log_chain(keys, log, at)) == chain:
            low = at
        else:
            high = middle
    return low


def log_chain(keys: Keys, log: End, at: End) -> Flow[str]:
    """Return the chain of the log at a position that it has passed.

    Of what was trimmed away, the first entry that is left tells whether it was the history that
    `at` names; if that one is not the next, nothing contradicts it.
    """
    if at.position == 0 or at.position == log.position:
        return START.chain if at.position == 0 else log.chain
    entry = yield from first_entry(keys, at.position)
    if entry is None or position_of(entry[0]) > at.position + 1:
        return at.chain
    if position_of(entry[0]) == at.position:
        return field(entry, "chain")
    after = link(at.chain, field(entry, "ref"), field(entry, "digest"))
    return at.chain if after == field(entry, "chain") else field(entry, "chain")


def first_entry(keys: Keys, position: int) -> Flow[Entry | None]:
    """Return the log's first entry at or after a position, None if there is none."""
    step = dataclasses.replace(commands.entries(keys, position, None, 1), control=True)
    page: list[Entry] = yield step
    return page[0] if page else None


def _journal_chain(journal: Journal, keys: Keys, position: int) -> Flow[str]:
    if position == 0:
        return START.chain
    chain: str | None = yield from blocking(journal.chain_at, keys.partition, position)
    if chain is None:
        raise JournalDamaged(
            f"the journal of partition {keys.partition}",
            f"has nothing for position {position}, where it must be compared with the log",
        )
    return chain
