"""Every command and script call on the log, as pure values."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import msgspec

from eventstore.codec import Recorded, decode_entry
from eventstore.errors import Diverged
from eventstore.events import ArtifactPublished
from eventstore.flow import Argument, Call, as_is
from eventstore.keys import Keys, entry_id
from eventstore.kinds import KINDS
from eventstore.scripts import script

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eventstore.drafts import Draft


class Appended(msgspec.Struct, frozen=True):
    """Where an event lies: `position` in its partition, `seq` in its session, index in its lane.

    `step_idx` is the lane index, which for artifacts is the step on their branch.
    """

    ref: str
    position: int
    seq: int
    step_idx: int


class Accepted(msgspec.Struct, frozen=True):
    """An append that is in the log: where, the chain at its last event, how many are new.

    The chain is "" if part of it was trimmed.
    """

    rows: list[Appended]
    chain: str
    added: int


class Declined(msgspec.Struct, frozen=True):
    """An append that wrote nothing: the script's outcome and what it says of it."""

    outcome: str
    details: tuple[str, ...]

    @property
    def numbers(self) -> list[int]:
        """The events that the outcome names, counted from 0."""
        return [int(number) - 1 for number in self.details]


class Head(msgspec.Struct, frozen=True):
    """The end of a partition: its last position, the chain there, the epoch."""

    partition: int
    position: int
    chain: str
    epoch: int


class SessionTrim(msgspec.Struct, frozen=True):
    """What was trimmed of a session: how many events, the position of the last of them."""

    count: int
    position: int


def append(
    keys: Keys,
    session_id: str,
    drafts: Sequence[Draft],
    *,
    epoch: int,
    buffer_limit: int,
    expect: Mapping[str, int],
    start: Mapping[str, int],
    searched: int = 0,
) -> Call[Accepted | Declined]:
    """Append a batch of one session; `lua/append.lua` says what it answers.

    `searched` is the position up to which none of the refs is in the journal's index.
    """
    args: list[Argument] = [str(epoch), session_id, buffer_limit, searched]
    for pairs in (expect, start):
        args.append(len(pairs))
        for lane, index in pairs.items():
            args += (lane, index)
    for item in drafts:
        args += _event_arguments(item)
    keys_of_call = (
        keys.meta,
        keys.stream,
        keys.refs,
        keys.sessions,
        keys.session(session_id),
        keys.session_log(session_id),
        *(keys.payload(item.event.ref) for item in drafts if item.data),
    )
    refs = [item.event.ref for item in drafts]

    def parse(reply: list[bytes]) -> Accepted | Declined:
        outcome, *details = (value.decode() for value in reply)
        if outcome not in ("ok", "known"):
            return Declined(outcome, tuple(details))
        chain, numbers = details[0], details[1:]
        if "" in numbers:
            position = numbers[numbers.index("") - 1]
            return Declined("poisoned", (f"position {position} of a known ref is gone",))
        rows = [_appended(ref, numbers[3 * i :]) for i, ref in enumerate(refs)]
        return Accepted(rows, chain, added=len(rows) if outcome == "ok" else 0)

    return Call(script("append"), keys_of_call, tuple(args), parse)


def _event_arguments(item: Draft) -> tuple[Argument, ...]:
    event = item.event
    return (
        bytes.fromhex(event.ref),
        event.ref,
        item.digest,
        item.digest.hex(),
        event.kind,
        KINDS[event.kind].VERSION,
        event.agent_id,
        event.branch_id,
        event.type if isinstance(event, ArtifactPublished) else "",
        event.lane,
        event.ts,
        item.header,
        item.state,
        item.data,
    )


def _appended(ref: str, numbers: Sequence[str]) -> Appended:
    position, seq, index = numbers[:3]
    return Appended(ref, int(position), int(seq), int(index))


def head(keys: Keys) -> Call[Head | None]:
    """Return the end of a partition, None if the partition does not exist."""

    def parse(reply: list[bytes | None]) -> Head | None:
        position, chain, epoch = reply
        if position is None or chain is None or epoch is None:
            return None
        return Head(keys.partition, int(position), chain.decode(), int(epoch))

    return Call("HMGET", (keys.meta,), ("head", "chain", "epoch"), parse)


def gone(keys: Keys) -> Diverged:
    """Return the error for a partition that was opened and is no longer there."""
    return Diverged(
        f"namespace {keys.namespace!r}, partition {keys.partition}: the store is gone from the "
        "server that this process opened it on; bring its keys back, or what the journal holds: "
        "`eventstore restore`"
    )


def meta(keys: Keys) -> Call[dict[str, str]]:
    """Return everything that an opened partition says of itself. Raises `Diverged` without one."""

    def parse(reply: list[bytes]) -> dict[str, str]:
        found = _text_map(reply)
        if "head" not in found:
            raise gone(keys)
        return found

    return Call("HGETALL", (keys.meta,), (), parse)


