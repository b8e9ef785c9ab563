"""A recorded run, checked and mapped to events, not yet encoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from eventstore.drafts import Draft, draft
from eventstore.events import ArtifactPublished, Event
from eventstore.payloads import DEFAULT_MIMES, encode_payload, form_of
from eventstore.refs import derived_ref
from eventstore.times import current_timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping

_NO_PAYLOAD: Final = object()


class Planned(msgspec.Struct, frozen=True):
    """An event without its payload's description, and the payload, if it has one."""

    event: Event
    payload: Any = _NO_PAYLOAD

    def draft(self, compress_above: int) -> Draft:
        """Return the event ready to be appended, its payload gzipped above so many bytes."""
        if self.payload is _NO_PAYLOAD:
            return draft(self.event)
        mime = self.event.mime if isinstance(self.event, ArtifactPublished) else None
        encoded = encode_payload(self.payload, form_of(self.payload, mime), compress_above)
        event = msgspec.structs.replace(self.event, payload=encoded.info)
        return draft(event, encoded.data)


class Run(msgspec.Struct, frozen=True):
    """One run of a file: `index` counts from 0 in the file, the events are in their order.

    Everything in it follows from the record alone, so that the same record imported again,
    from whatever file, gives the same refs and contents and adds no event.
    """

    index: int
    session_id: str
    group_id: str | None
    planned: tuple[Planned, ...]

    def drafts(self, compress_above: int) -> list[Draft]:
        """Return the run's events ready to be appended, with refs that follow from the record."""
        return [item.draft(compress_above) for item in self.planned]


class Plan:
    """Collects the events of a run, each with a ref that follows from the record's digest.

    Event times are those of the import: recorded runs carry none. They are marked as defaulted
    and so are no part of the content.
    """

    def __init__(self, origin: str, digest: str, common: Mapping[str, Any]) -> None:
        self._origin = origin
        self._digest = digest
        self._common = {**common, "ts": current_timestamp(), "defaulted": ("ts",)}
        self.planned: list[Planned] = []

    @property
    def last_ref(self) -> str:
        """The ref of the event added last."""
        return self.planned[-1].event.ref

    def add(self, kind: type[Event], **fields: Any) -> str:
        """Add an event without payload; return its ref."""
        return self._add(kind, fields, _NO_PAYLOAD)

    def publish(self, type_: str, payload: object, **fields: Any) -> str:
        """Add an artifact; return its ref. A text is plain text unless `mime` says JSON."""
        fields.setdefault("mime", DEFAULT_MIMES[form_of(payload, None)])
        return self._add(ArtifactPublished, {"type": type_, **fields}, payload)

    def _add(self, kind: type[Event], fields: dict[str, Any], payload: object) -> str:
        ref = derived_ref(self._origin, self._digest, str(len(self.planned)))
        self.planned.append(Planned(kind(**{**self._common, "ref": ref, **fields}), payload))
        return ref
