"""docs/format.md says what bytes the log has; these are the bytes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from support import golden
from support.folding import KEYS, fold, members, rows
from support.format_page import PAGE, block, pairs
from support.recorded import record

from eventstore.chain import GENESIS, link
from eventstore.codec import encode_event
from eventstore.headers import build_artifact
from eventstore.keys import Keys, partition_of
from eventstore.payload_paths import digest_path, ref_path
from projections.branch import Branch
from projections.evaluation import Evaluation
from projections.index import Index
from projections.timeline import Timeline

if TYPE_CHECKING:
    from eventstore.drafts import Draft


def evaluation() -> Draft:
    header = {
        "ref": "019b76da4a00700080000000000000a3",
        "session_id": "s:1",
        "agent_id": "judge",
        "type": "evaluation",
        "ts": golden.TS,
        "evaluator_id": "judge",
    }
    return build_artifact(header, {"score": 0.5, "target": golden.ARTIFACT_REF}, {}, 2048)


class TestEntries:
    @pytest.mark.parametrize(
        ("name", "draft"), [("entry 0-1", golden.artifact()), ("entry 0-2", golden.fork())]
    )
    def test_header_and_digest(self, name: str, draft: Draft) -> None:
        written = pairs(name)
        header, digest = encode_event(draft.event)
        assert (header, digest) == (draft.header, draft.digest)
        assert written["header"] == f"0x{header.hex()}"
        assert written["digest"] == digest.hex()
        event = draft.event
        assert (written["kind"], written["v"]) == (event.kind, str(event.VERSION))
        assert (written["ref"], written["session"], written["lane"]) == (
            event.ref,
            event.session_id,
            event.lane,
        )

    def test_chain(self) -> None:
        chain = GENESIS
        for name in ("entry 0-1", "entry 0-2"):
            written = pairs(name)
            chain = link(chain, written["ref"], written["digest"])
            assert written["chain"] == chain

    def test_the_digest_is_of_the_content(self) -> None:
        (line,) = block("json content")
        content = msgspec.json.decode(line)
        assert list(content) == sorted(content)
        packed = msgspec.msgpack.Encoder(order="deterministic").encode(content)
        assert hashlib.sha256(packed).digest()[:8] == golden.artifact().digest

    def test_a_stored_entry_is_read(self) -> None:
        events = record([golden.artifact(), golden.fork()])
        assert [each.event for each in events] == [
            golden.artifact().event,
            golden.fork().event,
        ]
        assert events[1].chain == pairs("entry 0-2")["chain"]


class TestKeysAndPaths:
    def test_a_name_in_a_key(self) -> None:
        assert Keys("es", 3).session("ledger:{a}") == "{es:3}:session:ledger%3A%7Ba%7D"
        assert "`ledger%3A%7Ba%7D`" in PAGE

    def test_the_partition_of_a_session(self) -> None:
        assert [partition_of(name, 16) for name in ("s:1", "é", "demo")] == [8, 14, 0]

    def test_paths(self) -> None:
        info = golden.artifact().event.payload
        assert info is not None
        assert block("paths") == [ref_path("s:1", golden.ARTIFACT_REF, info), digest_path(info)]

    def test_the_payload(self) -> None:
        (line,) = block("payload")
        assert golden.artifact().data == line.encode()


class TestReadModels:
    def test_rows(self) -> None:
        events = record([golden.artifact(), golden.fork(), evaluation()])
        made: dict[str, Any] = {
            "headers": rows(fold(Index(), events), KEYS.headers("s:1"))[golden.ARTIFACT_REF],
            "index": rows(fold(Index(), events), KEYS.index("s:1"))[golden.ARTIFACT_REF],
            "branches": rows(fold(Branch(), events), KEYS.branches("s:1"))["warmer"],
            "evaluations": rows(fold(Evaluation(), events), KEYS.evaluations("s:1"))[
                evaluation().event.ref
            ],
            "scores": rows(fold(Evaluation(), events), KEYS.scores("s:1"))["main"],
        }
        for name, row in made.items():
            (line,) = block(f"json {name}")
            assert line == msgspec.json.encode(row).decode(), name

    def test_members(self) -> None:
        events = record([golden.artifact()])
        (line,) = block("member")
        assert members(fold(Timeline(), events), KEYS.timeline("s:1")) == [(line, 1767225600000)]
        assert members(fold(Branch(), events), KEYS.branch("s:1", "main")) == [(line, 0)]
