"""Appending: one batch, all or nothing, through lost replies and replaced servers.

The same refs with the same content always give the same answer, so a call whose reply was lost
is simply sent again.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eventstore import commands
from eventstore.commands import Accepted, Appended, Declined
from eventstore.drafts import (
    MAX_BATCH_BYTES,
    MAX_BATCH_EVENTS,
    Draft,
    check_size,
    moved_to_store,
)
from eventstore.errors import (
    Conflict,
    InvalidInput,
    Poisoned,
    RefConflict,
    RefOverlap,
    Sealed,
    StoreFull,
    StoreUnreachable,
    Unavailable,
)
from eventstore.flow import Call, Flow, batch, blocking, call, pause
from eventstore.instruments import append_seconds
from eventstore.trimmed_refs import trimmed_rows, trimmed_rows_now

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eventstore.keys import Keys
    from eventstore.log import Log
    from eventstore.payload_store import PayloadStore
    from eventstore.settings_models import StoreSettings

_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.5
_NOTHING: Final[Mapping[str, int]] = {}


class Answer(NamedTuple):
    """Where the events of an append lie, and how many of them it added; others were known."""

    rows: list[Appended]
    added: int


class Appender:
    """Appends batches to a log, and large payloads to the payload store before them."""

    def __init__(self, log: Log, payloads: PayloadStore) -> None:
        self._log = log
        self._settings = log.settings
        self._payloads = payloads
        self._claimed = False

    def append(
        self,
        session_id: str,
        drafts: Sequence[Draft],
        *,
        expect: Mapping[str, int] = _NOTHING,
        start: Mapping[str, int] = _NOTHING,
    ) -> Flow[list[Appended]]:
        """Append a batch of one session, all or nothing; at most 500 events and 1 MiB.

        `expect` names, with its next index, every lane that a decision read (0 = must not exist;
        "seq" is the session as a whole); `start` opens new lanes at an index. A lost connection
        is retried with the same refs for `store.publish_timeout` seconds. Raises `InvalidInput`,
        `Conflict`, `RefConflict`, `RefOverlap`, `Poisoned`, `StoreFull` at once, or another
        `Unavailable` once the time is over.
        """
        answer = yield from self.append_counting(session_id, drafts, expect=expect, start=start)
        return answer.rows

    def append_counting(
        self,
        session_id: str,
        drafts: Sequence[Draft],
        *,
        expect: Mapping[str, int] = _NOTHING,
        start: Mapping[str, int] = _NOTHING,
    ) -> Flow[Answer]:
        """Append a batch as `append` does, and count what was new.

        Events that are known once a reply was lost count as added: they are this call's, unless
        another appended the same ones at that moment.
        """
        keys = self._log.keys_of(session_id)
        _check_batch(session_id, drafts, self._settings)
        started = time.monotonic()
        deadline = started + self._settings.publish_timeout
        pending = list(drafts)
        wait = _FIRST_PAUSE
        unsure = False
        while True:
            try:
                if any(_belongs_in_store(item, self._settings.inline_limit) for item in pending):
                    yield from self._check_before_placing(keys, session_id, pending, expect)
                    pending = yield from self._place(pending, self._settings.inline_limit)
                outcome = yield from self._send(keys, session_id, pending, expect, start)
                if isinstance(outcome, Accepted):
                    append_seconds.observe(time.monotonic() - started)
                    added = outcome.added or (len(outcome.rows) if unsure else 0)
                    return Answer(outcome.rows, added)
                if outcome.outcome == "overlap" and not (expect or start):
                    return (yield from self._append_rest(session_id, pending, outcome.numbers))
                _raise_refusal(keys, pending, outcome)
                # What is left is backpressure: the payloads go to the store, not the buffer.
                pending = yield from self._place(pending, 0)
            except StoreFull as error:
                if unsure:
                    raise StoreUnreachable(
                        "whether the append was written is unknown: the reply to it was lost, and "
                        f"then {error}"
                    ) from error
                raise
            except Unavailable as error:
                unsure = unsure or isinstance(error, StoreUnreachable)
                if time.monotonic() >= deadline:
                    raise
                yield from pause(random.uniform(wait / 2, wait))
                wait = min(wait * 2, _LONGEST_PAUSE)
                # Whatever went wrong, the next attempt looks at the server before it writes.
                self._log.forget()

    def _send(
        self,
        keys: Keys,
        session_id: str,
        drafts: Sequence[Draft],
        expect: Mapping[str, int],
        start: Mapping[str, int],
    ) -> Flow[Accepted | Declined]:
        opened = yield from self._log.open()
        searched = 0
        while True:
            outcome = yield from call(
                commands.append(
                    keys,
                    session_id,
                    drafts,
                    epoch=opened.epochs[keys.partition],
                    buffer_limit=self._settings.payload_buffer_bytes,
                    expect=expect,
                    start=start,
                    searched=searched,
                )
            )
            if isinstance(outcome, Accepted):
                self._log.acknowledge(keys.partition, outcome.rows[-1].position, outcome.chain)
                return outcome
            if outcome.outcome != "trimmed":
                return outcome
            searched = int(outcome.details[0])
            rows = yield from trimmed_rows(self._log.reader, keys, drafts, searched)
            if rows:
                decided = bool(expect or start)
                answer = yield from self._append_beside(keys, drafts, rows, decided)
                return Accepted(answer.rows, "", answer.added)

    def _append_rest(
        self, session_id: str, drafts: Sequence[Draft], known: Sequence[int]
    ) -> Flow[Answer]:
        """Answer a batch of which a part is known: each part is a batch of its own."""
        numbers = set(known)
        old = [item for number, item in enumerate(drafts) if number in numbers]
        new = [item for number, item in enumerate(drafts) if number not in numbers]
        known_ones = yield from self.append_counting(session_id, old)
        new_ones = yield from self.append_counting(session_id, new)
        by_ref = {row.ref: row for row in known_ones.rows + new_ones.rows}
        rows = [by_ref[item.event.ref] for item in drafts]
        return Answer(rows, known_ones.added + new_ones.added)

    def _append_beside(
        self, keys: Keys, drafts: Sequence[Draft], rows: dict[str, Appended], decided: bool
    ) -> Flow[Answer]:
        """Answer a batch of which a part is known and trimmed; `decided` if it is a decision's."""
        rest = [item for item in drafts if item.event.ref not in rows]
        added = 0
        if rest:
            refs = [item.event.ref for item in rest]
            if decided and not all((yield from call(commands.find_refs(keys, refs)))):
                raise RefOverlap(list(rows))
            answer = yield from self.append_counting(rest[0].event.session_id, rest)
            rows |= {row.ref: row for row in answer.rows}
            added = answer.added
        return Answer([rows[item.event.ref] for item in drafts], added)

    def _check_before_placing(
        self, keys: Keys, session_id: str, drafts: Sequence[Draft], expect: Mapping[str, int]
    ) -> Flow[None]:
        """Raise what the append would be refused for, so that the store is left as it is.

        The append checks again: what changes in between leaves unreferenced files at worst.
        """
        yield from self._log.open()
        refs = [item.event.ref for item in drafts]
        asked: list[Call[Any]] = [commands.find_refs(keys, refs), commands.can_write(keys, refs[0])]
        found, _ = yield from batch(asked)
        hits = dict(zip(refs, found, strict=True))
        changed = [d.event.ref for d in drafts if (hit := hits[d.event.ref]) and hit[1] != d.digest]
        if changed:
            raise RefConflict(changed)
        if not expect or all(found):
            return
        new = [item for item in drafts if hits[item.event.ref] is None]
        if (yield from trimmed_rows_now(self._log.reader, keys, new)):
            return
        actual = yield from call(commands.lane_indexes(keys, session_id, list(expect)))
        for (lane, expected), index in zip(expect.items(), actual, strict=True):
            if index != expected:
                raise Conflict(lane, expected, index)

    def _place(self, drafts: Sequence[Draft], above: int) -> Flow[list[Draft]]:
        """Store payloads that belong there under their digest, and return the drafts."""
        placed: list[Draft] = []
        if not self._claimed:
            # Said before the first file is there: another store's sweep then leaves them alone.
            opened = yield from self._log.open()
            yield from blocking(self._payloads.claim, opened.uuid)
            self._claimed = True
        for item in drafts:
            if _belongs_in_store(item, above):
                assert item.event.payload is not None
                yield from blocking(self._payloads.write_digest, item.event.payload, item.data)
                placed.append(moved_to_store(item))
            else:
                placed.append(item)
        return placed


