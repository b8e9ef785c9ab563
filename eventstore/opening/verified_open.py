"""Opening a store: which server instance this is, whether it fits, and at which epoch it appends.

A store is opened once per process and again whenever a connection meets an instance that was
not verified. One opener verifies (`eventstore.opening.verifying`), the others wait for it; no
instance takes appends before. What even the journal cannot prove, the report says.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eventstore.errors import Diverged, EventStoreError
from eventstore.flow import Flow, blocking
from eventstore.journal import End, Journal
from eventstore.journal_format import field
from eventstore.keys import position_of
from eventstore.opening.comparing import first_entry
from eventstore.opening.lease import OpeningLease
from eventstore.opening.partition import Standing, look_at_all
from eventstore.opening.server import look_at_server
from eventstore.opening.verifying import Findings, Opening, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from eventstore.connection import Guard, ServerIdentity
    from eventstore.embedded.damage import Damage
    from eventstore.keys import Keys
    from eventstore.opening.readding import Readded
    from eventstore.payload_store import PayloadStore
    from eventstore.settings_models import StoreSettings

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Opened:
    """A verified server: the store's uuid, an epoch a partition, and how it got there.

    `readded` are the events that this open put back from the journal; `unproven` says, in
    sentences, what nothing proves.
    """

    uuid: str
    epochs: tuple[int, ...]
    identity: ServerIdentity
    created: bool
    unproven: tuple[str, ...]
    readded: tuple[Readded, ...] = ()


def silent(partition: int, at: int, goal: int) -> None:
    """Take no notice of how far a log is."""


def undamaged() -> None:
    """Know of no damaged files, as of a server that is not the embedded one."""


def open_store(
    partitions: Sequence[Keys],
    settings: StoreSettings,
    control: Guard,
    payloads: PayloadStore,
    uuid: str,
    remembered: Mapping[int, tuple[int, str]],
    *,
    prepare: Callable[[], object],
    candidate: str | None = None,
    report: Callable[[int, int, int], object] = silent,
    damage: Callable[[], Damage | None] = undamaged,
) -> Flow[Opened]:
    """Verify the server and open every partition on it.

    `uuid` is the store that this process opened before, "" for none; `remembered` the last
    (position, chain) that it saw acknowledged, a partition. `prepare` is called before the first
    look at files, of a server that is fit: a refusal leaves no directory behind. `candidate` is
    the uuid of the store to make if there is none. `damage` returns what became of the files that
    the server had before; it is asked where something has to be verified. Raises `WrongStore`,
    `Sealed`, `Diverged`, `Poisoned`, `StoreUnreachable`, and what `verify` raises.
    """
    control.admitted = None
    identity = yield from look_at_server(settings)
    # From here on no connection may reach another instance than the one just looked at.
    control.admitted = identity
    lease = OpeningLease(partitions[0], settings.lease_seconds)
    findings = Findings()
    while True:
        found = yield from look_at_all(partitions, identity, uuid)
        if all(standing.state == "ok" for standing in found):
            break
        yield from blocking(prepare)
        if (yield from lease.take_or_wait()):
            noted: Damage | None = yield from blocking(damage)
            opening = Opening(partitions, identity, payloads, lease, uuid, candidate, report, noted)
            yield from _verify_and_release(opening, findings)
    yield from blocking(prepare)
    uuid = found[0].uuid
    for standing in found:
        yield from _check_remembered(standing, payloads, remembered.get(standing.keys.partition))
    if settings.durability != "fsync":
        for line in findings.unproven:
            _logger.warning(line)
    return Opened(
        uuid,
        tuple(standing.epoch for standing in found),
        identity,
        findings.created,
        tuple(findings.unproven),
        tuple(findings.readded),
    )


def _verify_and_release(opening: Opening, findings: Findings) -> Flow[None]:
    try:
        yield from verify(opening, findings)
    except EventStoreError:
        yield from opening.lease.release()
        raise
    yield from opening.lease.release()


def _check_remembered(
    standing: Standing, payloads: PayloadStore, last: tuple[int, str] | None
) -> Flow[None]:
    """Raise `Diverged` unless a partition still holds what this process saw acknowledged."""
    if last is None:
        return
    keys, at = standing.keys, End(*last)
    entry = yield from first_entry(keys, at.position)
    if entry is not None and position_of(entry[0]) == at.position:
        chain: str | None = field(entry, "chain")
    elif at.position < standing.end.position:
        # Trimmed away, which only happens to what is in the journal.
        journal = Journal(payloads, standing.uuid)
        chain = yield from blocking(journal.chain_at, keys.partition, at.position)
    else:
        chain = None
    if chain != at.chain:
        raise Diverged(
            f"partition {keys.partition}: this process has an acknowledgement for position "
            f"{at.position} with chain {at.chain}, which the server no longer holds; appends of "
            "this process stop here. Restart it once the loss has been looked into",
            partition=keys.partition,
            at=at.position,
        )
