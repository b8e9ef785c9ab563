"""Where payloads lie below the root of the payload store: pure, the same on every filesystem.

    artifacts/{session}/payloads/{ref}.{json|txt|bin}[.gz]   written after the append
    payloads/sha256-{hex}.{json|txt|bin}[.gz]                large ones, written before it
    stores/{uuid}                                            empty: a store keeps large ones here

A content address is a function of the payload's description alone, so the header names it:
`hex` is the sha256 of the raw bytes, the extension tells the form, `.gz` whether the bytes are
kept compressed. Two writers that differ in form or compression thus never share a file.

A session's name becomes one path segment. Its UTF-8 bytes a-z, 0-9, `_`, `-` and `.` stand for
themselves (a `.` in front does not), every other byte is `%` and two lowercase hex digits. So
a segment never is `.` or `..`, never holds a separator or NUL, and never holds a capital or a
non-ASCII letter: a filesystem that ignores case or normalises Unicode keeps names apart too. A
segment longer than 200 bytes is cut and ends in `~` and the sha256 of the name; `~` is not a
byte of any other segment.

A driver of one's own is not told paths: it gets a session, a ref and a media type (`Address`). A
payload under its content is, for it, in the session `payloads`, under its file's name as the ref.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final, NamedTuple

from eventstore.names import check_name
from eventstore.payloads import DEFAULT_MIMES, EXTENSIONS, PayloadInfo
from eventstore.refs import check_ref

SESSIONS_ROOT: Final = "artifacts"
DIGESTS_ROOT: Final = "payloads"
STORES_ROOT: Final = "stores"
MAX_SEGMENT_BYTES: Final = 200

_ENCODED = re.compile(rb"[^a-z0-9_.-]|^\.")
_DIGEST_NAME = re.compile(r"sha256-([0-9a-f]{64})\.[a-z]+(?:\.gz)?")


class Address(NamedTuple):
    """Where a payload lies: by session, ref and media type for a driver, by path for files."""

    session_id: str
    ref: str
    mime: str
    path: str


def name_segment(name: str) -> str:
    """Return the path segment that stands for a name, and for no other name.

    At most 200 bytes of printable lowercase ASCII. Raises `InvalidName`.
    """
    data = check_name("session_id", name).encode()
    segment = _ENCODED.sub(lambda found: b"%%%02x" % found.group()[0], data).decode()
    if len(segment) <= MAX_SEGMENT_BYTES:
        return segment
    digest = hashlib.sha256(data).hexdigest()
    return f"{segment[: MAX_SEGMENT_BYTES - len(digest) - 1]}~{digest}"


def ref_path(session_id: str, ref: str, info: PayloadInfo) -> str:
    """Return the path of an event's own payload, relative to the root."""
    folder = f"{SESSIONS_ROOT}/{name_segment(session_id)}/payloads"
    return f"{folder}/{check_ref(ref)}.{_extension(info)}"


def digest_path(info: PayloadInfo) -> str:
    """Return the path of a payload kept under its content, relative to the root."""
    return f"{DIGESTS_ROOT}/sha256-{info.sha256}.{_extension(info)}"


def ref_address(session_id: str, ref: str, info: PayloadInfo, mime: str) -> Address:
    """Return where an event's own payload lies; `mime` "" stands for its form's default."""
    path = ref_path(session_id, ref, info)
    return Address(session_id, ref, mime or DEFAULT_MIMES[info.form], path)


def digest_address(info: PayloadInfo) -> Address:
    """Return where a payload kept under its content lies.

    Its media type is its form's default: events of several types may share it.
    """
    path = digest_path(info)
    return Address(DIGESTS_ROOT, path.rpartition("/")[2], DEFAULT_MIMES[info.form], path)


def digest_in(path: str) -> str | None:
    """Return the sha256 that a path below `payloads/` names; None for another file's path."""
    folder, _, name = path.rpartition("/")
    found = _DIGEST_NAME.fullmatch(name)
    return found.group(1) if found and folder == DIGESTS_ROOT else None


def _extension(info: PayloadInfo) -> str:
    return EXTENSIONS[info.form] + (".gz" if info.gzip else "")
