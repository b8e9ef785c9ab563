"""Comparing read models: where two differ, and one digest for what a read model says."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from projections.memory import Content

_DIGEST_BYTES: Final = 32
_MOST_SHOWN: Final = 80


@dataclass(frozen=True, slots=True)
class Difference:
    """One fault of a key: a row, or its type if `row` is None. None stands for "not there"."""

    key: str
    row: bytes | None
    expected: bytes | None
    found: bytes | None

    def __str__(self) -> str:
        """What is wrong, in one line of bounded length."""
        what = "the type" if self.row is None else f"row {_shown(self.row)}"
        return (
            f"{self.key!r}: {what} is {_shown(self.found)}, "
            f"the log makes it {_shown(self.expected)}"
        )


def differences(key: str, expected: Content | None, found: Content | None) -> Iterator[Difference]:
    """Yield where a key on the server is not what the log makes of it; None is a missing key."""
    if found and (not found.rows or (expected and expected.kind != found.kind)):
        # Of a type that no projection writes, the rows are not even read.
        kind = expected.kind.encode() if expected else None
        yield Difference(key, None, kind, found.kind.encode())
        return
    wanted = expected.rows if expected else {}
    seen = found.rows if found else {}
    for row, value in wanted.items():
        if seen.get(row) != value:
            yield Difference(key, row, value, seen.get(row))
    for row, value in seen.items():
        if row not in wanted:
            yield Difference(key, row, None, value)


class Digest:
    """A digest over keys and their rows, whatever the order in which either are given.

    Names are taken without the prefix that tells partition and generation, so two generations
    that say the same have one digest.
    """

    def __init__(self) -> None:
        self._sum = 0

    def add(self, name: str, content: Content) -> None:
        """Take in one key, each once; `name` is the key behind the prefix."""
        digest = hashlib.sha256()
        for part in (name.encode("utf-8", "surrogateescape"), content.kind.encode()):
            _feed(digest, part)
        for row in sorted(content.rows):
            _feed(digest, row)
            _feed(digest, content.rows[row])
        self._sum += int.from_bytes(digest.digest(), "big")

    def hexdigest(self) -> str:
        """Return the digest of all keys taken in."""
        return f"{self._sum % 2 ** (8 * _DIGEST_BYTES):0{2 * _DIGEST_BYTES}x}"


def _feed(digest: hashlib._Hash, part: bytes) -> None:
    # The length keeps two parts from running together.
    digest.update(len(part).to_bytes(8, "big"))
    digest.update(part)


def _shown(value: bytes | None) -> str:
    if value is None:
        return "absent"
    text = value.decode("utf-8", "backslashreplace")
    more = f"… ({len(value)} bytes)" if len(text) > _MOST_SHOWN else ""
    return f"{text[:_MOST_SHOWN]!r}{more}"
