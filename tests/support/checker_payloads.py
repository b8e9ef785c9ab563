"""The independent checker's view of payloads: files, and buffers that still wait for one."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from support.checker_log import Entry

_EXTENSIONS = {"json": ".json", "text": ".txt", "bin": ".bin"}
_SEGMENT_BYTES = 200
_DIGEST_FILE = re.compile(r"sha256-([0-9a-f]{64})\.(json|txt|bin)(\.gz)?")


def path_of(entry: Entry) -> str | None:
    """Return where a stored payload lies below the root; None if there are no bytes."""
    info = entry.payload
    if info is None or info["place"] == "none":
        return None
    end = _EXTENSIONS[info["form"]] + (".gz" if info["gzip"] else "")
    if info["place"] == "digest":
        return f"payloads/sha256-{info['sha256']}{end}"
    return f"artifacts/{_segment(entry.session)}/payloads/{entry.ref}{end}"


def _segment(session: str) -> str:
    plain = b"abcdefghijklmnopqrstuvwxyz0123456789_-."
    text = "".join(
        chr(byte) if byte in plain and not (index == 0 and byte == ord(".")) else f"%{byte:02x}"
        for index, byte in enumerate(session.encode())
    )
    if len(text) <= _SEGMENT_BYTES:
        return text
    digest = hashlib.sha256(session.encode()).hexdigest()
    return text[: _SEGMENT_BYTES - len(digest) - 1] + "~" + digest


def check_files(root: Path, entries: list[Entry], problems: list[str]) -> None:
    """Note payloads of these entries that their files do not hold, whole and right.

    `entries` are those that the payload group has passed.
    """
    for entry in entries:
        path = path_of(entry)
        if path is None:
            if entry.payload is not None and entry.payload["size"] != 0:
                problems.append(f"{entry.where}: a payload with bytes lies nowhere")
            continue
        file = root / path
        if file.is_file():
            check_bytes(f"{entry.where}: file {path}", entry.payload, file.read_bytes(), problems)
        else:
            problems.append(f"{entry.where}: there is no file {path}")


def check_bytes(where: str, info: dict[str, Any] | None, data: bytes, problems: list[str]) -> None:
    """Note where a payload's bytes, as kept, are not what the log says of them."""
    assert info is not None
    if len(data) != info["stored"]:
        problems.append(f"{where}: {len(data)} bytes, the log says {info['stored']}")
    try:
        raw = gzip.decompress(data) if info["gzip"] else data
        if info["form"] == "json":
            json.loads(raw)
        elif info["form"] == "text":
            raw.decode()
    except (OSError, EOFError, ValueError, zlib.error) as error:
        problems.append(f"{where}: cannot be read: {error!r}")
        return
    if len(raw) != info["size"] or hashlib.sha256(raw).hexdigest() != info["sha256"]:
        problems.append(f"{where}: not the payload with sha256 {info['sha256'][:12]}…")


def check_no_strangers(
    root: Path, entries: list[Entry], uuids: set[str], problems: list[str]
) -> None:
    """Note files that belong to no event, and files whose content is not what they are named for.

    A killed writer's unfinished file is nobody's business; a large payload may lie under its
    digest without its event, since it is written before the append. The store's mark says that
    it keeps such payloads here. What lies in the journal and its index is compared
    elsewhere.
    """
    expected = {path_of(entry) for entry in entries}
    marks = {f"stores/{uuid}" for uuid in uuids}
    if any((path or "").startswith("payloads/") for path in expected):
        problems += [f"there is no mark {mark}" for mark in marks if not (root / mark).is_file()]
    expected |= marks
    journals = tuple(f"{kind}/{uuid}/" for kind in ("journal", "index") for uuid in uuids)
    for file in sorted(path for path in root.rglob("*") if path.is_file()):
        path = file.relative_to(root).as_posix()
        if (
            path.startswith(journals)
            or path in expected
            or (file.name.startswith(".") and file.name.endswith(".part"))
        ):
            continue
        named = _DIGEST_FILE.fullmatch(path.removeprefix("payloads/"))
        if named is None:
            problems.append(f"file {path} belongs to no event")
            continue
        data = file.read_bytes()
        raw = gzip.decompress(data) if named.group(3) else data
        if hashlib.sha256(raw).hexdigest() != named.group(1):
            problems.append(f"file {path} does not hold what it is named for")