def _belongs_in_store(item: Draft, above: int) -> bool:
    """Return whether a payload is stored before the append: it is large, or says that it was.

    An event that is imported says where its payload lay.
    """
    info = item.event.payload
    return len(item.data) > above or (
        item.data != b"" and info is not None and info.place == "digest"
    )


def _check_batch(session_id: str, drafts: Sequence[Draft], settings: StoreSettings) -> None:
    if not 1 <= len(drafts) <= MAX_BATCH_EVENTS:
        raise InvalidInput(
            f"events: an append takes 1 to {MAX_BATCH_EVENTS} events, not {len(drafts)}"
        )
    size = sum(item.size_within(settings.inline_limit) for item in drafts)
    if size > MAX_BATCH_BYTES:
        raise InvalidInput(
            f"events: an append takes at most {MAX_BATCH_BYTES} bytes, these are {size}; "
            "append them in several batches (eventstore.drafts.chunks)"
        )
    refs = [item.event.ref for item in drafts]
    if len(set(refs)) < len(refs):
        raise InvalidInput("events: two events of the batch have the same ref")
    for item in drafts:
        check_size(item, settings.max_payload_bytes)
        if item.event.session_id != session_id:
            raise InvalidInput(
                f"events: a batch is of one session, {session_id!r}; "
                f"{item.event.session_id!r} is another"
            )


def _raise_refusal(keys: Keys, drafts: Sequence[Draft], declined: Declined) -> None:
    """Raise what an outcome means, but for backpressure that the payload store can relieve."""
    where = f"partition {keys.partition}"
    if declined.outcome == "stale":
        epoch, state = declined.details
        raise Sealed(
            f"{where} is {state} at epoch {epoch}, this process opened another epoch; send the "
            "same call again, and if that stays so, `eventstore doctor` says why"
        )
    if declined.outcome == "ref_conflict":
        raise RefConflict([drafts[number].event.ref for number in declined.numbers])
    if declined.outcome == "overlap":
        raise RefOverlap([drafts[number].event.ref for number in declined.numbers])
    if declined.outcome == "conflict":
        lane, expected, actual = declined.details
        raise Conflict(lane, int(expected), int(actual))
    if declined.outcome == "poisoned":
        raise Poisoned(
            f"{where}: {declined.details[0]}; something else wrote to the log. "
            "`eventstore log verify` says where, and what to do"
        )
