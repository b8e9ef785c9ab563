"""Calls of append.lua as its header lays them out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from eventstore.chain import GENESIS, link

if TYPE_CHECKING:
    from support.lua_run import LuaRun

LIMIT = 1000
FIELDS = "kind v ref session agent branch type lane idx seq ts at header digest chain"
MAIN = "branch:main"


@dataclass
class Event:
    """The 14 values of an event; `ref` and `digest` are numbers, written as the script has them."""

    ref: int
    lane: str = MAIN
    payload: bytes = b""
    state: bytes = b""
    kind: str = "artifact.published"
    type: str = "state"
    digest: int = 7
    header: bytes = field(default=b"\x80")

    @property
    def ref_hex(self) -> str:
        return f"{self.ref:032x}"

    @property
    def digest_hex(self) -> str:
        return f"{self.digest:016x}"

    def values(self) -> list[object]:
        raw = bytes.fromhex(self.ref_hex), self.ref_hex, bytes.fromhex(self.digest_hex)
        names = self.digest_hex, self.kind, 1, "agent", "main", self.type, self.lane
        return [*raw, *names, "2026-01-01T00:00:00.000Z", self.header, self.state, self.payload]


def create(lua: LuaRun, epoch: int = 3) -> None:
    """Make the partition that open.lua would make."""
    fields: dict[str, int | str] = {
        "epoch": epoch,
        "state": "open",
        "head": 0,
        "chain": GENESIS,
        "payload_bytes": 0,
    }
    lua.set_hash(lua.keys.meta, fields)


def append(
    lua: LuaRun,
    *events: Event,
    session: str = "s",
    epoch: int = 3,
    limit: int = LIMIT,
    searched: int = 0,
    expect: dict[str, int] | None = None,
    start: dict[str, int] | None = None,
) -> list[Any]:
    keys = lua.keys
    own = [keys.meta, keys.stream, keys.refs, keys.sessions]
    own += [keys.session(session), keys.session_log(session)]
    own += [keys.payload(event.ref_hex) for event in events if event.payload]
    args: list[object] = [epoch, session, limit, searched]
    for pairs in (expect or {}, start or {}):
        args.append(len(pairs))
        args += [value for pair in pairs.items() for value in pair]
    return lua.run("append", own, args + [v for event in events for v in event.values()])


def chain_after(*events: Event, before: str = GENESIS) -> str:
    for event in events:
        before = link(before, event.ref_hex, event.digest_hex)
    return before
