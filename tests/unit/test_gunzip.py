"""Gzip is inflated whole or not at all, and never beyond its bound."""

from __future__ import annotations

import gzip
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.errors import PayloadDamaged
from eventstore.gunzip import gunzip
from eventstore.payloads import PayloadInfo, encode_payload, raw_payload

if TYPE_CHECKING:
    from collections.abc import Callable

RAW = b"some text " * 300
DATA = gzip.compress(RAW, mtime=0)
LARGE = 16 * 1024 * 1024
BOMB = gzip.compress(bytes(LARGE), 9, mtime=0)


@given(st.binary(max_size=5_000), st.integers(0, 50))
def test_a_member_comes_back_within_its_bound(raw: bytes, room: int) -> None:
    data = gzip.compress(raw, mtime=0)
    assert gunzip(data, len(raw) + room) == raw
    if raw:
        with pytest.raises(ValueError, match="expands to more than the"):
            gunzip(data, len(raw) - 1)


SPOILT: dict[str, Callable[[bytes], bytes]] = {
    "not a gzip stream": lambda data: b"plain",
    "not a gzip stream .*data check": lambda data: data[:-8] + bytes(4) + data[-4:],
    "not a gzip stream .*length check": lambda data: data[:-4] + bytes(4),
    "not a gzip stream .*header": lambda data: data[:3] + b"\xff" + data[4:],
    "cut off": lambda data: data[:-1],
    "stream that is cut off": lambda data: b"",
    "1 more bytes behind the end": lambda data: data + b"\0",
    "more bytes behind the end": lambda data: data + data,
    "expands to more than the 3,000 bytes": lambda data: gzip.compress(RAW + b"x"),
}


@pytest.mark.parametrize("said", SPOILT)
def test_what_is_not_one_whole_member_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match=said):
        gunzip(SPOILT[said](DATA), len(RAW))
    info = encode_payload(RAW, "bin", 0).info
    with pytest.raises(PayloadDamaged, match=f"^here: .*{said}.*restore the file from a backup"):
        raw_payload(info, SPOILT[said](DATA), "here")


@given(st.binary(max_size=60), st.integers(-(2**70), 2**70))
def test_any_bytes_are_refused_or_read(data: bytes, most: int) -> None:
    for given_ in (data, DATA[:10] + data):
        with pytest.raises(ValueError, match=r"."):
            gunzip(given_, most)


def peak(call: Callable[[], object]) -> int:
    """Return the most memory that a call took which is refused."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="expands to more"):
            call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_bomb_takes_no_more_memory_than_its_bound() -> None:
    assert peak(lambda: gunzip(BOMB, 1_000_000)) < 4_000_000
    assert peak(lambda: gunzip(BOMB, -1)) < 1_000_000


@pytest.mark.parametrize("size", [-(2**80), -1, 0, 1, 2**63 - 1, 2**63, 2**80])
def test_a_size_that_is_not_the_payloads_is_damage_however_absurd(size: int) -> None:
    info = PayloadInfo(form="bin", size=size, sha256="0" * 64, gzip=True)
    with pytest.raises(PayloadDamaged, match=r"^here: "):
        raw_payload(info, DATA, "here")
    for data in (b"", b"plain"):
        with pytest.raises(PayloadDamaged, match=r"^here: "):
            raw_payload(info, data, "here")
