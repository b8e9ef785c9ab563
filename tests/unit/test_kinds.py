"""Kinds: stored events of an older schema are brought up, newer ones refused, others passed on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from support import golden

from eventstore.codec import decode_entry, stored_digest
from eventstore.errors import UndecodableEvent
from eventstore.events import BranchForked, UnknownEvent
from eventstore.kinds import KINDS, UPCASTERS

if TYPE_CHECKING:
    from collections.abc import Sequence

SPEC = {
    *("artifact.published", "artifact.amended"),
    *("evaluation.requested", "evaluation.started", "evaluation.completed", "evaluation.failed"),
    *("session.opened", "session.closed", "session.ticked", "tick.acked", "agent.registered"),
    *("override.written", "branch.forked", "branch.rewound", "branch.checked_out"),
    # Beyond the specification: a stack's pop hides one step, not all above it; agents leave and
    # finish; a tick that is given up names who stalled; branches are taken out of lists and back.
    *("branch.popped", "agent.unregistered", "agent.finished", "tick.stalled"),
    *("branch.pruned", "branch.unpruned"),
}


def entry(**changes: Any) -> tuple[bytes, Sequence[bytes]]:
    """Return the stored entry of a fork, with fields changed; None leaves one out."""
    draft = golden.fork()
    fields: dict[str, Any] = {
        "kind": "branch.forked",
        "v": b"1",
        "ref": draft.event.ref,
        "session": "s",
        "agent": "a",
        "branch": "warmer",
        "type": b"",
        "lane": "lineage:warmer",
        "idx": b"0",
        "seq": b"0",
        "ts": golden.TS,
        "at": b"1",
        "header": draft.header,
        "digest": draft.digest.hex(),
        "chain": "0" * 16,
        **changes,
    }
    values = [part for pair in fields.items() if pair[1] is not None for part in pair]
    return b"0-7", [part.encode() if isinstance(part, str) else part for part in values]


def test_the_kinds_of_the_specification_are_there() -> None:
    assert KINDS.keys() == SPEC
    assert all(cls.VERSION >= 1 for cls in KINDS.values())


def test_an_older_version_is_brought_up_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = {
        1: lambda fields: {**fields, "begin": fields["at"]},
        2: lambda fields: {**fields, "at": fields.pop("begin") + 10},
    }
    digest = golden.fork().digest
    monkeypatch.setattr(BranchForked, "VERSION", 3)
    monkeypatch.setitem(UPCASTERS, "branch.forked", steps)
    event = decode_entry(0, entry()).event
    assert isinstance(event, BranchForked)
    assert event.at == 10
    # The digest is of what was stored, not of what it is read as.
    stored = entry(session="s:1", agent="operator")
    assert stored_digest(0, stored) == digest.hex()


def test_a_newer_version_is_refused_with_its_position() -> None:
    said = "partition 2, position 7: a branch.forked event has schema version 2, .* upgrade"
    with pytest.raises(UndecodableEvent, match=said):
        decode_entry(2, entry(v=b"2"))


def test_an_unknown_kind_passes_through() -> None:
    header = msgspec.msgpack.encode({"colour": "red", "parent_refs": ["0" * 32]})
    found = decode_entry(0, entry(kind="paint.mixed", v=b"9", header=header, lane="paint"))
    event = found.event
    assert isinstance(event, UnknownEvent)
    assert (event.kind, event.lane, event.session_id) == ("paint.mixed", "paint", "s")
    assert event.parent_refs == ("0" * 32,)
    assert event.fields == {"colour": "red"}
    assert (found.position, found.index) == (7, 0)


@pytest.mark.parametrize(
    "damage",
    [
        {"header": b"\xc1"},
        {"header": b"\x01"},
        {"header": None},
        {"seq": None},
        {"idx": b"x"},
        {"v": b""},
        {"session": b"\xff"},
        {"chain": b"\xff"},
        {"header": msgspec.msgpack.encode({"at": "x", "own": 1, "parent": "m", "segments": []})},
    ],
    ids=str,
)
def test_damage_is_named_with_its_position(damage: dict[str, Any]) -> None:
    with pytest.raises(UndecodableEvent, match="partition 0, position 7: "):
        decode_entry(0, entry(**damage))


def test_half_a_field_is_damage() -> None:
    entry_id, values = entry()
    with pytest.raises(UndecodableEvent):
        decode_entry(0, (entry_id, values[:-1]))
