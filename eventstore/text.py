"""Rough measures and short forms of text, without a tokenizer and without a model."""

from __future__ import annotations

from typing import Final

from eventstore.errors import InvalidInput

_BYTES_PER_TOKEN: Final = 3.7
# Of what may be shown, so much goes to the beginning; the rest shows how the text ends.
_HEAD_SHARE: Final = 0.7
# A cut goes back to a blank if one is within this part of the piece.
_BLANK_WITHIN: Final = 0.2


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a text is: one for 3.7 bytes of UTF-8, rounded up.

    0 for an empty text only. Right to within a third for English and for code with the usual
    tokenizers; a bill needs the provider's own count.
    """
    size = len(text.encode("utf-8", errors="surrogatepass"))
    return -int(-size // _BYTES_PER_TOKEN)


def summarise(text: str, limit_chars: int = 750) -> str:
    """Return a text in at most `limit_chars` characters: itself, or its beginning and its end.

    Between them stands how many characters were left out, where there is room to say so. Cuts at
    blanks where one is near. Raises `InvalidInput` for a negative limit.
    """
    if limit_chars < 0:
        raise InvalidInput(f"limit_chars: {limit_chars} is negative; 0 gives an empty text")
    if len(text) <= limit_chars:
        return text
    # As wide as the widest it can become, since the number depends on where the cuts fall.
    room = limit_chars - len(_mark(len(text)))
    if room < 2:
        return text[: max(0, limit_chars - 1)] + "…"[:limit_chars]
    head = _cut_after(text[: round(room * _HEAD_SHARE)])
    tail = _cut_before(text[len(text) - (room - round(room * _HEAD_SHARE)) :])
    return head + _mark(len(text) - len(head) - len(tail)) + tail


def _mark(left_out: int) -> str:
    return f" […{left_out} characters…] "


def _cut_after(piece: str) -> str:
    """Return the beginning of a text without a word that was cut through."""
    blank = piece.rfind(" ")
    return piece[:blank] if blank >= len(piece) * (1 - _BLANK_WITHIN) else piece


def _cut_before(piece: str) -> str:
    """Return the end of a text without a word that was cut through."""
    blank = piece.find(" ")
    return piece[blank + 1 :] if 0 <= blank <= len(piece) * _BLANK_WITHIN else piece
