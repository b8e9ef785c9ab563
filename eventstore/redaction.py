"""Secrets taken out of text: by the names before values, and by the look of values. Pure.

It errs towards masking: a masked word in a log costs less than a key in one. What no rule here
can know is a secret without a telling name or form; give those as `known`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from eventstore.settings_models import MASK

if TYPE_CHECKING:
    from collections.abc import Iterable

MIN_KNOWN_LENGTH: Final = 8
"""Known secrets shorter than this are not looked for: they would be found inside common words."""

# The words of a key in snake_case, kebab-case or camelCase.
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_ANYWHERE: Final = frozenset((
    "password", "passwords", "passwd", "passphrase", "passcode", "secret", "secrets",
    "credential", "credentials", "authorization", "apikey", "apikeys", "accesskey", "privatekey",
))  # fmt: skip
_LAST: Final = frozenset(("token", "cookie", "cookies", "pwd", "auth", "jwt", "bearer"))
# Together with a word before it: `public_key` and `prompt_tokens` are no secrets.
_PAIRED: Final = frozenset(("key", "keys", "tokens"))
_PAIRING: Final = frozenset((
    "api", "access", "private", "secret", "signing", "encryption", "auth", "refresh", "bearer",
    "session", "account",
))  # fmt: skip

_QUOTED: Final = r'"(?:[^"\\]|\\.)*"|' + r"'(?:[^'\\]|\\.)*'"


class _Rule(NamedTuple):
    """What to replace by what; `hints` are lower-case words, one of which a match contains."""

    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    replacement: str


_RULES: Final = (
    # The user and password of a URL.
    _Rule(("://",), re.compile(r"""(?<=://)[^\s/?#"'<>\\]*@"""), f"{MASK}@"),
    _Rule(
        ("private key",),
        re.compile(
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
            re.DOTALL,
        ),
        MASK,
    ),
    # Keys and tokens of well-known services, and JSON web tokens.
    _Rule(
        (
            *("sk-", "k_live_", "k_test_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
            *("glpat-", "hf_", "xox", "akia", "asia", "aiza", "eyj"),
        ),
        re.compile(
            # In the repr of a text, a letter may stand before: that of `\n`.
            r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))"
            r"(?:sk-[\w-]{4,}|[spr]k_(?:live|test)_\w{4,}|gh[pousr]_\w{16,}"
            r"|github_pat_\w{16,}|glpat-[\w-]{16,}|hf_\w{16,}|xox[a-z]-[\w-]{8,}"
            r"|A(?:KIA|SIA)[A-Z0-9]{16}|AIza[\w-]{30,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)"
        ),
        MASK,
    ),
    _Rule(
        ("bearer",),
        re.compile(r"\b(bearer\s+)[^\s\"',;]{8,}", re.IGNORECASE),
        rf"\1{MASK}",
    ),
    # A name that tells, `=` or `:`, and a value; a scheme may stand before that of the first.
    _Rule(
        ("authorization",),
        re.compile(
            rf"(authorization[\\\"']*\s*[:=]\s*)(?:{_QUOTED}"
            r"|[\\\"']*(?:(?:basic|bearer|digest|token)\s+)?[^\s\"',;]+)",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
    _Rule(
        ("passw", "passphrase", "secret", "key", "token", "cookie"),
        re.compile(
            r"((?:password|passwd|passphrase|secret|(?:api|access|private)[_-]?key|token|cookie)"
            rf"[\\\"']*\s*[:=]\s*)(?:{_QUOTED}|[\\\"']*[^\s\"',;&)}}\]\\]+)",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
)


def names_secret(key: str) -> bool:
    """Return whether what stands under this key is a secret, as under `api_key` or `X-Auth-Token`.

    Counts of tokens, as under `prompt_tokens` or `token_count`, are none.
    """
    words = [word.lower() for word in _WORD.findall(key)]
    if not words:
        return False
    paired = words[-1] in _PAIRED and len(words) > 1 and words[-2] in _PAIRING
    return paired or words[-1] in _LAST or not _ANYWHERE.isdisjoint(words)


class Redactor:
    """Masks secrets in text; `known` are secrets to mask wherever they stand."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        longest_first = sorted({text for text in known if len(text) >= MIN_KNOWN_LENGTH}, key=len)
        longest_first.reverse()
        self._known = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def text(self, text: str) -> str:
        """Return a text with `**********` in place of every secret that is recognised."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        # Finding a word is many times faster than a search, and most text holds none of them.
        lowered = text.lower()
        for rule in _RULES:
            if any(hint in lowered for hint in rule.hints):
                text = rule.pattern.sub(rule.replacement, text)
        return text
