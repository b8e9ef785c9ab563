"""Inflating what was gzipped, never beyond a bound."""

from __future__ import annotations

import zlib
from typing import Final

_GZIP: Final = 16 + zlib.MAX_WBITS
# No byte of deflate stands for more.
_MOST_A_BYTE: Final = 1_032


def gunzip(data: bytes, most: int) -> bytes:
    """Return what one gzip member holds, at most `most` bytes.

    Raises `ValueError`, which says what is wrong, for more bytes than that, for a member that is
    cut off or whose checksum is another, and for anything behind it. Never takes memory for more
    than `most` bytes, or than `data` could stand for.
    """
    inflate = zlib.decompressobj(wbits=_GZIP)
    try:
        # One byte more than wanted is enough to see that there is too much; 0 means no bound.
        raw = inflate.decompress(data, max(0, min(most, _MOST_A_BYTE * len(data))) + 1)
    except zlib.error as error:
        raise ValueError(f"not a gzip stream ({error})") from None
    if len(raw) > most:
        raise ValueError(f"it expands to more than the {most:,} bytes that it may")
    if not inflate.eof:
        raise ValueError("a gzip stream that is cut off")
    if inflate.unused_data:
        raise ValueError(f"{len(inflate.unused_data):,} more bytes behind the end of a gzip stream")
    return raw
