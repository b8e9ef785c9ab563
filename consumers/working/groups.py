"""The groups that a worker can serve."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from consumers.applying.handler import Handler
from consumers.applying.journal_group import JOURNAL_GROUP, JournalHandler
from consumers.applying.payload_group import PAYLOAD_GROUP, PayloadHandler
from consumers.applying.projecting import Projecting
from consumers.working.plugins import Plugins, load_plugins
from eventstore.consuming.access import StoreAccess
from eventstore.errors import InvalidInput
from eventstore.subscribing.wanted import RESERVED
from projections.registry import PROJECTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from projections.base import Projection

Factory: TypeAlias = Callable[[StoreAccess], Handler]


def project(projection: Projection) -> Factory:
    """Return what makes a projection's group."""
    return lambda access: Projecting(access, projection)


def known_groups() -> dict[str, Factory]:
    """Return what makes each group, by name: this project's, then those of installed plugins."""
    others = {each.name: project(each) for each in plugins().projections}
    return {**_own_groups(), **others}


def known_projections() -> tuple[Projection, ...]:
    """Return every projection: this project's, then those of installed plugins."""
    return (*PROJECTIONS, *plugins().projections)


def find_projection(name: str) -> Projection:
    """Return the projection of this name.

    Raises `PluginError` if it is of a plugin that was left out, `InvalidInput` naming those
    there are if nobody has it.
    """
    known = known_projections()
    for each in known:
        if each.name == name:
            return each
    for fault in plugins().faults:
        if fault.plugin == name:
            raise fault
    names = ", ".join(each.name for each in known)
    raise InvalidInput(f"projection: there is no {name!r}; there are {names}")


@cache
def plugins() -> Plugins:
    """Return what is installed beside this project; looked for once a process."""
    families = [family for each in PROJECTIONS for family in each.families]
    return load_plugins(RESERVED, families)


def _own_groups() -> dict[str, Factory]:
    groups = {projection.name: project(projection) for projection in PROJECTIONS}
    return {**groups, PAYLOAD_GROUP: PayloadHandler, JOURNAL_GROUP: JournalHandler}


def select_groups(names: Sequence[str] | None) -> dict[str, Factory]:
    """Return the groups of these names, all for None. Raises `InvalidInput` for another name."""
    known = known_groups()
    if names is None:
        return known
    for name in names:
        if name not in known:
            raise InvalidInput(f"group {name!r}: there is none; there are {', '.join(known)}")
    return {name: known[name] for name in names}
