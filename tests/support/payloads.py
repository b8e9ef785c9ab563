"""Payloads in files of a test's own, and what a store says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from consumers.applying.payload_group import PayloadHandler
from eventstore.payloads import EncodedPayload, encode_payload, form_of, payload_value
from eventstore.settings_storage import PayloadSettings

if TYPE_CHECKING:
    from pathlib import Path

    from eventstore.codec import Recorded
    from eventstore.settings import AppSettings
    from eventstore.store import EventStore

GROUP = {"payloads": PayloadHandler}


def with_payloads(settings: AppSettings, root: Path) -> AppSettings:
    """Return settings whose payloads lie below a directory."""
    return settings.model_copy(update={"payloads": PayloadSettings(url=str(root))})


def payload_of(store: EventStore, item: Recorded) -> Any:
    """Return a payload as the payload store has it."""
    event = item.event
    assert event.payload is not None
    raw = store.parts.payloads.read(event.session_id, event.ref, event.payload)
    return payload_value(event.payload, raw)


def encoded(payload: Any, compress_above: int = 2048) -> EncodedPayload:
    """Return a payload as a producer encodes it."""
    return encode_payload(payload, form_of(payload, None), compress_above)
