"""Values as messages show them: short, printable, and whatever the value is."""

from __future__ import annotations

from typing import Final

_MOST_OF_A_VALUE: Final = 100
_MOST_OF_A_MESSAGE: Final = 1_000
_LAST: Final = 400
# An integer of more digits than Python converts has no repr.
_MOST_BITS: Final = 512


def shown(value: object) -> str:
    """Return a value's repr, or of a long one its beginning and how long it is."""
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        return f"an integer of {value.bit_length()} bits"
    if isinstance(value, (str, bytes)) and len(value) > _MOST_OF_A_VALUE:
        return f"{value[:_MOST_OF_A_VALUE]!r}… ({len(value):,} in all)"
    try:
        text = repr(value)
    except ValueError:
        # Somewhere in it is an integer without a repr.
        return f"a {type(value).__name__}"
    return text if len(text) <= _MOST_OF_A_VALUE else f"{text[:_MOST_OF_A_VALUE]}…"


def sentence(text: str) -> str:
    """Return a message that any output takes: lone surrogates escaped, a long middle left out."""
    clean = text.encode("utf-8", "backslashreplace").decode()
    if len(clean) <= _MOST_OF_A_MESSAGE:
        return clean
    first, last = clean[: _MOST_OF_A_MESSAGE - _LAST], clean[-_LAST:]
    return f"{first}…({len(clean) - _MOST_OF_A_MESSAGE:,} left out)…{last}"