def find_refs(keys: Keys, refs: Sequence[str]) -> Call[list[tuple[int, bytes] | None]]:
    """Return the position and content digest of refs in this partition, None for unknown ones."""

    def parse(reply: list[bytes | None]) -> list[tuple[int, bytes] | None]:
        return [
            None if found is None else (struct.unpack(">Q", found[:8])[0], found[8:])
            for found in reply
        ]

    return Call("HMGET", (keys.refs,), tuple(bytes.fromhex(ref) for ref in refs), parse)


def can_write(keys: Keys, ref: str) -> Call[int]:
    """Ask whether the server takes writes now, without making one.

    Raises what an append would be refused for: `StoreFull`, `Unavailable`, `StoreUnreachable`.
    """
    # No bytes at the start of a payload's buffer: changes nothing, and creates nothing.
    return Call("SETRANGE", (keys.payload(ref),), (0, b""), int)


def entries(keys: Keys, first: int, last: int | None, limit: int) -> Call[list[Any]]:
    """Return raw stream entries of a range of positions, at most `limit`."""
    end = "+" if last is None else entry_id(last)
    return Call("XRANGE", (keys.stream,), (entry_id(first), end, "COUNT", limit), as_is)


def events(keys: Keys, first: int, last: int | None, limit: int) -> Call[list[Recorded]]:
    """Return the events of a range of positions, at most `limit`."""

    def parse(reply: list[Any]) -> list[Recorded]:
        return [decode_entry(keys.partition, entry) for entry in reply]

    end = "+" if last is None else entry_id(last)
    return Call("XRANGE", (keys.stream,), (entry_id(first), end, "COUNT", limit), parse)


def entries_after(keys: Keys, position: int, limit: int, wait_ms: int) -> Call[list[Any]]:
    """Return raw entries of the stream after a position, waiting up to `wait_ms` for the first.

    If the first is not the next position, that one was trimmed away, or is lost.
    """
    args: list[Argument] = ["COUNT", limit]
    if wait_ms:
        args += ["BLOCK", wait_ms]
    return Call(
        "XREAD",
        (),
        (*args, "STREAMS", keys.stream, entry_id(position)),
        lambda reply: reply[0][1] if reply else [],
    )


def first_entry(keys: Keys) -> Call[Any]:
    """Return the raw entry that the stream begins with, None for an empty one."""
    args = ("-", "+", "COUNT", 1)
    return Call("XRANGE", (keys.stream,), args, lambda reply: reply[0] if reply else None)


def trimmed(keys: Keys) -> Call[int]:
    """Return the last position of a partition that was trimmed, 0 for none."""
    return Call("HGET", (keys.meta,), ("trimmed",), lambda reply: int(reply or 0))


def server_time() -> Call[int]:
    """Return the time by the server's clock, ms since 1970."""
    return Call("TIME", (), (), lambda reply: int(reply[0]) * 1000 + int(reply[1]) // 1000)


def session_positions(keys: Keys, session_id: str, first: int, last: int) -> Call[list[int]]:
    """Return positions of a session's events, from `first` to `last`, both included.

    Numbers count from the first event of the session that was not trimmed.
    """
    return Call(
        "LRANGE",
        (keys.session_log(session_id),),
        (first, last),
        lambda reply: [int(p) for p in reply],
    )


def session_length(keys: Keys, session_id: str) -> Call[int]:
    """Return how many events a session has, trimmed ones included."""
    return Call("HGET", (keys.session(session_id),), ("seq",), lambda reply: int(reply or 0))


def session_trim(keys: Keys, session_id: str) -> Call[SessionTrim | None]:
    """Return what was trimmed of a session, None if nothing was."""

    def parse(reply: bytes | None) -> SessionTrim | None:
        return None if reply is None else SessionTrim(*map(int, reply.split(b":")))

    return Call("HGET", (keys.session(session_id),), ("trimmed",), parse)


def lane_indexes(keys: Keys, session_id: str, lanes: Sequence[str]) -> Call[list[int]]:
    """Return the next index of lanes of a session, 0 for a lane that does not exist."""
    fields = tuple(f"next:{lane}" for lane in lanes)
    return Call(
        "HMGET", (keys.session(session_id),), fields, lambda reply: [int(n or 0) for n in reply]
    )


def session_state(keys: Keys, session_id: str) -> Call[dict[str, bytes]]:
    """Return a session's counters and lane heads."""

    def parse(reply: list[bytes]) -> dict[str, bytes]:
        return {reply[i].decode(): reply[i + 1] for i in range(0, len(reply), 2)}

    return Call("HGETALL", (keys.session(session_id),), (), parse)


def buffered_payloads(keys: Keys, refs: Sequence[str]) -> Call[list[bytes | None]]:
    """Return the payloads that still wait in their buffer, None for the others."""
    return Call("MGET", tuple(keys.payload(ref) for ref in refs), (), as_is)


def _text_map(reply: list[bytes]) -> dict[str, str]:
    return {reply[i].decode(): reply[i + 1].decode() for i in range(0, len(reply), 2)}
