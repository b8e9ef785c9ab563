"""Names that break what was not made for them: keys, paths, lines, terminals, readers."""

from __future__ import annotations

import unicodedata
from typing import Final

from eventstore.names import MAX_NAME_BYTES

NAMES: Final = (
    *(".", "..", "../..", "/", "//etc", "\\", "C:\\x", "{}", "{s}:0", ":", "a:b", "::", "%", "%3A"),
    *("*", "?", "[a]", "$(x)", "`x`", "'", '"', "a,b", "</script>", "--json", "-", "~", "#", "&"),
    *("\x00", "a\x00b", "\n", "a\r\nb", "\t", " ", " a", "a ", "a", "A"),
    *("\x7f", "\x1b[31mred", "\x85", "\x9b", "\x07"),
    *("é", unicodedata.normalize("NFD", "é"), "ﬁ", "fi", "ß", "ss", "K", "\u212a", "Å", "\u212b"),
    *("\u202eabc", "\u200b", "\ufeff", "\u2028", "\ufdd0", "\uffff", "\U0001f389", "\U0010ffff"),
    *("שלום", "a\u0301\u0302\u0323" * 20, "main", "log", "0", "null", "x" * MAX_NAME_BYTES),
    "\U0001f389" * (MAX_NAME_BYTES // 4),
)  # fmt: skip
"""Each differs from all others by its code points, and some by nothing else."""

NO_NAMES: Final = {
    "empty": "",
    "a byte too long": "x" * (MAX_NAME_BYTES + 1),
    "too long in UTF-8 alone": "é" * (MAX_NAME_BYTES // 2 + 1),
    "of 1 MB": "x" * 1_000_000,
    "a lone surrogate": "a\ud800",
    "a pair of surrogates": "\ud83c\udf89",
    "bytes": b"a",
    "a number": 10**5_000,
    "a list": ["a"],
}
"""What is refused as a name, by what it is."""
