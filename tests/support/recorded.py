"""Drafts as a reader gets them, through the log's own encoding but without a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventstore.chain import GENESIS, link
from eventstore.codec import Recorded, decode_entry, stored_digest
from eventstore.header_view import header_of
from eventstore.keys import entry_id
from eventstore.payloads import payload_value, raw_payload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.drafts import Draft


def entries_of(drafts: Sequence[Draft]) -> list[tuple[bytes, list[bytes]]]:
    """Return drafts of one session as the stream's entries, chained."""
    lanes: dict[str, int] = {}
    chain, result = GENESIS, []
    for seq, draft in enumerate(drafts):
        event = draft.event
        index = lanes.get(event.lane, 0)
        lanes[event.lane] = index + 1
        chain = link(chain, event.ref, draft.digest.hex())
        fields = {
            "kind": event.kind,
            "v": event.VERSION,
            "ref": event.ref,
            "session": event.session_id,
            "agent": event.agent_id,
            "branch": event.branch_id,
            "type": getattr(event, "type", ""),
            "lane": event.lane,
            "idx": index,
            "seq": seq,
            "ts": event.ts,
            "at": 0,
            "header": draft.header,
            "digest": draft.digest.hex(),
            "chain": chain,
        }
        values = [
            part if isinstance(part, bytes) else str(part).encode()
            for pair in fields.items()
            for part in pair
        ]
        result.append((entry_id(seq + 1).encode(), values))
    return result


def record(drafts: Sequence[Draft]) -> list[Recorded]:
    """Return drafts of one session as the log holds them; checks the digest of each entry."""
    result = []
    for entry, draft in zip(entries_of(drafts), drafts, strict=True):
        assert stored_digest(0, entry) == draft.digest.hex()
        result.append(decode_entry(0, entry))
    return result


def rows_of(drafts: Sequence[Draft]) -> list[tuple[dict[str, Any], Any]]:
    """Return (public header, payload) of each draft; the payload is None where there is none."""
    rows = []
    for draft, recorded in zip(drafts, record(drafts), strict=True):
        info = recorded.event.payload
        payload = None
        if info is not None:
            payload = payload_value(info, raw_payload(info, draft.data, "test"))
        rows.append((header_of(recorded), payload))
    return rows
