"""Projections of other projects: installed beside this one, found by entry point.

A distribution names them in the group `eventstore.projections`:

    [project.entry-points."eventstore.projections"]
    tools = "acme.views:Tools"

The name is the projection's, the object one, or a class without arguments. What cannot be used
is left out and reported by name; the others load.
"""

from __future__ import annotations

import importlib.metadata
import logging
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eventstore.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from importlib.metadata import EntryPoint

    from eventstore.codec import Recorded
    from eventstore.keys import ProjectionKeys
    from projections.base import Projection, Read, State, Write

ENTRY_POINTS: Final = "eventstore.projections"
_NAME: Final = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
_log = logging.getLogger(__name__)


class Plugins(NamedTuple):
    """The projections of other projects, and why some that are installed are left out."""

    projections: tuple[Projection, ...]
    faults: tuple[PluginError, ...]


class Confined:
    """A projection of another project, held to its own families of keys.

    So that what it writes is no other projection's, and a rebuild finds all of it.
    """

    def __init__(self, source: str, inner: Projection) -> None:
        self.name = inner.name
        self.families = inner.families
        self._source = source
        self._inner = inner

    def needs(self, events: Sequence[Recorded], keys: ProjectionKeys) -> Sequence[Read]:
        """Return the reads that `fold` wants for these events."""
        return self._inner.needs(events, keys)

    def fold(
        self, events: Sequence[Recorded], state: State, keys: ProjectionKeys
    ) -> Sequence[Write]:
        """Return the writes of the projection's fold. Raises `PluginError` for a foreign key."""
        writes = self._inner.fold(events, state, keys)
        for key in {write.key for write in writes}:
            if keys.family_of(key) not in self.families:
                problem = f"it writes {key!r}, which is of none of its families"
                raise PluginError(self.name, self._source, problem)
        return writes


def load_plugins(reserved_names: Iterable[str], reserved_families: Iterable[str]) -> Plugins:
    """Load every installed projection whose name and families are nobody else's.

    Two that share one are both left out: neither may touch what is the other's. Each fault is
    logged as well.
    """
    loaded: list[tuple[EntryPoint, Projection]] = []
    faults: list[PluginError] = []
    for entry in sorted(importlib.metadata.entry_points(group=ENTRY_POINTS)):
        try:
            loaded.append((entry, _load(entry)))
        except PluginError as error:
            faults.append(error)
    names, families = frozenset(reserved_names), frozenset(reserved_families)
    kept: list[Projection] = []
    for entry, each in loaded:
        others = [other for _, other in loaded if other is not each]
        problem = _clash(each, names, families, others)
        if problem is not None:
            faults.append(_fault(entry, problem))
        else:
            kept.append(Confined(_source(entry), each))
    for fault in faults:
        _log.error("%s; it is left out", fault)
    return Plugins(tuple(kept), tuple(faults))


def _source(entry: EntryPoint) -> str:
    distribution = "an unnamed distribution" if entry.dist is None else entry.dist.name
    return f"{distribution} ({entry.value})"


def _fault(entry: EntryPoint, problem: str) -> PluginError:
    return PluginError(entry.name, _source(entry), problem)


def _load(entry: EntryPoint) -> Projection:
    try:
        found = entry.load()
        made = found() if isinstance(found, type) else found
    except (Exception, SystemExit) as error:
        raise _fault(entry, f"loading it failed: {type(error).__name__}: {error}") from error
    flaw = _flaw(entry.name, made)
    if flaw is not None:
        raise _fault(entry, flaw)
    projection: Projection = made
    return projection


def _flaw(name: str, made: Any) -> str | None:
    """Return why an object is no projection of this name, None if it is one."""
    for method in ("needs", "fold"):
        if not callable(getattr(made, method, None)):
            return f"it is no projection: it has no method {method}"
    found, families = getattr(made, "name", None), getattr(made, "families", None)
    if found != name or not _is_name(name):
        return (
            f"its name is {found!r}; a name is that of the entry point, of small letters, digits "
            "and . _ -, a letter first"
        )
    if not isinstance(families, frozenset) or not families or not all(map(_is_name, families)):
        return f"its families are {families!r}; they must be a frozenset of names such as 'tools'"
    return None


def _is_name(value: object) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _clash(
    each: Projection, names: frozenset[str], families: frozenset[str], others: list[Projection]
) -> str | None:
    """Return what keeps a projection from being used beside all others, None if nothing does."""
    if each.name in names:
        return f"the name {each.name!r} is taken by eventstore"
    if each.families & families:
        return f"the family {min(each.families & families)!r} is taken by eventstore"
    for other in others:
        shared = each.families & other.families
        if shared or other.name == each.name:
            what = f"the family {min(shared)!r}" if shared else f"the name {each.name!r}"
            return f"{what} is claimed by another plugin too, so both are left out"
    return None
