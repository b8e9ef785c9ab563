"""Keys, tokens, passwords and e-mail addresses, taken out of what is published: a hook to use.

The patterns are those of the logs (`eventstore.redaction`), and one for addresses. It errs towards
masking. What it cannot see: a secret without a telling name or form, and bytes, which it leaves.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from eventstore.redaction import Redactor, names_secret
from eventstore.settings_models import MASK

if TYPE_CHECKING:
    from collections.abc import Mapping

# Names and numbers say where an artifact belongs; what is an application's own is under these.
_FREE: Final = ("meta", "metrics")
# From the beginning of a run of such letters only: a search of long text stays linear.
_EMAIL: Final = re.compile(r"(?<![\w.%+-])[\w.%+-]+@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,63}(?![\w-])")
_redactor: Final = Redactor()


def redact_keys_and_emails(header: Mapping[str, Any], payload: Any) -> tuple[dict[str, Any], Any]:
    """Return a header and a payload with `**********` for keys, passwords and e-mail addresses.

    For `redact=` of a bus. Masks in text what looks like one, and whatever stands under a key
    such as `api_key` or `password`; of the header only `meta` and `metrics`, since names
    say where an artifact belongs. Changes neither argument; the same gives the same.
    """
    clean = {name: _clean(value) if name in _FREE else value for name, value in header.items()}
    return clean, _clean(payload)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return _mapping(value)
    if isinstance(value, (list, tuple)):
        return [_clean(part) for part in value]
    return value


def _text(text: str) -> str:
    text = _redactor.text(text)
    return _EMAIL.sub(MASK, text) if "@" in text else text


def _mapping(given: dict[Any, Any]) -> dict[Any, Any]:
    clean: dict[Any, Any] = {}
    # In an order of their own: of two keys that are masked alike the same is always the first.
    for key in sorted(given, key=str):
        value = given[key]
        hidden = isinstance(key, str) and names_secret(key)
        keep = value is None or isinstance(value, bool)
        name = _unused(_text(key), clean, given) if isinstance(key, str) else key
        clean[name] = MASK if hidden and not keep else _clean(value)
    return clean


def _unused(name: str, clean: dict[Any, Any], given: dict[Any, Any]) -> str:
    """Return a name for a masked key that no other key has, so that no value takes another's."""
    number, free = 1, name
    while free in clean or (number > 1 and free in given):
        number += 1
        free = f"{name} ({number})"
    return free
