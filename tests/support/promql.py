"""What a PromQL expression names, well enough to hold it against what is exported."""

from __future__ import annotations

import re
from typing import NamedTuple

FUNCTIONS = {
    *("absent", "count", "delta", "histogram_quantile", "increase", "max", "min", "rate"),
    *("sum", "vector"),
}
_WORDS = {"and", "or", "unless", "by", "without", "on", "ignoring", "bool", "offset"}
_STRING = re.compile(r'"[^"]*"')
_MATCHERS = re.compile(r"\{([^}]*)\}")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")
_RANGE = re.compile(r"\[[^\]]*\]")
_NAME = re.compile(r"(?<![\w.])([A-Za-z_:][\w:]*)(\s*\()?")


class Named(NamedTuple):
    """The metrics, labels and functions of an expression."""

    metrics: set[str]
    labels: set[str]
    functions: set[str]


def named(expression: str) -> Named:
    """Return what an expression names. Raises `ValueError` if its brackets do not match."""
    bare = _STRING.sub('""', expression)
    for opening, closing in ("()", "[]", "{}"):
        if bare.count(opening) != bare.count(closing):
            raise ValueError(f"brackets do not match: {expression}")
    labels: set[str] = set()
    for matchers in _MATCHERS.findall(bare):
        labels |= set(re.findall(r"(\w+)\s*[=!]", matchers))
    for grouping in _GROUPING.findall(bare):
        labels |= set(re.findall(r"\w+", grouping))
    for part in (_MATCHERS, _GROUPING, _RANGE):
        bare = part.sub(" ", bare)
    found = [(name, bool(call)) for name, call in _NAME.findall(bare) if name not in _WORDS]
    return Named(
        {name for name, call in found if not call}, labels, {name for name, call in found if call}
    )
