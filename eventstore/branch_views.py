"""What branches show: now, or as of a moment of the past. All methods are flows.

They read the projections `branch`, `index` and `evaluation`; a moment is found in the log.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from eventstore import commands
from eventstore.comparing import BranchDiff, common_depth, compare_steps, compare_totals
from eventstore.errors import BranchNotFound, ProjectionDamaged, SessionNotFound
from eventstore.events import MAIN_BRANCH
from eventstore.flow import Call, Flow, as_is, call
from eventstore.lineage import UNFORKED, History, Lineage, history
from eventstore.moments import position_of
from eventstore.names import check_name
from eventstore.prune_rule import hidden_branches
from eventstore.searching import Found, Header, check_limit, found_in, full_headers

if TYPE_CHECKING:
    from datetime import datetime

    from eventstore.events import Segment
    from eventstore.keys import Keys, ProjectionKeys
    from eventstore.operations import Operations, Row

BranchRow = dict[str, Any]
_UNSCORED = {"count": 0, "sum": None, "mean": None, "unscored": 0, "failed": 0}
_decode = msgspec.json.decode


class Shown(NamedTuple):
    """A branch as it is or was: its row, and the steps that it shows."""

    row: BranchRow | None
    history: History


class BranchViews:
    """Reads of the branches of a store."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._log = operations.log
        self._views = operations.views

    def branches(self, session_id: str, *, with_pruned: bool = False) -> Flow[list[BranchRow]]:
        """Return the branches of a session, main first, then by age, each with its `scores`.

        Pruned ones are left out by default, unless one that is listed comes from them.
        """
        keys = self._log.keys_of(check_name("session_id", session_id))
        (found,) = yield from self._views.query(
            "branch",
            keys,
            lambda projection: [Call("HGETALL", (projection.branches(session_id),), (), as_is)],
            sessions=[session_id],
        )
        if not found:
            yield from self._check_session(keys, session_id)
        scores = yield from self.scores(session_id)
        rows: list[BranchRow] = [_decode(value) for value in found[1::2]]
        hidden = set() if with_pruned else hidden_branches(rows)
        rows = [row for row in rows if row["branch_id"] not in hidden]
        for row in rows:
            row["scores"] = scores.get(row["branch_id"], dict(_UNSCORED))
            row.setdefault("pruned", None)
        return sorted(rows, key=lambda row: (row["branch_id"] != MAIN_BRANCH, row["position"]))

    def scores(self, session_id: str) -> Flow[dict[str, dict[str, Any]]]:
        """Return count, sum and mean of the scores of each branch that was judged."""
        keys = self._log.keys_of(session_id)
        (found,) = yield from self._views.query(
            "evaluation",
            keys,
            lambda projection: [Call("HVALS", (projection.scores(session_id),), (), as_is)],
            sessions=[session_id],
        )
        rows = [_decode(value) for value in found]
        return {row.pop("branch_id"): row for row in rows}

    def _check_session(self, keys: Keys, session_id: str) -> Flow[None]:
        """Raise `SessionNotFound` unless the session has an event, of whatever kind."""
        if not (yield from call(commands.session_length(keys, session_id))):
            raise SessionNotFound(session_id)

    def read(self, session_id: str, branch: str, limit: int | None) -> Flow[list[Row]]:
        """Return what a branch shows, oldest first, inherited steps included.

        `limit` keeps the last so many. The header of each row has its `depth`, from 0.
        """
        branch = check_name("branch", branch)
        if limit is not None:
            check_limit(limit)
        keys = self._log.keys_of(check_name("session_id", session_id))
        headers = yield from self._views.settled(
            keys, partial(self._last_headers, session_id, branch, limit)
        )
        return (yield from self._operations.with_payloads(keys, session_id, headers))

    def _last_headers(self, session_id: str, branch: str, limit: int | None) -> Flow[list[Header]]:
        shown = (yield from self.shown(session_id, branch)).history
        first = 0 if limit is None else max(0, len(shown) - limit)
        return (yield from self.headers(session_id, shown, first))

    def shown(self, session_id: str, branch: str) -> Flow[Shown]:
        """Return what a branch shows now. Raises `SessionNotFound` or `BranchNotFound`."""
        row = yield from self._row(session_id, branch)
        if row is None:
            return Shown(None, history(UNFORKED, branch, 0))
        return Shown(row, history(msgspec.convert(row, Lineage), branch, row["next"]))

    def _row(
        self, session_id: str, branch: str, position: int | None = None
    ) -> Flow[BranchRow | None]:
        """Return a branch's row, `position` taken in; None for a "main" that has no events yet."""
        keys = self._log.keys_of(session_id)
        (found,) = yield from self._views.query(
            "branch",
            keys,
            lambda projection: [Call("HGET", (projection.branches(session_id),), (branch,), as_is)],
            sessions=[session_id],
            position=position,
        )
        if found is not None:
            row: BranchRow = _decode(found)
            return row
        yield from self._check_session(keys, session_id)
        if branch != MAIN_BRANCH:
            raise BranchNotFound(session_id, branch)
        return None

    def headers(self, session_id: str, shown: History, first: int = 0) -> Flow[list[Header]]:
        """Return the headers of visible steps from depth `first` on, each with its `depth`."""
        ranges = shown.slice(first, len(shown))
        pages = yield from self._steps(session_id, ranges)
        rows = [row for page in pages for row in page]
        return (yield from self._described(session_id, rows, first))

    def _steps(self, session_id: str, ranges: tuple[Segment, ...]) -> Flow[list[list[Found]]]:
        def calls(projection: ProjectionKeys) -> list[Call[list[Found]]]:
            return [
                Call("ZRANGEBYSCORE", (projection.branch(session_id, owner),), (lo, hi), _found)
                for owner, lo, hi in ranges
            ]

        if not ranges:
            return []
        return (yield from self._views.query("branch", self._log.keys_of(session_id), calls))

    def _described(self, session_id: str, rows: list[Found], first: int) -> Flow[list[Header]]:
        keys = self._log.keys_of(session_id)
        headers = yield from full_headers(self._views, keys, session_id, rows)
        for depth, header in enumerate(headers, start=first):
            header["depth"] = depth
        return headers

    def as_of(
        self, session_id: str, branch: str, seq: int | None, time: str | datetime | None
    ) -> Flow[list[Row]]:
        """Return what a branch showed at a moment: right after an event, or at a time."""
        branch = check_name("branch", branch)
        keys = self._log.keys_of(check_name("session_id", session_id))
        position = yield from position_of(self._log, session_id, seq, time)

        def find() -> Flow[list[Header]]:
            lineage, next_step = yield from self.lineage_at(session_id, branch, position)
            # A header of before a correction would pass for the one of this moment.
            yield from self._views.wait("index", keys, position)
            headers = yield from self.headers(session_id, history(lineage, branch, next_step))
            for n, header in enumerate(headers):
                headers[n] = yield from self._operations.amending.header_at(header, position)
            return headers

        headers = yield from self._views.settled(keys, find)
        return (yield from self._operations.with_payloads(keys, session_id, headers))

    def diff(self, session_id: str, a: str, b: str) -> Flow[BranchDiff]:
        """Return what differs between two branches; payloads of common steps are not read."""
        a, b = check_name("a", a), check_name("b", b)
        keys = self._log.keys_of(check_name("session_id", session_id))

        def find() -> Flow[tuple[int, list[Header], list[Header], dict[str, Any]]]:
            of_a = (yield from self.shown(session_id, a)).history
            of_b = (yield from self.shown(session_id, b)).history
            common = common_depth(of_a, of_b)
            headers_a = yield from self.headers(session_id, of_a, common)
            headers_b = yield from self.headers(session_id, of_b, common)
            return common, headers_a, headers_b, (yield from self.scores(session_id))

        common, headers_a, headers_b, scores = yield from self._views.settled(keys, find)
        rows_a = yield from self._operations.with_payloads(keys, session_id, headers_a)
        rows_b = yield from self._operations.with_payloads(keys, session_id, headers_b)
        means = [scores.get(branch, _UNSCORED)["mean"] for branch in (a, b)]
        totals = compare_totals(rows_a, rows_b, *means)
        return BranchDiff(session_id, a, b, common, compare_steps(rows_a, rows_b), totals)

    def lineage_at(self, session_id: str, branch: str, position: int) -> Flow[tuple[Lineage, int]]:
        """Return a branch's lineage right after a position, and the step it appended next then.

        Whoever appended what is there: waits until the projection has passed the position. Raises
        `BranchNotFound` for a branch that did not exist yet.
        """
        row = yield from self._row(session_id, branch, position)
        if row is None or row["position"] > position:
            if branch != MAIN_BRANCH:
                raise BranchNotFound(session_id, branch)
            return UNFORKED, 0
        lineage = yield from self._decided(session_id, branch, row, position)
        (own,) = yield from self._views.query(
            "branch",
            self._log.keys_of(session_id),
            lambda projection: [
                Call(
                    "ZRANGEBYSCORE",
                    (projection.branch(session_id, branch),),
                    (lineage.own, "+inf"),
                    _found,
                )
            ],
        )
        # Steps rise with positions, so those that were there then are the first.
        there = bisect_right([step.position for step in own], position)
        return lineage, lineage.own + there

    def _decided(
        self, session_id: str, branch: str, row: BranchRow, position: int
    ) -> Flow[Lineage]:
        """Return the lineage that the last decision up to a position left."""
        keys = self._log.keys_of(session_id)

        def calls(projection: ProjectionKeys) -> list[Call[Any]]:
            key = (projection.lineage(session_id, branch),)
            last = (position, "-inf", "LIMIT", 0, 1)
            return [Call("ZREVRANGEBYSCORE", key, last, _found), Call("ZCARD", key, (), int)]

        found, decisions = yield from self._views.query("branch", keys, calls)
        if decisions < _decisions(row):
            raise ProjectionDamaged(
                f"session {session_id!r}: {decisions} of {_decisions(row)} decisions about branch "
                f"{branch!r} are listed; `eventstore projection rebuild branch` lists them anew"
            )
        if not found:
            return UNFORKED
        (recorded,) = yield from self._log.at_positions(keys, [found[0].position])
        return msgspec.convert(recorded.event.lane_state(), Lineage)


def _decisions(row: BranchRow) -> int:
    """Return how many events changed what a branch shows."""
    forked = row["forked_by"] is not None
    return int(forked) + int(row["rewinds"]) + int(row.get("pops", 0))


def _found(reply: list[bytes]) -> list[Found]:
    return [found_in(member) for member in reply]
