"""Calls of readd.lua as its header lays them out, from what append.lua left elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from support.lua_append import FIELDS

from eventstore.chain import GENESIS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from support.lua_run import LuaRun

NAMES = FIELDS.split()


@dataclass
class Line:
    """An event of a journal: the entry's fields, and what else the script is told of it."""

    position: int
    fields: dict[str, bytes]
    state: bytes = b""
    lost: bool = False
    buffer: bool = False
    opens: tuple[str, int | str] = ("", "")

    @property
    def ref(self) -> str:
        return self.fields["ref"].decode()

    @property
    def chain(self) -> str:
        return self.fields["chain"].decode()


def lines(lua: LuaRun, states: Mapping[int, bytes] | None = None) -> list[Line]:
    """Return the log of a partition as lines; `states` are those of lanes, by position."""
    entries: Any = lua.client.xrange(lua.keys.stream)
    found = []
    for entry_id, fields in entries:
        position = int(entry_id.partition(b"-")[2])
        text = {name.decode(): value for name, value in fields.items()}
        found.append(Line(position, text, (states or {}).get(position, b"")))
    return found


def readd(
    lua: LuaRun,
    batch: Sequence[Line],
    *,
    after: tuple[int, str] = (0, GENESIS),
    epoch: int = 3,
) -> list[Any]:
    """Put lines back behind a position."""
    own = [lua.keys.meta, lua.keys.stream, lua.keys.refs, lua.keys.sessions]
    names: list[str] = []

    def number(*of: str) -> int:
        if of[0] not in names:
            names.extend(of)
        return names.index(of[0]) + 1

    args: list[object] = [epoch, *after]
    for line in batch:
        session = line.fields["session"].decode()
        args += [bytes.fromhex(line.ref), bytes.fromhex(line.fields["digest"].decode())]
        args.append(number(lua.keys.session(session), lua.keys.session_log(session)))
        args.append(number(lua.keys.payload(line.ref)) if line.buffer else 0)
        args += [int(line.lost), *line.opens, line.state]
        args += [line.fields[name] for name in NAMES]
    return lua.run("readd", [*own, lua.keys.payload_missing, *names], args)
