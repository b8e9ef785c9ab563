"""A group whose checkpoint is of another history than the log begins anew, if that is safe.

That happens where a log was repaired by the journal: the group had consumed events that are in
no log any more. What derives from the log alone, or is idempotent by name, needs no operator. A
projection begins in a generation of its own, so readers see nothing that stands for lost events;
they wait until it has caught up, as they do for any projection that is behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from eventstore.flow import Call
from eventstore.scripts import script

if TYPE_CHECKING:
    from eventstore.keys import Keys
    from eventstore.views import Checkpoint


class Restart(NamedTuple):
    """Where a group begins anew, and what of its own goes with the old checkpoint.

    `shadow` and `drop` are fields of the checkpoints hash, as `lua/restart.lua` has them, `keys`
    are dropped at once, `counts` are fields of meta.
    """

    begin: Checkpoint
    shadow: str = ""
    drop: str = ""
    keys: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()


@runtime_checkable
class Restarting(Protocol):
    """A handler that may begin anew at the start of the log by itself."""

    async def restart(self, seen: Checkpoint, keys: Keys) -> Restart:
        """Return how to begin anew from a checkpoint that the log contradicts."""
        ...

    async def restarted(self, seen: Checkpoint, keys: Keys) -> None:
        """Clear away what the group had written up to that checkpoint."""
        ...


def restart_call(keys: Keys, group: str, token: str, seen: Checkpoint, how: Restart) -> Call[str]:
    """Return the call that lets a group begin anew, and answers with its outcome."""
    own = (keys.lease(group), keys.meta, keys.stream, keys.checkpoints, keys.progress(group))
    return Call(
        script("restart"),
        (*own, *how.keys),
        (token, group, str(seen), str(how.begin), how.shadow, how.drop, *how.counts),
        lambda reply: reply[0].decode(),
    )
