"""The projections of this project, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventstore.errors import InvalidInput
from projections.branch import Branch
from projections.evaluation import Evaluation
from projections.index import Index
from projections.timeline import Timeline

if TYPE_CHECKING:
    from projections.base import Projection

PROJECTIONS: Final[tuple[Projection, ...]] = (Index(), Timeline(), Branch(), Evaluation())


def projection(name: str) -> Projection:
    """Return the projection of this name. Raises `InvalidInput` naming those there are."""
    for each in PROJECTIONS:
        if each.name == name:
            return each
    known = ", ".join(each.name for each in PROJECTIONS)
    raise InvalidInput(f"projection: there is no {name!r}; there are {known}")
