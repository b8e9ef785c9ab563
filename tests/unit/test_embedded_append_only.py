"""Append-only files, read without a server: where they are whole, and where logs end in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from eventstore.embedded.append_only import (
    MANIFEST,
    Scan,
    cut_torn_end,
    is_headless,
    read_manifest,
    scan,
)
from eventstore.keys import Keys

if TYPE_CHECKING:
    from pathlib import Path

LOG = Keys("es", 0).stream
OTHER = Keys("a{b}", 3).stream
MANIFEST_TEXT = """\
file appendonly.aof.2.base.rdb seq 2 type b
file appendonly.aof.1.incr.aof seq 1 type h
file appendonly.aof.2.incr.aof seq 2 type i
"""


def command(*arguments: str) -> bytes:
    parts = [f"${len(each)}\r\n{each}\r\n" for each in arguments]
    return f"*{len(parts)}\r\n{''.join(parts)}".encode()


def append(position: int, key: str = LOG) -> bytes:
    """Return an append as it lies in the file, with a payload that looks like a command."""
    return (
        command("MULTI")
        + command("XADD", key, f"0-{position}", "chain", "x")
        + command("SET", "payload", "a\r\n*1\r\n$4\r\nnot\r\n")
        + command("EXEC")
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / MANIFEST).write_text(MANIFEST_TEXT)
    return tmp_path / "appendonly.aof.2.incr.aof"


def scanned(path: Path, content: bytes) -> Scan:
    path.write_bytes(content)
    return scan(path)


def test_a_whole_file_is_whole_to_its_end(path: Path) -> None:
    content = (
        command("SELECT", "0")
        + append(1)
        + b"#TS:1\r\n"
        + append(7, OTHER)
        + append(2)
        + b"#TS:2\r\n"
    )
    size = len(content)
    assert scanned(path, content) == Scan(size, size, {LOG: 2, OTHER: 7}, is_torn=False)
    assert cut_torn_end(path.parent) is None


def test_an_empty_file_is_whole(path: Path) -> None:
    assert scanned(path, b"") == Scan(0, 0, {}, is_torn=False)


@pytest.mark.parametrize("lacking", range(1, len(append(3))))
def test_whatever_is_cut_off_an_append_none_of_it_counts(path: Path, lacking: int) -> None:
    content = append(1) + append(2) + append(3)
    found = scanned(path, content[:-lacking])
    whole = len(append(1) + append(2))
    assert found == Scan(whole, len(content) - lacking, {LOG: 2}, is_torn=True)
    assert cut_torn_end(path.parent) == len(append(3)) - lacking
    assert path.read_bytes() == content[:whole]


def test_what_stands_behind_a_damage_still_says_how_far_the_log_went(path: Path) -> None:
    first, second, third = append(1), append(2), append(3)
    content = first + second.replace(b"XADD", b"\0\0\0\0").replace(b"$4", b"$5") + third
    found = scanned(path, content)
    assert found == Scan(len(first), len(content), {LOG: 3}, is_torn=False)
    assert cut_torn_end(path.parent) is None
    assert path.read_bytes() == content


def test_a_length_that_reaches_beyond_the_end_is_no_end(path: Path) -> None:
    content = append(1) + append(2).replace(b"$5\r\nMULTI", b"$5555\r\nMULTI") + append(3)
    found = scanned(path, content)
    assert (found.whole, found.ends, found.is_torn) == (len(append(1)), {LOG: 3}, False)


def test_zeros_at_the_end_are_damage_and_what_stands_before_them_counts(path: Path) -> None:
    content = append(1) + append(2)[:-10] + bytes(10)
    assert scanned(path, content) == Scan(len(append(1)), len(content), {LOG: 2}, is_torn=False)


def test_a_log_that_was_taken_away_counts_no_longer(path: Path) -> None:
    content = append(9) + command("UNLINK", LOG) + append(1)
    assert scanned(path, content).ends == {LOG: 1}


def test_the_manifest_names_the_parts_in_order(path: Path) -> None:
    parts = read_manifest(path.parent)
    assert parts is not None
    assert [(each.name, each.is_base) for each in parts] == [
        ("appendonly.aof.2.base.rdb", True),
        ("appendonly.aof.2.incr.aof", False),
    ]


@pytest.mark.parametrize("text", ["", "garbage\n", MANIFEST_TEXT + "file x\n"])
def test_a_manifest_of_something_else_names_nothing(path: Path, text: str) -> None:
    (path.parent / MANIFEST).write_text(text)
    assert read_manifest(path.parent) is None


def test_parts_without_a_manifest_are_headless_unless_nothing_was_ever_written(
    path: Path,
) -> None:
    path.write_bytes(append(1))
    assert not is_headless(path.parent)
    (path.parent / MANIFEST).unlink()
    assert is_headless(path.parent)
    path.rename(path.with_name("appendonly.aof.1.base.rdb"))
    (path.parent / "appendonly.aof.1.incr.aof").touch()
    assert not is_headless(path.parent)
