"""What a subscriber asks for: its group, where that begins, and which events it is given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from eventstore.errors import InvalidInput, InvalidName
from eventstore.health_checks import GROUPS
from eventstore.kinds import KINDS
from eventstore.names import check_name
from eventstore.shown import shown

if TYPE_CHECKING:
    from eventstore.codec import Recorded

Start: TypeAlias = Literal["begin", "end"] | int | Mapping[int, int]
"""Where a group begins: with the first event, behind the last, or behind a position.

A position is that of the one partition there is; with more, a mapping from each partition.
"""
# `ticks` drives sessions; `dispatch` hands work to competing groups.
RESERVED: Final = frozenset({*GROUPS, "ticks", "dispatch"})
"""Groups that are the store's own, whether they run or not."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A checked request; `kinds` and `types` None take all, `payloads` asks for payloads too."""

    group: str
    start: Start
    kinds: frozenset[str] | None
    types: frozenset[str] | None
    payloads: bool

    def takes(self, recorded: Recorded) -> bool:
        """Return whether the subscriber is given an event.

        The type of an event that is no artifact is its kind, as in its header.
        """
        event = recorded.event
        if self.kinds is not None and event.kind not in self.kinds:
            return False
        return self.types is None or getattr(event, "type", event.kind) in self.types


def check_wanted(
    group: str,
    start: Start,
    kinds: Iterable[str] | None,
    types: Iterable[str] | None,
    *,
    payloads: bool,
) -> Wanted:
    """Return what a subscriber asks for. Raises `InvalidInput` or `InvalidName`."""
    return Wanted(
        check_group(group), _check_start(start), _check_kinds(kinds), _check_types(types), payloads
    )


def check_group(name: str) -> str:
    """Return the name if a subscriber group may have it. Raises `InvalidName`."""
    name = check_name("group", name)
    if name in RESERVED:
        raise InvalidName("group", f"{name!r} is one of the store's own groups; choose another")
    if "@" in name:
        raise InvalidName("group", f"{name!r} holds an @, which marks rebuilds")
    return name


def _check_start(start: Start) -> Start:
    if start in ("begin", "end"):
        return start
    if isinstance(start, Mapping):
        if all(map(_is_position, [*start.keys(), *start.values()])):
            return dict(start)
    elif _is_position(start):
        return start
    raise InvalidInput(
        f"start: {shown(start)} is neither begin, end, a position from 0 on, nor a mapping of each "
        "partition to one"
    )


def _is_position(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _check_kinds(kinds: Iterable[str] | None) -> frozenset[str] | None:
    if kinds is None:
        return None
    found = _names("kinds", kinds)
    unknown = sorted(found - KINDS.keys())
    if unknown:
        raise InvalidInput(f"kinds: there is no {unknown[0]!r}; there are {', '.join(KINDS)}")
    return found


def _check_types(types: Iterable[str] | None) -> frozenset[str] | None:
    return None if types is None else _names("types", types)


def _names(what: str, given: Iterable[str]) -> frozenset[str]:
    if isinstance(given, str):
        raise InvalidInput(f"{what}: {given!r} is one name; give a list of them")
    found = frozenset(check_name(what, name) for name in given)
    if not found:
        raise InvalidInput(f"{what}: an empty list takes no event at all; leave it out to take all")
    return found
