"""Names of the store's own groups, projections of plugins included, kept from programs' groups.

A checkpoint is what one group alone moves. Two of one name would move it past each other's
events, so whoever is there first keeps the name, and the other is refused before it writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventstore.errors import GroupRefused
from eventstore.flow import Call, Flow, call
from eventstore.scripts import script
from eventstore.views import START

if TYPE_CHECKING:
    from eventstore.keys import Keys


def reserve(first: Keys, group: str) -> Flow[None]:
    """Reserve a group's name; it stays reserved.

    `first` are the keys of partition 0, where every program's group is set up first and deleted
    last. Raises `GroupRefused`, and writes nothing, if a subscriber or a competing group has the
    name.
    """
    outcome = yield from call(_reserve(first, group))
    if outcome != "ok":
        raise GroupRefused(
            group,
            "a program's group has this name, so no projection can: rename the projection; or "
            "take the group away where the projection is not installed: "
            "`eventstore group delete NAME --yes`",
        )


def _reserve(keys: Keys, group: str) -> Call[str]:
    return Call(
        script("reserve"),
        (keys.subscribers, keys.competing, keys.checkpoints),
        (group, str(START)),
        lambda reply: reply[0].decode(),
    )
