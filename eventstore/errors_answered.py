"""Errors in what the store answered: refused, unavailable, damaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventstore.errors_base import (
    CommandFailed,
    Damaged,
    Refused,
    Unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Conflict(Refused):
    """A lane moved between the decision's read and its append."""

    def __init__(self, lane: str, expected: int, actual: int) -> None:
        super().__init__(
            f"lane {lane!r} is at {actual}, the decision expected {expected}; "
            "read again, decide again, append again"
        )
        self.lane = lane
        self.expected = expected
        self.actual = actual


class RefConflict(Refused):
    """A ref is known with other content: an event never changes."""

    def __init__(self, refs: list[str]) -> None:
        super().__init__(
            f"already stored with other content: {', '.join(refs)}; "
            "publish the change under a ref of its own"
        )
        self.refs = refs


class RefOverlap(Refused):
    """Part of a batch that carries an expectation is known, part is new."""

    def __init__(self, refs: list[str]) -> None:
        super().__init__(
            f"{len(refs)} of the batch are stored already ({refs[0]}, …) and the batch carries "
            "an expectation, so it can be neither skipped nor completed; append the rest alone"
        )
        self.refs = refs


class BranchExists(Refused):
    """A branch of this name exists in the session."""

    def __init__(self, session_id: str, branch_id: str) -> None:
        super().__init__(f"session {session_id!r} has a branch {branch_id!r}; pick another name")
        self.session_id = session_id
        self.branch_id = branch_id


class OverrideLocked(Refused):
    """An agent's override in a session is locked."""

    def __init__(self, session_id: str, agent_id: str) -> None:
        super().__init__(
            f"the override of agent {agent_id!r} in session {session_id!r} is locked; "
            'unlock it first, or with the same patch: {"lock": false}'
        )
        self.session_id = session_id
        self.agent_id = agent_id


class NotInHistory(Refused):
    """A step index that the branch's visible history does not hold."""

    def __init__(self, branch_id: str, step_idx: int, bounds: str) -> None:
        super().__init__(f"branch {branch_id!r} does not show step {step_idx}; it shows {bounds}")
        self.branch_id = branch_id
        self.step_idx = step_idx


class SessionDiffers(Refused):
    """A session cannot be imported: it is in the store with other events, or lacks earlier ones."""

    def __init__(self, path: str, where: str, session_id: str, problem: str) -> None:
        super().__init__(
            f"{path}: {where}: session {session_id!r} {problem}; "
            "import it whole, into a store that does not have it"
        )
        self.path = path
        self.where = where
        self.session_id = session_id


class RepairRefused(Refused):
    """A restore or repair is not needed, or would lose what is there; nothing was written."""


class RebuildRefused(Refused):
    """A rebuild cannot begin or go on; the live read model is as it was."""


class GroupRefused(Refused):
    """A consumer group cannot be used or changed like this; `group` names it."""

    def __init__(self, group: str, problem: str) -> None:
        super().__init__(f"group {group!r}: {problem}")
        self.group = group


class StoreUnreachable(Unavailable):
    """No answer from the server within the time allowed; the write may or may not have happened."""


class StoreFull(Unavailable):
    """The server is at maxmemory and refused the append whole."""


class Sealed(Unavailable):
    """The partition is closed to appends until its server instance is verified."""


class PayloadStoreError(Unavailable):
    """The payload store is down, slow or full."""


class NotCaughtUp(Unavailable):
    """A projection is behind the position the reader needs."""

    def __init__(self, group: str, position: int, wanted: int, waited: float) -> None:
        super().__init__(
            f"projection {group!r} is at {position}, {wanted - position} events short of "
            f"{wanted}, after {waited:.1f} s; is a worker running? start one: `eventstore work`"
        )
        self.group = group
        self.position = position
        self.wanted = wanted


class ChainBroken(Damaged):
    """An entry does not continue the chain of its predecessor, or its content was altered."""

    def __init__(self, partition: int, position: int, problem: str) -> None:
        super().__init__(
            f"partition {partition}, position {position}: {problem}. `eventstore repair` shows "
            "what can be kept; where it finds nothing to choose, `eventstore restore` makes the "
            "log anew from its journal, in an empty server"
        )
        self.partition = partition
        self.position = position


class PayloadDamaged(Damaged):
    """Payload bytes do not have the checksum that the log recorded."""


class PayloadMissing(Damaged):
    """A payload is neither in its buffer nor in the payload store."""


class JournalDamaged(Damaged):
    """A file of the journal is not whole, or one is missing; `where` names it."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}; restore it from a backup of the payload store")
        self.where = where
        self.problem = problem


class IndexDamaged(Damaged):
    """A file of the journal's index is not whole, or one is missing; `where` names it."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(
            f"{where}: {problem}; the journal has all that the index says: remove the file, and "
            "`eventstore log trim --yes` writes it anew"
        )
        self.where = where
        self.problem = problem


class Poisoned(Damaged):
    """The stream was written by something else than append.lua."""


class UndecodableEvent(Damaged):
    """A log entry cannot be read: a newer schema version, or damaged fields."""


class ProjectionDamaged(Damaged):
    """A read model lacks a row; the log is whole, `eventstore projection verify` shows more."""


class DataLost(Damaged):
    """Damaged files of an embedded store held events that neither log nor journal has.

    `directories` are where the files are kept. `held` is the last position of `partition` that they
    are known to have held, `found` the last that is there now; all three are None where the
    whole store is gone and has no journal.
    """

    def __init__(
        self,
        message: str,
        directories: Sequence[Path],
        *,
        partition: int | None = None,
        held: int | None = None,
        found: int | None = None,
    ) -> None:
        super().__init__(
            f"{message}. The damaged files are kept in {', '.join(map(str, directories))}. Mend "
            "them, put them in the place of data/ and open the store again; or bring back the "
            "journal; or go on without what is lost: `eventstore repair --accept-loss`, which "
            "deletes nothing"
        )
        self.directories = tuple(directories)
        self.partition = partition
        self.held = held
        self.found = found


class Diverged(Damaged):
    """The server no longer holds what it acknowledged, or delivered, to this process.

    A subscriber finds in `partition` and `at` the last position that it was given there, whose
    history the log holds no more; both are None where the error is not of one position.
    """

    def __init__(
        self, message: str, *, partition: int | None = None, at: int | None = None
    ) -> None:
        super().__init__(message)
        self.partition = partition
        self.at = at


class TwoHistories(Diverged):
    """The log and the journal of a partition go on differently behind a position they share.

    `common`, `log` and `journal` are (position, chain): where they part, and where each ends.
    """

    def __init__(
        self,
        where: str,
        partition: int,
        common: tuple[int, str],
        log: tuple[int, str],
        journal: tuple[int, str],
    ) -> None:
        super().__init__(
            f"{where}: the log and the journal are two histories behind position {common[0]}: "
            f"the log has {log[0] - common[0]} events more, up to {log[0]} (chain {log[1]}), the "
            f"journal {journal[0] - common[0]}, up to {journal[0]} (chain {journal[1]}). It takes "
            "no appends until one is chosen: `eventstore repair --keep stream` or `--keep journal`",
            partition=partition,
            at=common[0],
        )
        self.common = common
        self.log = log
        self.journal = journal


class WriteRefused(CommandFailed):
    """A handler asked for what cannot be done to a key: a bad write, or a key of another type."""
