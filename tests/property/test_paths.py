"""No two names share a path, and no path leaves the root."""

from __future__ import annotations

import os.path
import re
import unicodedata
from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eventstore.errors import InvalidEvent, InvalidName
from eventstore.names import MAX_NAME_BYTES
from eventstore.payload_paths import (
    MAX_SEGMENT_BYTES,
    digest_in,
    digest_path,
    name_segment,
    ref_path,
)
from eventstore.payloads import Form, PayloadInfo
from eventstore.refs import derived_ref

REF = derived_ref("paths")
SEGMENT = re.compile(r"(?!\.)[a-z0-9_.%~-]{1,200}")


def fits(name: str) -> bool:
    return 0 < len(name.encode()) <= MAX_NAME_BYTES


# Few letters that mean something in paths, so that two names are often near each other.
tricky = st.text(alphabet="aA.~/%25eé\u0301\0\\ ", min_size=1, max_size=8)
long = st.builds(lambda unit, count: unit * count, tricky, st.integers(1, 200)).filter(fits)
names = st.one_of(tricky, long, st.text(min_size=1, max_size=80).filter(fits))
infos = st.builds(
    PayloadInfo,
    form=st.sampled_from(get_args(Form)),
    size=st.integers(0, 10),
    sha256=st.text(alphabet="0123456789abcdef", min_size=64, max_size=64),
    gzip=st.booleans(),
)


def as_seen(path: str) -> str:
    """A path as a filesystem sees it that ignores case and normalises Unicode."""
    return unicodedata.normalize("NFKC", path).casefold()


@given(names, names)
@example("a" * 201, name_segment("a" * 201))
@example("A", "a")
@example("%2e", ".")
@example("é", "e\u0301")
def test_two_names_never_share_a_segment(one: str, other: str) -> None:
    same = as_seen(name_segment(one)) == as_seen(name_segment(other))
    assert same == (one == other)


@given(names)
def test_a_segment_is_safe_on_every_filesystem(name: str) -> None:
    segment = name_segment(name)
    assert SEGMENT.fullmatch(segment)
    assert len(segment) <= MAX_SEGMENT_BYTES
    assert as_seen(segment) == segment
    cut = "~" in segment
    assert cut == (len(re.sub(rb"[^a-z0-9_.-]|^\.", b"%..", name.encode())) > MAX_SEGMENT_BYTES)


@given(names, infos)
def test_a_path_stays_below_the_root(name: str, info: PayloadInfo) -> None:
    for path in (ref_path(name, REF, info), digest_path(info)):
        assert os.path.normpath(f"/store/{path}") == f"/store/{path}"
    assert ref_path(name, REF, info).split("/")[0] == "artifacts"


@given(infos, infos)
def test_a_content_address_follows_from_what_the_header_says(
    one: PayloadInfo, other: PayloadInfo
) -> None:
    address = [(info.sha256, info.form, info.gzip) for info in (one, other)]
    assert (digest_path(one) == digest_path(other)) == (address[0] == address[1])
    assert digest_in(digest_path(one)) == one.sha256


@pytest.mark.parametrize(
    "path",
    [
        "payloads/x.txt",
        "payloads/sha256-00.json",
        f"sha256-{'0' * 64}.json",
        f"payloads/sub/sha256-{'0' * 64}.json",
        f"payloads/.sha256-{'0' * 64}.json.1-2.part",
    ],
)
def test_another_file_names_no_digest(path: str) -> None:
    assert digest_in(path) is None


@pytest.mark.parametrize("name", ["", "\ud800", "x" * (MAX_NAME_BYTES + 1)])
def test_what_is_no_name_has_no_path(name: str) -> None:
    with pytest.raises(InvalidName, match="session_id"):
        name_segment(name)


@pytest.mark.parametrize("ref", ["", "../x", "0" * 31, "A" * 32])
def test_what_is_no_ref_has_no_path(ref: str) -> None:
    with pytest.raises(InvalidEvent, match="ref"):
        ref_path("s", ref, PayloadInfo(form="json", size=0, sha256="0" * 64))
