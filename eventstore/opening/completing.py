"""Partitions that are not there: of a new store, of one whose creation was cut short, or lost.

A store is made anew only where nothing says that there was one: no partition that was ever
open, no keys without their meta, no journal of a store of this namespace.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from eventstore.commands import gone
from eventstore.errors import Diverged, Poisoned, WrongStore
from eventstore.flow import Flow, blocking
from eventstore.journal import START, Journal
from eventstore.journal_stores import has_record, stores_with_segments
from eventstore.opening.damaged import coming_back
from eventstore.opening.partition import Expected, Standing, establish

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.journal_stores import StoreRecord
    from eventstore.opening.verifying import Opening
    from eventstore.payload_store import PayloadStore


def complete(opening: Opening, found: Sequence[Standing]) -> Flow[bool]:
    """Make the partitions that are absent, sealed; return whether the store itself is new.

    Raises `WrongStore` if a journal of another store lies where a new one would begin, `Poisoned`
    for keys without their meta, `Diverged` or `DataLost` if what was lost cannot come back from
    the journal.
    """
    absent = [standing for standing in found if standing.state == "absent"]
    for standing in absent:
        if standing.left:
            raise Poisoned(
                f"{standing.where}: its meta is gone while other keys are there; something "
                "removed it. `eventstore repair` shows what there is and what can be kept"
            )
    present = [standing for standing in found if standing.state != "absent"]
    if not present:
        uuid = yield from _uuid_of_new(opening)
    else:
        uuid = present[0].uuid
        if opening.uuid or any(standing.was_open for standing in present):
            yield from _check_journalled(opening, uuid, absent)
    for standing in absent:
        expected = Expected(uuid, len(opening.partitions))
        if not (yield from establish(standing.keys, opening.identity, expected)):
            return False
    return not present


def _uuid_of_new(opening: Opening) -> Flow[str]:
    if opening.candidate is not None:
        return opening.candidate
    if opening.uuid and opening.damage is None:
        raise gone(opening.partitions[0])
    namespace = opening.partitions[0].namespace
    others = yield from blocking(journals_of, opening.payloads, namespace)
    if opening.damage is not None and len(others) < 2:
        return coming_back(opening, opening.damage, others)
    if others:
        raise WrongStore(
            f"namespace {namespace!r}: the server holds no store, and beside the payloads at "
            f"{opening.payloads.journal_url} lies the journal of {_named(others)}. `eventstore "
            "restore` brings that store back from its journal; `eventstore new` begins another "
            "one and leaves the journal alone"
        )
    return uuid4().hex


def _check_journalled(opening: Opening, uuid: str, lost: Sequence[Standing]) -> Flow[None]:
    """Raise `Diverged` unless the journal holds what partitions that are gone held."""
    journal = Journal(opening.payloads, uuid)
    for standing in lost:
        end = yield from blocking(journal.end, standing.keys.partition)
        if end == START:
            raise Diverged(
                f"{standing.where} is gone from the server, of a store that was open, and the "
                "journal holds none of its events. Bring its keys back, or accept the loss of "
                "whatever it held: `eventstore repair --keep journal`",
                partition=standing.keys.partition,
            )


def foreign_journals(opening: Opening, uuid: str) -> Flow[None]:
    """Raise `WrongStore` if the only journals here are those of other stores."""
    namespace = opening.partitions[0].namespace
    others = yield from blocking(_others, opening.payloads, uuid, namespace)
    if others:
        raise WrongStore(
            f"namespace {namespace!r}: the server holds store {uuid}, and the journal beside the "
            f"payloads at {opening.payloads.journal_url} is of {_named(others)}. Set payloads.url "
            "to where the payloads of this store are; or, where nothing of this store is wanted, "
            "remove it from the server and `eventstore restore` the other; or let this one begin "
            "a journal of its own there: `eventstore new`"
        )


def journals_of(payloads: PayloadStore, namespace: str) -> list[StoreRecord]:
    """Return the stores that may be of this namespace and have events in the journal here."""
    return [store for store in stores_with_segments(payloads) if store.may_be_of(namespace)]


def _others(payloads: PayloadStore, uuid: str, namespace: str) -> list[StoreRecord]:
    if has_record(payloads, uuid):
        return []
    found = journals_of(payloads, namespace)
    return [] if any(store.uuid == uuid for store in found) else found


def _named(stores: Sequence[StoreRecord]) -> str:
    return " and of ".join(f"store {store.uuid}" for store in stores)
