"""What a bus does, as flows: publish, get, search, read. `eventstore.bus` drives them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from eventstore.amended_view import payload_ref
from eventstore.amending import Amending
from eventstore.binding import bound
from eventstore.drafts import check_size, chunks
from eventstore.errors import InvalidEvent, InvalidName, RedactionFailed
from eventstore.events import ArtifactPublished
from eventstore.header_view import header_of
from eventstore.headers import build_artifact
from eventstore.loading import Wanted, load_payloads, payload_of
from eventstore.names import check_name
from eventstore.parking.reading import degraded
from eventstore.payloads import PayloadInfo
from eventstore.redact_hook import redacted
from eventstore.searching import Header, find_rows, full_headers, make_filters
from eventstore.views import Views

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from eventstore.appending import Appender
    from eventstore.commands import Appended
    from eventstore.drafts import Draft
    from eventstore.flow import Flow
    from eventstore.keys import Keys
    from eventstore.log import Log
    from eventstore.payload_store import PayloadStore
    from eventstore.redact_hook import Redact
    from eventstore.searching import Filters, Order


class Row(NamedTuple):
    """An artifact: its header and its payload."""

    header: Header
    payload: Any


class Operations:
    """The operations on artifacts of a store."""

    def __init__(
        self, log: Log, appender: Appender, payloads: PayloadStore, redact: Redact | None = None
    ) -> None:
        self.redact = redact
        self.log = log
        self.appender = appender
        self.payloads = payloads
        self.views = Views(log)
        self.amending = Amending(self)

    def publish(self, header: Mapping[str, Any], payload: object) -> Flow[Appended]:
        """Append one artifact."""
        draft = self.build(header, payload)
        (row,) = yield from self.appender.append(draft.event.session_id, [draft])
        return row

    def publish_many(
        self, items: Iterable[tuple[Mapping[str, Any], object]]
    ) -> Flow[list[Appended]]:
        """Append artifacts; all are checked before the first is written.

        Atomic for each session's run of at most 500 artifacts and 1 MiB, not beyond.
        """
        drafts = self._build(items)
        by_session: dict[str, list[Draft]] = {}
        for draft in drafts:
            by_session.setdefault(draft.event.session_id, []).append(draft)
        rows: dict[str, Appended] = {}
        for session_id, of_session in by_session.items():
            for chunk in chunks(of_session, self.log.settings.inline_limit):
                appended = yield from self.appender.append(session_id, chunk)
                rows.update((row.ref, row) for row in appended)
        return [rows[draft.event.ref] for draft in drafts]

    def build(self, header: Mapping[str, Any], payload: object) -> Draft:
        """Return the draft of an artifact: redacted, completed from what is bound, checked."""
        header, payload = redacted(self.redact, header, payload)
        settings = self.log.settings
        draft = build_artifact(header, payload, bound(), settings.compress_above)
        check_size(draft, settings.max_payload_bytes)
        return draft

    def _build(self, items: Iterable[tuple[Mapping[str, Any], object]]) -> list[Draft]:
        drafts: dict[str, Draft] = {}
        for number, item in enumerate(items):
            try:
                draft = self._build_one(item)
            except InvalidEvent as error:
                raise InvalidEvent(f"items[{number}].{error.field}", error.problem) from None
            except InvalidName as error:
                raise InvalidName(f"items[{number}].{error.what}", error.problem) from None
            except RedactionFailed as error:
                where = f"items[{number}].{error.where}"
                raise RedactionFailed(where, error.problem) from error.__cause__
            if draft.event.ref in drafts:
                raise InvalidEvent(f"items[{number}].header.ref", "is the ref of an earlier item")
            drafts[draft.event.ref] = draft
        return list(drafts.values())

    def _build_one(self, item: object) -> Draft:
        if not isinstance(item, (tuple, list)) or len(item) != 2:
            raise InvalidEvent("header", "an item is a pair of header and payload")
        return self.build(*item)

    def get(self, ref: str, *, original: bool = False) -> Flow[Row]:
        """Return the artifact with this ref, from the log; `original` is it as published."""
        recorded = yield from self.log.find(ref)
        event = recorded.event
        if isinstance(event, ArtifactPublished) and not original:
            return Row(*(yield from self.amending.latest(recorded)))
        keys = self.log.partitions[recorded.partition]
        (payload,) = yield from load_payloads(self.payloads, keys, [payload_of(event)])
        return Row(header_of(recorded), payload)

    def search(
        self, session_id: str, filters: Filters, order: Order, limit: int
    ) -> Flow[list[Row]]:
        """Return the artifacts of a session that pass, in order of event time."""
        keys = self.log.keys_of(check_name("session_id", session_id))

        def find() -> Flow[list[Header]]:
            rows = yield from find_rows(self.views, keys, session_id, filters, order, limit)
            return (yield from full_headers(self.views, keys, session_id, rows))

        headers = yield from self.views.settled(keys, find)
        return (yield from self.with_payloads(keys, session_id, headers))

    def read_n(self, session_id: str, filters: Filters, n: int, *, last: bool) -> Flow[list[Row]]:
        """Return the first or last `n` artifacts that pass, oldest first."""
        order: Order = "desc" if last else "asc"
        rows = yield from self.search(session_id, filters, order, n)
        return rows[::-1] if last else rows

    def degraded(self, session_id: str) -> Flow[dict[str, int]]:
        """Return, by group, how many events of a session it left out."""
        return (yield from degraded(self.log.keys_of(session_id), session_id))

    def with_payloads(
        self, keys: Keys, session_id: str, headers: Sequence[Header]
    ) -> Flow[list[Row]]:
        """Return headers with their payloads, loaded together."""
        wanted = [
            Wanted(session_id, payload_ref(header), _payload_info(header), header.get("mime", ""))
            for header in headers
        ]
        payloads = yield from load_payloads(self.payloads, keys, wanted)
        return [Row(header, payload) for header, payload in zip(headers, payloads, strict=True)]


def filters(**given: object) -> Filters:
    """Return the filters that a caller's arguments ask for."""
    return make_filters(
        given.get("tag"),
        given.get("type"),
        given.get("agent"),
        given.get("branch"),
        given.get("since"),
        given.get("until"),
    )


def _payload_info(header: Header) -> PayloadInfo | None:
    described = header.get("payload")
    return None if described is None else msgspec.convert(described, PayloadInfo)
