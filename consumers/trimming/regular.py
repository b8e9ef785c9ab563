"""Trimming as a worker does it: now and then, in bounded steps, where it owns the journal's slot.

Several may trim at any moment, so the slot only says who does the work. Fewer than `LEAST` events
that the rule does not keep stay in the server: a step writes files, and is not worth less.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import anyio

from consumers.applying.journal_group import JOURNAL_GROUP
from consumers.trimming.trim import Trimmer
from consumers.working.groups import known_groups
from eventstore.consuming.membership import Slot
from eventstore.errors import EventStoreError
from eventstore.retention import Rule

if TYPE_CHECKING:
    from consumers.working.worker import Worker

SECONDS: Final = 5.0
LEAST: Final = 500
MOST: Final = 40_000
_log = logging.getLogger(__name__)


async def trim_regularly(worker: Worker, seconds: float = SECONDS) -> None:
    """Trim by the settings' rule until cancelled, with pauses; returns at once if there is none."""
    access = worker.access
    rule = Rule.of(access.settings.retention)
    if not rule.active:
        return
    trimmer = Trimmer(access.log, access.payloads, rule, tuple(known_groups()))
    failures: dict[int, str] = {}
    while True:
        left = False
        for keys in access.partitions:
            if not worker.slots[Slot(JOURNAL_GROUP, keys.partition)].status.owned:
                continue
            try:
                trimmed = await access.run(trimmer.trim(keys, MOST, LEAST))
            except EventStoreError as error:
                if failures.get(keys.partition) != str(error):
                    failures[keys.partition] = str(error)
                    _log.warning("partition %d is not trimmed: %s", keys.partition, error)
            else:
                failures.pop(keys.partition, None)
                left = left or trimmed.events >= MOST
                if trimmed.events:
                    _log.info(
                        "partition %d: trimmed %d events, up to %d",
                        *(keys.partition, trimmed.events, trimmed.standing.first - 1),
                    )
        if not left:
            await anyio.sleep(seconds)
