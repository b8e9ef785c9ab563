"""What a partition's keys are to be, given its log and how far each group is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from support.checker_books import books, meta
from support.checker_log import NO_CHAIN
from support.checker_scores import evaluation
from support.checker_views import branch, index, key_of, timeline

if TYPE_CHECKING:
    from support.checker_books import Image
    from support.checker_log import Entry

GROUPS = ("index", "timeline", "branch", "evaluation", "payloads", "journal")


class Place(NamedTuple):
    """How far a group is, as its checkpoint says."""

    generation: int
    position: int
    chain: str

    @property
    def infix(self) -> str:
        """What stands before the keys of this generation."""
        return "" if self.generation == 1 else f"g{self.generation}:"


def take_reserved(partition: int, keys: dict[str, Any]) -> None:
    """Leave out checkpoints that only keep the name of a group, which is done in partition 0."""
    found = keys.get("checkpoints", {})
    for group in GROUPS if partition == 0 else ():
        if found.get(group.encode()) == f"1:0:{NO_CHAIN}".encode():
            del found[group.encode()]
    if not found:
        keys.pop("checkpoints", None)


def places(
    where: str, checkpoints: dict[bytes, bytes], entries: list[Entry], problems: list[str]
) -> dict[str, Place]:
    """Return the place of every group; a checkpoint off the log's chain is a problem."""
    found = dict.fromkeys(GROUPS, Place(1, 0, NO_CHAIN))
    for name, value in checkpoints.items():
        group = name.decode()
        generation, position, chain = value.decode().split(":")
        place = Place(int(generation), int(position), chain)
        if group not in GROUPS:
            problems.append(f"{where}: a checkpoint of {group}, which is no group")
        elif not 1 <= place.position <= len(entries):
            problems.append(f"{where}: {group} is at {place.position} of {len(entries)}")
        else:
            found[group] = place
            if entries[place.position - 1].chain != chain:
                problems.append(f"{where}: {group} has another chain at {place.position}")
    return found


def due_keys(
    entries: list[Entry],
    at: dict[str, Place],
    left_out: dict[str, frozenset[int]],
    partitions: int,
    waiting: int,
    trimmed: int,
    problems: list[str],
) -> Image:
    """Return every key of a partition that its log decides, but for payload buffers."""
    passed = {group: taken(entries, at[group], left_out[group]) for group in GROUPS}
    stored = passed["payloads"]
    # Where steps were left out, a fork's or a rewind's own words do not match the rest.
    lineage = [] if left_out["branch"] else problems
    due = {
        **books(entries, trimmed),
        **_behind(at["index"], index(passed["index"])),
        **_behind(at["timeline"], timeline(passed["timeline"])),
        **_behind(at["branch"], branch(passed["branch"], lineage)),
        **_behind(at["evaluation"], evaluation(passed["evaluation"])),
    }
    due["meta"] = {
        **meta(entries, partitions, trimmed),
        "payload_bytes": str(waiting),
        **_stored_bytes(stored),
    }
    digests = _digests(stored)
    if digests:
        due["payload:digests"] = digests
    reached = {group: place for group, place in at.items() if place.position}
    if reached:
        due["checkpoints"] = {
            group: f"{place.generation}:{place.position}:{place.chain}"
            for group, place in reached.items()
        }
    for group, place in reached.items():
        id_, at_ = f"0-{place.position}".encode(), str(place.position).encode()
        due["progress:" + group] = [(id_, {b"at": at_})]
    return due


def taken(entries: list[Entry], place: Place, left_out: frozenset[int]) -> list[Entry]:
    """Return the events that a group has passed and not left out."""
    return [entry for entry in entries[: place.position] if entry.position not in left_out]


def without_copy(entries: list[Entry], place: Place, left_out: frozenset[int]) -> tuple[str, ...]:
    """Return what keys of branches begin with that no copying of lists can tell: events lack."""
    sessions = {entries[position - 1].session for position in left_out}
    families = ("branch:", "branches", "lineage:", "stack:")
    return tuple(
        place.infix + key_of(session, family) for session in sessions for family in families
    )


def _behind(place: Place, image: Image) -> Image:
    return {place.infix + key: value for key, value in image.items()}


def _stored_bytes(entries: list[Entry]) -> dict[str, str]:
    """Return the bytes that the payload group counted, in files by ref and by digest."""
    fields = {}
    for place, name in (("buffer", "stored:file"), ("digest", "stored:digest")):
        infos = [entry.payload for entry in entries]
        total = sum(info["stored"] for info in infos if info and info["place"] == place)
        if total:
            fields[name] = str(total)
    return fields


def _digests(entries: list[Entry]) -> dict[str, Any]:
    """Return the last position that names each payload stored under its digest."""
    return {
        info["sha256"]: str(entry.position)
        for entry in entries
        if (info := entry.payload) is not None and info["place"] == "digest"
    }
