"""The chain: 16 hex digits per entry that stand for the whole history up to it.

`append.lua` computes the same function; `log verify` and the tests compare the two.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

GENESIS: Final = "0" * 16
DIGEST_BYTES: Final = 8

# Maps in key order, so that equal content has equal bytes.
_canonical = msgspec.msgpack.Encoder(order="deterministic")


def link(previous: str, ref: str, digest: str) -> str:
    """Return the chain after an event: sha1(previous + ref + digest), 16 hex digits."""
    data = f"{previous}{ref}{digest}".encode()
    # SHA-1 is what Redis scripts offer; the chain detects loss, tampering needs write access.
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()[:16]


def content_digest(content: dict[str, object]) -> bytes:
    """Return the 8-byte digest of what a caller gave, independent of key order."""
    return hashlib.sha256(_canonical.encode(content)).digest()[:DIGEST_BYTES]
