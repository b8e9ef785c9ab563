"""Is the server well: does it answer, keep what it is given, and know the scripts and the log?"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from eventstore import commands
from eventstore.connection import parse_info
from eventstore.durability import require_durability
from eventstore.errors import EventStoreError, Sealed, StoreUnreachable
from eventstore.flow import Batch, Call, Flow, as_is, batch, blocking, call
from eventstore.health_findings import Finding
from eventstore.keys import position_of
from eventstore.log_holes import missing_entries
from eventstore.scripts import resident_scripts

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventstore.keys import Keys
    from eventstore.log import Log

_REPAIR: Final = "`eventstore repair` shows what there is, and puts back what the journal has"
_UNSEAL: Final = (
    "whoever opens the store next verifies and unseals them; if that is refused, "
    "`eventstore repair` shows what there is and what can be kept"
)


def look_at_server(log: Log, *, may_open: bool) -> Flow[Finding]:
    """Does the server answer, and is it the one that was verified?"""
    yield from blocking(log.reconnect)
    try:
        yield from call(Call("PING", (), (), as_is, control=True))
    except Sealed:
        detail = "the server is another instance than the one that was verified"
        if not may_open:
            return Finding("failed", detail, "wait until it is verified; if it stays, see the log")
        log.forget()
        # Why it cannot be opened is found again, and told, by the check of the store.
        with suppress(EventStoreError):
            yield from log.open()
        return Finding("ok", f"{detail} before, and answers")
    return Finding("ok", "the server answers")


def look_at_eviction(log: Log) -> Flow[Finding]:
    """Does the server keep what it has when memory is short?"""
    info = yield from call(Call("INFO", (), ("memory",), parse_info, control=True))
    policy = info.get("maxmemory_policy", "unknown")
    detail = f"maxmemory-policy {policy}"
    if policy == "noeviction":
        return Finding("ok", detail)
    remedy = "CONFIG SET maxmemory-policy noeviction, and in the server's configuration file"
    if log.settings.allow_eviction:
        return Finding("warning", f"{detail}: events may be lost, as store.allow_eviction", remedy)
    return Finding("failed", f"{detail}: the server may evict keys, and so lose events", remedy)


def look_at_durability(log: Log) -> Flow[Finding]:
    """Is the server set up for what the settings promise?"""
    return Finding("ok", (yield from require_durability(log.settings)))


def look_at_scripts(log: Log) -> Flow[Finding]:
    """Does the server have the scripts that opening the store loaded into it?"""
    scripts = resident_scripts()
    opened_on = Call("HGET", (log.partitions[0].meta,), ("run_id",), _text, control=True)
    run_id = Call("INFO", (), ("server",), lambda info: parse_info(info)["run_id"], control=True)
    exist = Call("SCRIPT", (), ("EXISTS", *(each.sha for each in scripts)), as_is, control=True)
    opened, now, found = yield Batch((opened_on, run_id, exist))
    if opened != now:
        return Finding("ok", "not loaded yet: the store was not opened since the server started")
    lost = [each.name for each, known in zip(scripts, found, strict=True) if not known]
    if not lost:
        return Finding("ok", f"{len(scripts)} scripts are loaded")
    return Finding(
        "failed",
        f"the server has lost the scripts {', '.join(lost)}: somebody called SCRIPT FLUSH",
        "nothing is lost: whoever needs one sends it again, and opening the store does; find out "
        "who called it",
    )


def look_at_store(log: Log, ready: Callable[[Callable[[], Flow[Any]]], Flow[Any]]) -> Flow[Finding]:
    """Does every partition take appends, and end where its own account says?"""
    found = yield from ready(
        lambda: batch([step for keys in log.partitions for step in _ends(keys)])
    )
    opened = log.opened
    if opened is None:
        raise StoreUnreachable("the store is not open; the worker's log says why")
    metas: list[dict[str, str]] = found[0::5]
    sealed = [partition for partition, meta in enumerate(metas) if meta.get("state") != "open"]
    if sealed:
        detail = f"partitions {sealed} are sealed: they take no appends"
        return Finding("failed", detail, _UNSEAL)
    for number, keys in enumerate(log.partitions):
        before, last, length, first, after = found[5 * number : 5 * number + 5]
        wrong = (
            _foreign_end(keys, last, int(after["head"]))
            or _lost_tail(log, keys, int(before["head"]), position_of(last))
            or _hole(keys, position_of(last), length, first, int(after.get("trimmed", "0")))
        )
        if wrong is not None:
            return Finding("failed", wrong, _REPAIR)
    events = sum(int(meta["head"]) for meta in metas)
    detail = f"store {opened.uuid[:8]}, {len(metas)} partitions open, {events} events"
    if opened.unproven and log.settings.durability != "fsync":
        return Finding("warning", "; ".join(opened.unproven), "set store.durability to fsync")
    return Finding("ok", detail)


def _ends(keys: Keys) -> tuple[Call[Any], ...]:
    """Read a partition's ends between two looks at what it says of itself, since appends go on."""
    last = Call("XREVRANGE", (keys.stream,), ("+", "-", "COUNT", 1), _id)
    length = Call("XLEN", (keys.stream,), (), int)
    first = Call("XRANGE", (keys.stream,), ("-", "+", "COUNT", 1), _id)
    return commands.meta(keys), last, length, first, commands.meta(keys)


def _foreign_end(keys: Keys, last: bytes, head: int) -> str | None:
    if last.startswith(b"0-") and position_of(last) <= head:
        return None
    return (
        f"partition {keys.partition}: something else wrote the entry {last.decode()}, and appends "
        f"are refused; the log ends at {head}"
    )


def _lost_tail(log: Log, keys: Keys, head: int, end: int) -> str | None:
    where = f"partition {keys.partition}"
    if end < head:
        return f"{where}: the log ends at {end}, and {head} were appended: its tail is gone"
    acknowledged = log.acknowledged(keys.partition)
    if acknowledged > end:
        return (
            f"{where}: the log ends at {end}, and this process saw {acknowledged} acknowledged: "
            "its tail is gone"
        )
    return None


def _hole(keys: Keys, last: int, length: int, first: bytes, trimmed: int) -> str | None:
    if not (length and first.startswith(b"0-")):
        return None
    lacking = missing_entries(last, length, position_of(first), trimmed)
    if not lacking:
        return None
    return f"partition {keys.partition}: the log lacks {lacking} entries, which somebody deleted"


def _id(entries: list[Any]) -> bytes:
    return bytes(entries[0][0]) if entries else b"0-0"


def _text(reply: bytes | None) -> str:
    return "" if reply is None else reply.decode()
