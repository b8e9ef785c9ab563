"""Appending exported events to their session: each at the numbers that it had, or none of them.

What the session has already must be the same events at the same numbers; the rest is appended
with an expectation for every lane that it writes. So events that go on from others than the
file's are refused. Only a program that appends to other lanes of the session at that moment is
found too late, by the numbers; that is said, not passed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventstore import commands
from eventstore.drafts import chunks
from eventstore.errors import Conflict, RefConflict, RefOverlap, SessionDiffers
from eventstore.flow import batch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from consumers.importing.event_files import Numbered
    from eventstore.appending import Answer
    from eventstore.store import EventStore

# No lane has this name, so no event is appended under it; what is known is answered all the same.
_KNOWN_ONLY: Final = {"": 1}


def append_window(
    store: EventStore, path: str, window: Sequence[Sequence[Numbered]]
) -> Iterator[tuple[int, int]]:
    """Append runs of neighbouring events of one session; yield how many are in, how many new.

    Raises `SessionDiffers`, and appends nothing more, if a session has other events.
    """
    limit = store.parts.log.settings.inline_limit
    lengths = _lengths(store, {run[0].session_id for run in window})
    for run in window:
        rest = list(run)
        for drafts in chunks([each.line.draft for each in rest], limit):
            part, rest = rest[: len(drafts)], rest[len(drafts) :]
            yield len(part), _append(store, path, part, lengths)


def _lengths(store: EventStore, sessions: Iterable[str]) -> dict[str, int]:
    """Return how many events sessions have, from one round trip."""
    names = list(sessions)
    log = store.parts.log
    steps = [commands.session_length(log.keys_of(name), name) for name in names]
    return dict(zip(names, store.reading(lambda: batch(steps)), strict=True))


def _append(store: EventStore, path: str, part: Sequence[Numbered], lengths: dict[str, int]) -> int:
    """Append events of one session that has as many as `lengths` says, and count it up."""
    session = part[0].session_id
    added = 0
    left = part
    refused_at = -1
    while left:
        seq = lengths[session]
        overlap = seq - left[0].line.seq
        if overlap < 0:
            missing = f"has {seq} events here, and this one is number {left[0].line.seq}"
            raise _differs(path, left[0], missing)
        now = left[:overlap] if overlap else left
        try:
            answer = _send(store, now, known=overlap > 0)
        except (Conflict, RefOverlap) as error:
            if seq == refused_at:
                raise _differs(path, *_difference(now, error)) from error
            # Somebody appends the same events at this moment, perhaps.
            refused_at = seq
            lengths |= _lengths(store, [session])
            continue
        except RefConflict as error:
            raise _differs(path, *_difference(now, error)) from error
        _check_numbers(path, now, answer)
        added += answer.added
        left = left[len(now) :]
        lengths[session] = max(seq, now[-1].line.seq + 1)
    return added


def _send(store: EventStore, part: Sequence[Numbered], *, known: bool) -> Answer:
    expect: Mapping[str, int] = _KNOWN_ONLY
    start: dict[str, int] = {}
    if not known:
        expect = {}
        for each in part:
            lane = each.line.draft.event.lane
            if lane not in start:
                expect.setdefault(lane, each.line.idx)
            start |= each.line.start
    drafts = [each.line.draft for each in part]
    flow = store.parts.appender.append_counting(
        part[0].session_id, drafts, expect=expect, start=start
    )
    return store.runner.run(flow)


def _check_numbers(path: str, part: Sequence[Numbered], answer: Answer) -> None:
    for each, row in zip(part, answer.rows, strict=True):
        if (row.seq, row.step_idx) != (each.line.seq, each.line.idx):
            raise _differs(path, each, f"has it as event {row.seq}: others were appended to it")


def _difference(
    part: Sequence[Numbered], error: Conflict | RefOverlap | RefConflict
) -> tuple[Numbered, str]:
    """Return where the store's session and the file's part, and how."""
    if isinstance(error, Conflict):
        if error.lane in _KNOWN_ONLY:
            return part[0], "has other events here, and not this one"
        found = f"lane {error.lane!r} is at {error.actual}, not {error.expected}"
        return part[0], f"has other events here: {found}"
    named = {each.line.draft.event.ref: each for each in part}
    if isinstance(error, RefConflict):
        return named[error.refs[0]], "has this event here with other content"
    missing = next(each for ref, each in named.items() if ref not in error.refs)
    return missing, "has other events here, and not this one"


def _differs(path: str, at: Numbered, problem: str) -> SessionDiffers:
    return SessionDiffers(path, f"line {at.number}", at.session_id, problem)
