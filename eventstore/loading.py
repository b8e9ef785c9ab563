"""Loading payloads: from the buffer while they wait there, else from the payload store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eventstore import commands
from eventstore.flow import Flow, batch, blocking
from eventstore.payloads import PayloadInfo, payload_value, raw_payload

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eventstore.events import Event
    from eventstore.keys import Keys
    from eventstore.payload_store import PayloadStore

_PAGE: Final = 500


class Wanted(NamedTuple):
    """A payload to load: whose it is, what the log says of it, and its media type."""

    session_id: str
    ref: str
    info: PayloadInfo | None
    mime: str


def payload_of(event: Event) -> Wanted:
    """Return what to load for an event."""
    mime: str | None = getattr(event, "mime", None)
    return Wanted(event.session_id, event.ref, event.payload, mime or "")


def load_payloads(store: PayloadStore, keys: Keys, wanted: Sequence[Wanted]) -> Flow[list[Any]]:
    """Return payloads of one partition, None where there is none.

    A payload moves from its buffer to the store, never back, and is whole in one of them: what
    is not in the buffer now is in the store. Raises `PayloadMissing`, `PayloadDamaged` or
    `PayloadStoreError`.
    """
    waiting = waiting_refs(wanted)
    starts = range(0, len(waiting), _PAGE)
    parts = [waiting[start : start + _PAGE] for start in starts]
    pages = yield from batch([commands.buffered_payloads(keys, part) for part in parts])
    found = [data for page in pages for data in page]
    return (yield from complete_payloads(store, wanted, dict(zip(waiting, found, strict=True))))


def waiting_refs(wanted: Sequence[Wanted]) -> list[str]:
    """Return the refs of those payloads that may wait in a buffer in the server."""
    return [each.ref for each in wanted if each.info is not None and each.info.place == "buffer"]


def complete_payloads(
    store: PayloadStore, wanted: Sequence[Wanted], buffers: Mapping[str, bytes | None]
) -> Flow[list[Any]]:
    """Return payloads of which the buffers were looked at, as `load_payloads` does."""
    buffered = {ref: data for ref, data in buffers.items() if data is not None}
    raw: dict[str, bytes] = {}
    stored: list[Wanted] = []
    for each in wanted:
        if each.info is None:
            continue
        if each.ref in buffered:
            where = f"buffered payload of {each.ref}"
            raw[each.ref] = raw_payload(each.info, buffered[each.ref], where)
        else:
            stored.append(each)
    if stored:
        raw |= yield from blocking(_read, store, stored)
    return [
        None if each.info is None else payload_value(each.info, raw[each.ref]) for each in wanted
    ]


def _read(store: PayloadStore, wanted: Sequence[Wanted]) -> dict[str, bytes]:
    return {
        ref: store.read(session_id, ref, info, mime)
        for session_id, ref, info, mime in wanted
        if info is not None
    }
