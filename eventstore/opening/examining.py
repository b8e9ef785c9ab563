"""What there is of a partition: how far its log is whole, how far its journal, and where they part.

An open looks at the ends alone. This looks at all of the stream where the ends do not fit, and
changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from eventstore.chain import link
from eventstore.errors import Damaged
from eventstore.flow import Call, Flow, as_is, blocking
from eventstore.journal import START, End, Journal
from eventstore.journal_format import FIELDS, field
from eventstore.keys import position_of
from eventstore.log_holes import missing_entries
from eventstore.opening.strays import find_strays

if TYPE_CHECKING:
    from eventstore.journal_format import Entry
    from eventstore.keys import Keys
    from eventstore.opening.strays import Stray

_PAGE: Final = 500
_NAMES: Final = tuple(name.encode() for name in FIELDS)
Verdict = Literal["well", "sealed", "lost", "differs", "poisoned", "gone"]


@dataclass(frozen=True)
class Examined:
    """A partition as it is.

    `log` is where its stream is whole up to, `journal` where its journal ends, `common` the last
    position that they share. `foreign` are the stream's entries that no append wrote, `strays`
    the journal's segments of another history. `problem` says in a sentence what is wrong;
    `verdict` is `well`, `sealed` or `lost` (the next open does what there is to do), `differs`
    (two histories), `poisoned` (keys contradict each other) or `gone`.
    """

    keys: Keys
    uuid: str
    state: str
    log: End
    journal: End
    common: int
    verdict: Verdict
    problem: str
    foreign: tuple[Entry, ...]
    strays: tuple[Stray, ...]


def examine(keys: Keys, journal: Journal) -> Flow[Examined]:
    """Look at a partition and its journal.

    Raises `JournalDamaged` if a segment that has to be read cannot be.
    """
    meta: dict[str, str] = yield Call("HGETALL", (keys.meta,), (), _text_map, control=True)
    books: int = yield Call("EXISTS", (keys.refs, keys.sessions), (), int, control=True)
    top = yield from _first(keys, "XREVRANGE", "+", "-")
    said = End(int(meta.get("head", "0")), meta.get("chain", START.chain))
    found = START if top is None else _end_of(top)
    lacking = (yield from _lacking(keys, found)) if found else 0
    ends: End = yield from blocking(_furthest, journal, keys.partition)
    uuid, state = meta.get("uuid", ""), meta.get("state", "")
    foreign: tuple[Entry, ...] = ()
    problem = ""
    if not meta and top is None:
        problem = "it is not there" if ends == START else "it is not there, its journal is"
        log = START
    elif not meta or found != said or lacking:
        log, foreign = yield from _walk(keys, journal)
        if not meta:
            problem = "its meta is gone"
        elif found != said:
            problem = f"its meta ends at {said[0]}, its stream does not"
        else:
            problem = f"its stream lacks {lacking} entries before its end, which somebody deleted"
    else:
        log = said
        problem = "refs or sessions is gone" if log.position and books < 2 else ""
    strays = yield from find_strays(keys, log, journal)
    common = min([each.parts_at for each in strays], default=min(log.position, ends.position))
    verdict: Verdict = "well"
    if problem:
        verdict = "gone" if not meta and top is None else "poisoned"
    elif strays:
        verdict, problem = "differs", "the journal holds another history than the log"
    elif ends.position > log.position:
        verdict, problem = "lost", "the log lacks events that the journal holds"
    elif state != "open":
        verdict, problem = "sealed", f"it is {state}, and nothing is in the way of opening it"
    return Examined(keys, uuid, state, log, ends, common, verdict, problem, foreign, tuple(strays))


def _lacking(keys: Keys, end: End) -> Flow[int]:
    """Return how many entries a stream lacks that were neither trimmed nor are behind its end."""
    length: int = yield Call("XLEN", (keys.stream,), (), int, control=True)
    # In this order appends and trims that go on meanwhile can only hide a hole, never feign one.
    bottom = yield from _first(keys, "XRANGE", "-", "+")
    trimmed: bytes | None = yield Call("HGET", (keys.meta,), ("trimmed",), as_is, control=True)
    first = None if bottom is None else _end_of(bottom)
    if first is None:
        return 0
    return missing_entries(end.position, length, first.position, int(trimmed or 0))


def _furthest(journal: Journal, partition: int) -> End:
    """Return where a journal ends; of two histories, one of those that go furthest."""
    segments = journal.segments(partition)
    if not segments:
        return START
    last = max(segments, key=lambda segment: segment.last)
    return End(last.last, last.chain)


def _first(keys: Keys, command: str, start: str, end: str) -> Flow[Entry | None]:
    args = (start, end, "COUNT", 1)
    page: list[Entry] = yield Call(command, (keys.stream,), args, as_is, control=True)
    return page[0] if page else None


def _end_of(entry: Entry) -> End | None:
    """Return where an entry stands; None for one that no append wrote."""
    if not entry[0].startswith(b"0-") or tuple(entry[1][::2]) != _NAMES:
        return None
    return End(position_of(entry[0]), field(entry, "chain"))


def _walk(keys: Keys, journal: Journal) -> Flow[tuple[End, tuple[Entry, ...]]]:
    """Return how far the stream is one history, and the entries that are no part of it."""
    at, foreign, after = START, list[Any](), "-"
    while True:
        args = (after, "+", "COUNT", _PAGE)
        page: list[Entry] = yield Call("XRANGE", (keys.stream,), args, as_is, control=True)
        if not page:
            return at, tuple(foreign)
        for entry in page:
            end = _end_of(entry)
            if end is not None and end.position > at.position + 1:
                before: End = yield from blocking(_before, journal, keys.partition, entry)
                at = at if before == START else before
            if end is None or not _continues(at, end, entry):
                foreign.append(entry)
            else:
                at = end
        after = f"({page[-1][0].decode()}"


def _continues(at: End, end: End, entry: Entry) -> bool:
    return (
        end.position == at.position + 1
        and link(at.chain, field(entry, "ref"), field(entry, "digest")) == end.chain
    )


def _before(journal: Journal, partition: int, entry: Entry) -> End:
    """Return the end that an entry goes on from, by the journal; the start if it has none."""
    position = position_of(entry[0]) - 1
    try:
        chain = journal.chain_at(partition, position)
    except Damaged:
        return START
    return START if chain is None else End(position, chain)


def _text_map(reply: list[bytes]) -> dict[str, str]:
    return {reply[i].decode(): reply[i + 1].decode() for i in range(0, len(reply), 2)}
