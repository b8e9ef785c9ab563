"""Amending artifacts: a correction is an event with the full new view; nothing is overwritten.

All methods are flows. An amendment expects the lane of its target, so of two at once the later
one is made from the earlier one's view, and no change is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eventstore import commands
from eventstore.amended_view import AMENDABLE, amended_header, amendment_fields, view_of
from eventstore.deciding import Asked, Deciding, Decision, deciding_agent, stamp
from eventstore.errors import InvalidEvent, InvalidInput
from eventstore.events import ArtifactAmended, ArtifactPublished, amend_lane
from eventstore.flow import Call, Flow, batch, call
from eventstore.header_view import header_of, tags_of
from eventstore.headers import check_field, lifted_fields
from eventstore.lanes import lane_heads
from eventstore.loading import complete_payloads, load_payloads, payload_of, waiting_refs
from eventstore.payloads import DEFAULT_MIMES, encode_payload, form_of
from eventstore.redact_hook import redacted, redacted_text
from eventstore.refs import check_ref

if TYPE_CHECKING:
    from eventstore.codec import Recorded
    from eventstore.commands import Appended
    from eventstore.events import Fields
    from eventstore.lanes import Heads
    from eventstore.operations import Operations
    from eventstore.payloads import EncodedPayload
    from eventstore.searching import Header


class Unchanged:
    """Stands for a payload that is not given: None is a payload."""

    def __repr__(self) -> str:
        return "UNCHANGED"


UNCHANGED: Final = Unchanged()
_CLEARED: Final[dict[str, Any]] = {"meta": {}, "parent_refs": ()}


class _Version(NamedTuple):
    """An artifact as it is now: as published, and its last amendment."""

    original: Recorded
    amendment: Recorded | None
    amendments: int

    @property
    def event(self) -> ArtifactPublished | ArtifactAmended:
        event = (self.amendment or self.original).event
        assert isinstance(event, ArtifactPublished | ArtifactAmended)
        return event


class _Asked(Asked):
    """What a caller wants amended; the payload counts by its content, wherever it lies."""

    def is_answered_by(self, event: Any) -> bool:
        fields = dict(self.fields)
        wanted = fields.pop("payload", None)
        same = Asked(self.kind, fields).is_answered_by(event)
        return same and (wanted is None or event.payload.sha256 == wanted.sha256)


class Amending:
    """The operations on amendments of a store."""

    def __init__(self, operations: Operations) -> None:
        self._log = operations.log
        self._payloads = operations.payloads
        self._redact = operations.redact
        self._deciding = Deciding(operations.log, operations.appender)

    def amend(
        self,
        target: str,
        header: Mapping[str, Any] | None,
        payload: object,
        agent_id: str | None,
        reason: str | None,
        ref: str | None,
    ) -> Flow[Appended]:
        """Append a correction: the fields of `header` and the payload replace what was said."""
        check_ref(target, "target")
        header, payload = self._redacted(header, payload)
        changes = _checked(header, payload)
        reason = redacted_text(self._redact, ArtifactAmended, {"target": target}, "reason", reason)
        author = deciding_agent(agent_id)
        settings = self._log.settings
        common = {"agent_id": author, "reason": reason, **stamp()}

        def make(event_ref: str) -> Flow[Decision]:
            version = yield from self._log.ready(lambda: self._version(target))
            current = yield from self._log.ready(lambda: self._payload(version))
            view, encoded = _amended(version, current, changes, payload, settings.compress_above)
            published = version.original.event
            assert isinstance(published, ArtifactPublished)
            event = ArtifactAmended(
                ref=event_ref,
                session_id=published.session_id,
                branch_id=published.branch_id,
                episode_id=published.episode_id,
                group_id=published.group_id,
                target=target,
                artifact_type=published.type,
                published_ts=published.ts,
                payload=encoded.info,
                untagged=_untagged(version.event.meta, view["meta"], published.type),
                previous=None if version.amendment is None else version.amendment.event.ref,
                **amendment_fields(view),
                **common,
            )
            expect = {amend_lane(target): version.amendments}
            return Decision(event, expect, data=encoded.data)

        asked = {"target": target, **amendment_fields(changes)}
        if payload is not UNCHANGED:
            mime = changes.get("mime")
            asked["payload"] = encode_payload(payload, form_of(payload, mime), 0).info
        return (yield from self._deciding.decide(ref, _Asked(ArtifactAmended, asked), make))

    def _redacted(
        self, header: Mapping[str, Any] | None, payload: object
    ) -> tuple[Mapping[str, Any] | None, object]:
        if payload is UNCHANGED:
            header, _ = redacted(self._redact, {} if header is None else header, None)
            return header, UNCHANGED
        return redacted(self._redact, {} if header is None else header, payload)

    def _version(self, target: str) -> Flow[_Version]:
        original = yield from self._log.find(target)
        if not isinstance(original.event, ArtifactPublished):
            raise InvalidInput(
                f"target: {target} is an event of kind {original.event.kind}; artifacts are "
                "amended, and what amends one is not"
            )
        return (yield from self._version_of(original))

    def _version_of(self, original: Recorded) -> Flow[_Version]:
        heads = yield from call(self._heads(original))
        return (yield from self._version_at(original, heads))

    def _heads(self, original: Recorded) -> Call[Heads]:
        session_id = original.event.session_id
        lane = amend_lane(original.event.ref)
        return lane_heads(self._log.keys_of(session_id), session_id, [lane])

    def _version_at(self, original: Recorded, heads: Heads) -> Flow[_Version]:
        head = heads[amend_lane(original.event.ref)]
        if head.position is None:
            return _Version(original, None, head.next)
        keys = self._log.keys_of(original.event.session_id)
        (amendment,) = yield from self._log.at_positions(keys, [head.position])
        return _Version(original, amendment, head.next)

    def _payload(self, version: _Version) -> Flow[Any]:
        keys = self._log.keys_of(version.event.session_id)
        (payload,) = yield from load_payloads(self._payloads, keys, [payload_of(version.event)])
        return payload

    def latest(self, original: Recorded) -> Flow[tuple[Header, Any]]:
        """Return the header and the payload of an artifact as they are now."""
        keys, wanted = self._log.keys_of(original.event.session_id), [payload_of(original.event)]
        waiting = waiting_refs(wanted)
        # Hardly any is amended, so its payload is asked for together with whether it was.
        calls: list[Call[Any]] = [self._heads(original)]
        calls += [commands.buffered_payloads(keys, waiting)] if waiting else []
        heads, *buffers = yield from batch(calls)
        version = yield from self._version_at(original, heads)
        if version.amendment is not None:
            header = amended_header(header_of(original), version.amendment)
            return header, (yield from self._payload(version))
        found = dict(zip(waiting, *buffers, strict=True))
        (payload,) = yield from complete_payloads(self._payloads, wanted, found)
        return header_of(original), payload

    def header_at(self, header: Header, position: int) -> Flow[Header]:
        """Return the header of an artifact as it was right after a position of its partition."""
        if header.get("amended", {"position": 0})["position"] <= position:
            return header
        ref = header["amended"]["ref"]
        while ref is not None:
            amendment = yield from self._log.find(ref)
            event = amendment.event
            assert isinstance(event, ArtifactAmended)
            if amendment.position <= position:
                return {**amended_header(header, amendment), "depth": header["depth"]}
            ref = event.previous
        original = yield from self._log.find(header["ref"])
        return {**header_of(original), "depth": header["depth"]}


def _checked(header: Mapping[str, Any] | None, payload: object) -> Fields:
    """Return the changed fields as they are kept. Raises `InvalidEvent` or `InvalidName`."""
    if header is not None and not isinstance(header, Mapping):
        raise InvalidEvent("header", f"a header is a mapping, not {type(header).__name__}")
    changes: Fields = {}
    for name, value in (header or {}).items():
        if name not in AMENDABLE:
            raise InvalidEvent(f"header.{name}", f"cannot be amended; {', '.join(AMENDABLE)} can")
        if value is None and name != "mime":
            changes[name] = _CLEARED.get(name)
        else:
            changes[name] = check_field(name, value, f"header.{name}")
    if not changes and payload is UNCHANGED:
        raise InvalidEvent("header", "changes nothing; give a field or a payload")
    return changes


def _amended(
    version: _Version, current: Any, changes: Fields, payload: object, compress_above: int
) -> tuple[Fields, EncodedPayload]:
    """Return the new view, and the payload of the amendment.

    A new payload says anew what is lifted from payloads: what was lifted from the old one and is
    not in the new one goes.
    """
    view = view_of(version.event)
    if payload is UNCHANGED:
        payload, mime = current, changes.get("mime", view["mime"])
    else:
        published = version.original.event
        assert isinstance(published, ArtifactPublished)
        for name, value in lifted_fields(published.type, current).items():
            if view[name] == value:
                view[name] = None
        view |= lifted_fields(published.type, payload)
        mime = changes.get("mime") or _fitting(payload, view["mime"])
    encoded = encode_payload(payload, form_of(payload, mime), compress_above)
    return {**view, **changes, "mime": mime}, encoded


def _fitting(payload: object, mime: str) -> str:
    """Return the media type that a payload had, if the new one is of its form, else a default."""
    form = form_of(payload, None)
    try:
        return mime if form_of(payload, mime) == form else DEFAULT_MIMES[form]
    except InvalidEvent:
        return DEFAULT_MIMES[form]


def _untagged(before: Mapping[str, Any], after: Mapping[str, Any], type_: str) -> tuple[str, ...]:
    kept = {*tags_of(after), type_}
    return tuple(tag for tag in tags_of(before) if tag not in kept)
