"""What changed between two JSON values: the paths, and what stands there. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from eventstore.aligning import common_pairs
from eventstore.json_values import canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """One place that differs: `path`, as in `payload.items[2].name`, and its value on each side.

    A removed value has only `a`, an added one only `b`. Places in lists are counted in `a`,
    added ones in `b`.
    """

    path: str
    op: Literal["changed", "added", "removed"]
    a: Any = msgspec.UNSET
    b: Any = msgspec.UNSET


def changes(a: Any, b: Any, path: str = "") -> Iterator[Change]:
    """Yield where two JSON values differ, in the order of their keys and places."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted(a.keys() | b.keys()):
            yield from _of_pair(a, b, key, key, _member(path, key))
    elif isinstance(a, list) and isinstance(b, list):
        yield from _of_lists(a, b, path)
    elif not _equal(a, b):
        yield Change(path, "changed", a, b)


def _of_pair(a: Any, b: Any, in_a: Any, in_b: Any, path: str) -> Iterator[Change]:
    if in_a not in a:
        yield Change(path, "added", b=b[in_b])
    elif in_b not in b:
        yield Change(path, "removed", a=a[in_a])
    else:
        yield from changes(a[in_a], b[in_b], path)


def _of_lists(a: list[Any], b: list[Any], path: str) -> Iterator[Change]:
    """Elements that both lists have are left out; those between them differ, one by one."""
    pairs = common_pairs([_text(each) for each in a], [_text(each) for each in b])
    i = j = 0
    for next_i, next_j in [*pairs, (len(a), len(b))]:
        both = min(next_i - i, next_j - j)
        for n in range(both):
            yield from changes(a[i + n], b[j + n], f"{path}[{i + n}]")
        for n in range(i + both, next_i):
            yield Change(f"{path}[{n}]", "removed", a=a[n])
        for n in range(j + both, next_j):
            yield Change(f"{path}[{n}]", "added", b=b[n])
        i, j = next_i + 1, next_j + 1


def _member(path: str, key: str) -> str:
    if _PLAIN_KEY.fullmatch(key):
        return f"{path}.{key}" if path else key
    return f"{path}[{_text(key)}]"


def _equal(a: Any, b: Any) -> bool:
    # As JSON has it: true is not 1, and 1 is not 1.0.
    return _text(a) == _text(b)


def _text(value: Any) -> str:
    return canonical_json(value)
