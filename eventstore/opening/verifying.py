"""Verifying a store on a server instance that is not known: is the whole log there?

Every sealed partition is held against its journal. What the server lost and the journal has is
put back; where they contradict each other the partition stays sealed, and an operator chooses.
Only then is any partition opened. Whatever is cut short, the next opener does the rest.
"""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from eventstore.flow import Flow, blocking, call
from eventstore.journal import Journal, check_root
from eventstore.journal_format import partition_folder
from eventstore.opening.clearing import finish_clearing
from eventstore.opening.comparing import compare, two_histories
from eventstore.opening.completing import complete, foreign_journals
from eventstore.opening.damaged import check_came_back
from eventstore.opening.partition import Standing, admit, look_at_all
from eventstore.opening.readding import Source, readd_tail
from eventstore.views import checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eventstore.connection import ServerIdentity
    from eventstore.embedded.damage import Damage
    from eventstore.journal import End
    from eventstore.keys import Keys
    from eventstore.opening.comparing import Comparison
    from eventstore.opening.lease import OpeningLease
    from eventstore.opening.readding import Readded
    from eventstore.payload_store import PayloadStore

_JOURNAL_GROUP: Final = "journal"
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Opening:
    """One attempt to open a store: on which server instance, with which journal beside it.

    `uuid` is the store that it must be, "" for any. `candidate` is the uuid of the store to make
    where there is none; None asks the journals first. `report` is told how far a partition's log
    is while events are put back, and where that will end. `damage` is what became of the files
    that the server had before, None if nothing did.
    """

    partitions: Sequence[Keys]
    identity: ServerIdentity
    payloads: PayloadStore
    lease: OpeningLease
    uuid: str
    candidate: str | None
    report: Callable[[int, int, int], object]
    damage: Damage | None


@dataclass
class Findings:
    """What verifying a store found and did."""

    created: bool = False
    unproven: list[str] = field(default_factory=list)
    readded: list[Readded] = field(default_factory=list)


def verify(opening: Opening, findings: Findings) -> Flow[None]:
    """Verify and open every partition that is sealed; note in `findings` what was found.

    Returns early if another opener got ahead. Raises `WrongStore`, `Poisoned`, `Diverged`,
    `TwoHistories`, `DataLost`, `JournalDamaged`, `UndecodableEvent`, and `PayloadStoreError`
    while the journal cannot be read; the store stays sealed then.
    """
    findings.unproven.clear()
    found = yield from look_at_all(opening.partitions, opening.identity, opening.uuid)
    if not all(standing.state in ("ok", "sealed") for standing in found):
        yield from _bring_about(opening, found, findings)
        found = yield from look_at_all(opening.partitions, opening.identity, opening.uuid)
    sealed = [standing for standing in found if standing.state == "sealed"]
    if not sealed or len(sealed) + sum(each.state == "ok" for each in found) < len(found):
        return
    yield from foreign_journals(opening, sealed[0].uuid)
    source = Source(
        Journal(opening.payloads, sealed[0].uuid), opening.payloads, len(opening.partitions)
    )
    ends: list[End] = []
    for standing in sealed:
        end = yield from _verify_partition(opening, source, standing, findings)
        if end is None:
            return
        ends.append(end)
    for standing, end in zip(sealed, ends, strict=True):
        check_came_back(opening, standing.keys, end)
    for standing, end in zip(sealed, ends, strict=True):
        if not (yield from admit(standing, opening.identity, end)):
            return


def _bring_about(opening: Opening, found: Sequence[Standing], findings: Findings) -> Flow[None]:
    """Make partitions that are not there, and finish what repairs began."""
    for standing in found:
        if standing.state == "poisoned":
            raise standing.poisoned()
        if standing.state == "clearing":
            yield from finish_clearing(
                standing.keys, standing.uuid, opening.identity, opening.payloads, opening.lease
            )
    if any(standing.state == "absent" for standing in found):
        findings.created |= yield from complete(opening, found)


def _verify_partition(
    opening: Opening, source: Source, standing: Standing, findings: Findings
) -> Flow[End | None]:
    """Bring a partition's log to where it can be opened; return its end, None if overtaken."""
    yield from opening.lease.beat()
    comparison = yield from compare(standing, source.journal)
    if comparison.verdict == "differs":
        raise (yield from two_histories(standing, source.journal, comparison.end))
    yield from _note_unproven(source, standing, comparison, findings)
    if comparison.verdict == "within":
        return standing.end
    partition = standing.keys.partition
    readded = yield from readd_tail(
        standing,
        source,
        opening.lease,
        lambda at: opening.report(partition, at, comparison.end.position),
    )
    if readded is None:
        return None
    findings.readded.append(readded)
    _logger.warning(
        "%s: events %d to %d came back from the journal; payloads lost: %d",
        standing.where,
        readded.first,
        readded.end.position,
        readded.missing_payloads,
    )
    return readded.end


def _note_unproven(
    source: Source, standing: Standing, comparison: Comparison, findings: Findings
) -> Flow[None]:
    """Note what nothing here can prove of a partition that was in use before.

    Raises `PayloadStoreError` if the place of the journal is not there.
    """
    head, held = standing.end.position, comparison.end.position
    if not standing.was_open or not (head or held):
        return
    where = f"partition {standing.keys.partition}"
    findings.unproven.append(
        f"{where}: the server was replaced or restarted; it holds {head} events, the journal "
        f"{held}, and nothing here proves that no acknowledged one came after them"
    )
    step = dataclasses.replace(checkpoint(standing.keys, _JOURNAL_GROUP), control=True)
    reached = yield from call(step)
    if reached.position > held:
        # Files that are gone are one thing, a disk that is not mounted another.
        folder = partition_folder(source.journal.store, standing.keys.partition)
        yield from blocking(check_root, source.payloads, folder)
        findings.unproven.append(
            f"{where}: the journal held the events up to {reached.position} and ends at {held} "
            "now: segments are missing from it"
        )
