"""Where the generations of a projection stand in one partition, and the scripts that move them.

All of it is in the checkpoints hash, so one script sees it whole:

    <group>           the live generation's checkpoint
    <group>@g<n>      the checkpoint of a generation that is being built
    <group>@drop<n>   generation n is not live, nor will be; keys of it may be left

Generations only rise. A number is used once, also if its rebuild was given up.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from eventstore.chain import GENESIS
from eventstore.flow import Call, Flow, as_is, batch
from eventstore.scripts import script
from eventstore.views import Checkpoint, parse_checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from eventstore.keys import Keys

_FIELD: Final = re.compile(r"(g|drop)(\d+)")


class Standing(NamedTuple):
    """The generations of a projection in one partition.

    `building` has those above the live one, `dropping` those that were live or given up.
    """

    live: Checkpoint
    building: Mapping[int, Checkpoint]
    dropping: frozenset[int]

    @property
    def newest(self) -> int:
        """The highest number ever used."""
        return max([self.live.generation, *self.building, *self.dropping])

    @property
    def unfinished(self) -> int | None:
        """The generation of a rebuild that has something left to do, None if there is none.

        Keys of a rebuild that was given up wait for the next one and count for nothing here.
        """
        if self.building:
            return max(self.building)
        has_old = any(generation < self.live.generation for generation in self.dropping)
        return self.live.generation if has_old else None


def shadow_name(group: str, generation: int) -> str:
    """Return the checkpoint and lease of a generation that is being built."""
    return f"{group}@g{generation}"


def drop_name(group: str, generation: int) -> str:
    """Return the field that says that a generation is to be dropped."""
    return f"{group}@drop{generation}"


def standing(keys: Keys, group: str) -> Call[Standing]:
    """Return where a projection's generations stand."""

    def parse(reply: list[bytes]) -> Standing:
        fields = {name.decode(): value for name, value in zip(reply[::2], reply[1::2], strict=True)}
        live = parse_checkpoint(fields.get(group))
        found: dict[str, dict[int, Checkpoint]] = {"g": {}, "drop": {}}
        for name, value in fields.items():
            match = _FIELD.fullmatch(name.removeprefix(f"{group}@"))
            if name.startswith(f"{group}@") and match is not None:
                found[match[1]][int(match[2])] = parse_checkpoint(value)
        dropping = frozenset(found["drop"]) - {live.generation}
        building = {
            generation: at
            for generation, at in found["g"].items()
            if generation > live.generation and generation not in dropping
        }
        return Standing(live, building, dropping)

    return Call("HGETALL", (keys.checkpoints,), (), parse)


def target(chosen: Iterable[Standing], everywhere: Iterable[Standing]) -> int:
    """Return the generation that a rebuild of some partitions makes.

    It is that of an unfinished one among them, else the first that no partition ever used: so a
    partition that is at it already has been rebuilt by this very rebuild, before it was killed.
    """
    unfinished = [each.unfinished for each in chosen if each.unfinished is not None]
    return max(unfinished) if unfinished else 1 + max(each.newest for each in everywhere)


def generation_for(found: Standing, goal: int) -> int:
    """Return the generation that a rebuild with a goal makes in one partition.

    What is under way there is completed; a number that was given up there is not used again.
    """
    return found.unfinished or max(goal, found.newest + 1)


class Answer(NamedTuple):
    """A script's outcome, and the checkpoint that it found if that matters."""

    outcome: str
    found: str = ""


def begin(keys: Keys, group: str, generation: int, token: str) -> Call[Answer]:
    """Set up the checkpoint of a new generation; `lua/begin.lua` says what it answers."""
    shadow = shadow_name(group, generation)
    start = str(Checkpoint(generation, 0, GENESIS))
    return Call(
        script("begin"),
        (keys.lease(shadow), keys.checkpoints),
        (token, group, shadow, drop_name(group, generation), start),
        _answer,
    )


def switch(keys: Keys, group: str, token: str, outgoing: int, rebuilt: Checkpoint) -> Call[Answer]:
    """Put a rebuilt generation in the place of the live one, which is `outgoing`."""
    shadow = shadow_name(group, rebuilt.generation)
    return Call(
        script("switch"),
        (keys.lease(shadow), keys.meta, keys.stream, keys.checkpoints),
        (token, group, shadow, drop_name(group, outgoing), outgoing, str(rebuilt)),
        _answer,
    )


def give_up(keys: Keys, group: str, generation: int) -> Flow[None]:
    """Let a generation that is being built never become live: from now on it is to be dropped.

    Killed between the two commands, `standing` takes it as given up.
    """
    marker, shadow = drop_name(group, generation), shadow_name(group, generation)
    yield from batch(
        [
            Call(
                "HSET", (keys.checkpoints,), (marker, str(Checkpoint(generation, 0, GENESIS))), int
            ),
            Call("HDEL", (keys.checkpoints,), (shadow,), int),
        ]
    )


def forget(keys: Keys, group: str, generations: Iterable[int]) -> Flow[None]:
    """Forget generations of which no key is left."""
    fields = tuple(drop_name(group, generation) for generation in generations)
    if fields:
        yield from batch([Call("HDEL", (keys.checkpoints,), fields, as_is)])


def _answer(reply: list[bytes]) -> Answer:
    return Answer(*(value.decode() for value in reply))
