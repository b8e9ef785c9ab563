"""What a session, agent, branch, tag or namespace may be called, and how names are escaped."""

from __future__ import annotations

import re
from typing import Final

from eventstore.errors import InvalidName
from eventstore.shown import shown

MAX_NAME_BYTES: Final = 1024
_NOT_IN_KEYS = re.compile(r"[%:{}\x00-\x1f\x7f]")


def check_name(what: str, value: object) -> str:
    """Return `value` if it can name a `what`, else raise `InvalidName`.

    A name is any Unicode text of 1 to 1,024 bytes in UTF-8. Lone surrogates are refused,
    since no byte sequence stands for them. What is returned is a plain `str`: a member of an
    enumeration of texts, say, prints as something else than the text that it is.
    """
    if not isinstance(value, str):
        raise InvalidName(what, f"a name is text, not {type(value).__name__}")
    if not value:
        raise InvalidName(what, "a name cannot be empty")
    try:
        size = len(value.encode())
    except UnicodeEncodeError as error:
        raise InvalidName(
            what, f"{shown(value)} holds a lone surrogate at {error.start}; it is not Unicode text"
        ) from None
    if size > MAX_NAME_BYTES:
        raise InvalidName(what, f"a name has at most {MAX_NAME_BYTES} bytes, this one {size}")
    return str.__str__(value)


def escape(name: str) -> str:
    """Percent-encode what would end a key segment or a hash tag: `%`, `:`, `{`, `}`, controls.

    Injective: different names never give the same text.
    """
    if _NOT_IN_KEYS.search(name) is None:
        return str.__str__(name)
    return _NOT_IN_KEYS.sub(lambda found: f"%{ord(found.group()):02X}", name)
