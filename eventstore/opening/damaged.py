"""A store of which the server's files were damaged: is all back that they are known to have held?

What was whole of them the server has loaded, and the journal has put back what it holds behind
that. This says which store to bring back where the server has none, and keeps one closed that is
known to lack events.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from eventstore.errors import DataLost, WrongStore
from eventstore.opening.partition import where

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.embedded.damage import Damage
    from eventstore.journal import End
    from eventstore.journal_stores import StoreRecord
    from eventstore.keys import Keys
    from eventstore.opening.verifying import Opening

_logger = logging.getLogger(__name__)


def coming_back(opening: Opening, damage: Damage, journals: Sequence[StoreRecord]) -> str:
    """Return the uuid of the store to bring back into a server that has nothing of it.

    `journals` are those of its namespace, one at most. Raises `DataLost` if there is none, since
    nothing says that the damaged files did not hold the store; `WrongStore` if it is of another
    store than this process had open, or has another number of partitions.
    """
    namespace, partitions = opening.partitions[0].namespace, len(opening.partitions)
    if not journals:
        known = [damage.ends.get(keys.stream, 0) for keys in opening.partitions]
        held = f"{sum(known)} events" if any(known) else "an unknown number of events"
        raise DataLost(
            f"namespace {namespace!r}: the server's files were damaged ({damage.why}) and held "
            f"{held} of this store, of which the server has nothing now, and there is no journal "
            f"of it beside the payloads at {opening.payloads.journal_url}",
            damage.directories,
        )
    (record,) = journals
    if opening.uuid not in ("", record.uuid):
        raise WrongStore(
            f"namespace {namespace!r}: the server's files were damaged, and the journal at "
            f"{opening.payloads.journal_url} is of store {record.uuid}, not of {opening.uuid} "
            "that this process had open; set payloads.url to where its payloads are"
        )
    if record.partitions not in (None, partitions):
        raise WrongStore(
            f"store {record.uuid} has {record.partitions} partitions, the settings {partitions}; "
            f"set store.partitions to {record.partitions}"
        )
    _logger.warning(
        "namespace %r: the server's files were damaged (%s) and are kept in %s; store %s comes "
        "back from its journal. Nothing proves that no acknowledged event came after its end",
        namespace,
        damage.why,
        damage.where,
        record.uuid,
    )
    return record.uuid


def check_came_back(opening: Opening, keys: Keys, end: End) -> None:
    """Raise `DataLost` if damaged files are known to have held events behind a log's end."""
    damage = opening.damage
    held = 0 if damage is None else damage.ends.get(keys.stream, 0)
    if damage is not None and end.position < held:
        raise DataLost(
            f"{where(keys)}: the server's files were damaged ({damage.why}) and held events up to "
            f"position {held}; what was whole of them and the journal end at {end.position}, so "
            f"{held - end.position} acknowledged events are lost",
            damage.directories,
            partition=keys.partition,
            held=held,
            found=end.position,
        )
