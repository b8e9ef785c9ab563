"""Taking events out of what a group has parked, without handling them here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from eventstore.flow import Argument, Call
from eventstore.scripts import script

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eventstore.keys import Keys, ParkedKeys
    from eventstore.parking.record import Parked

How: TypeAlias = Literal["work", "forget", "drop"]
"""Back to the work of a competing group; as if handled; parked no more, and still left out."""


def unpark(
    keys: Keys, names: ParkedKeys, group: str, how: How, items: Iterable[Parked]
) -> Call[int]:
    """Take events out, and return how many of them were parked until now."""
    arguments: list[Argument] = [how]
    for item in items:
        arguments += (item.position, names.in_session(item.session_id, item.position))
    return Call(
        script("unpark"),
        (*names.all, keys.work(group).stream),
        tuple(arguments),
        lambda reply: int(reply[1]),
    )
