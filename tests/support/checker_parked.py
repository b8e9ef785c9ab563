"""What each group of a partition left out, and whether what is kept of it is whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from support.checker_log import escaped

if TYPE_CHECKING:
    from support.checker_groups import Place
    from support.checker_log import Entry

_ALL_OR_NOTHING = ("journal",)


def take_left_out(
    where: str,
    keys: dict[str, Any],
    at: dict[str, Place],
    entries: list[Entry],
    problems: list[str],
) -> dict[str, frozenset[int]]:
    """Return the positions that each group left out; take the keys that say so out of `keys`."""
    return {
        group: _of_group(f"{where}: {group}", keys, place, group, entries, problems)
        for group, place in at.items()
    }


def _of_group(
    where: str,
    keys: dict[str, Any],
    place: Place,
    group: str,
    entries: list[Entry],
    problems: list[str],
) -> frozenset[int]:
    name = f"{place.infix}parked:{group}"
    found: dict[bytes, float] = keys.pop(name, {})
    items: dict[bytes, bytes] = keys.pop(f"{name}:items", {})
    members: dict[bytes, float] = keys.pop(f"{name}:sessions", {})
    positions = {int(member) for member in found}
    if found and group in _ALL_OR_NOTHING:
        problems.append(f"{where} left events out: {sorted(positions)}")
    beyond = {position for position in positions if not 1 <= position <= place.position}
    if beyond:
        problems.append(f"{where} left out {sorted(beyond)}, and is at {place.position}")
    if any(int(member) != score for member, score in found.items()):
        problems.append(f"{where}: left out positions have other scores")
    wanted = {
        f"{escaped(entries[position - 1].session)}:{position:016x}".encode()
        for position in positions - beyond
    }
    if set(members) != wanted:
        problems.append(f"{where}: sessions of what was left out: {sorted(members)}")
    for field, value in items.items():
        _check_item(where, int(field), json.loads(value), positions, entries, problems)
    return frozenset(positions)


def _check_item(
    where: str,
    position: int,
    item: dict[str, Any],
    positions: set[int],
    entries: list[Entry],
    problems: list[str],
) -> None:
    if position not in positions or item["position"] != position:
        problems.append(f"{where}: {position} is parked and not left out")
        return
    entry = entries[position - 1]
    held = (item["ref"], item["session_id"], item["kind"], item["chain"])
    if held != (entry.ref, entry.session, entry.kind, entry.chain):
        problems.append(f"{where}: {position} is parked as {held}")
