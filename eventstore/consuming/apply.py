"""The call of `lua/apply.lua`: a batch's writes and the checkpoint's move, both or neither."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, cast

from eventstore.flow import Argument, Call
from eventstore.scripts import script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventstore.consuming.writes import Write
    from eventstore.keys import Keys
    from eventstore.views import Checkpoint

MAX_WRITES: Final = 10_000
MAX_BYTES: Final = 8 * 1024 * 1024
Outcome = Literal["ok", "fenced", "moved", "diverged"]


@dataclass(frozen=True, slots=True)
class Applied:
    """What the script answered; `detail` is the checkpoint or chain that it found instead."""

    outcome: Outcome
    detail: str = ""


def fits(writes: Sequence[Write]) -> bool:
    """Return whether one script may make these writes: in number, and in bytes of arguments."""
    if len(writes) > MAX_WRITES:
        return False
    sizes = (len(arg) for write in writes for arg in write.args if not isinstance(arg, int))
    return sum(sizes) <= MAX_BYTES


def apply_call(
    keys: Keys,
    group: str,
    token: str,
    before: Checkpoint,
    after: Checkpoint,
    writes: Sequence[Write],
    *,
    shown: bool = True,
) -> Call[Applied]:
    """Return the call that makes a batch's writes and moves a group's checkpoint past it.

    `after` is the position and chain of the batch's last event. The writes are such as `fits`.
    Unless `shown`, neither who waits for the group nor XINFO GROUPS is told.
    """
    numbers: dict[str, int] = {}
    arguments: list[Argument] = [
        token,
        group,
        group if shown else "",
        str(before),
        str(after),
        after.position,
        after.chain,
    ]
    for write in writes:
        number = numbers.setdefault(write.key, len(numbers) + 1)
        arguments += (write.command, number, len(write.args), *write.args)
    return Call(
        script("apply"),
        (keys.lease(group), keys.stream, keys.checkpoints, keys.progress(group), *numbers),
        tuple(arguments),
        _parse,
    )


def _parse(reply: list[bytes]) -> Applied:
    outcome, *details = (value.decode() for value in reply)
    return Applied(cast("Outcome", outcome), *details)
