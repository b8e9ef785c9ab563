"""The writes that `lua/apply.lua` makes together with the move of a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

WriteCommand = Literal["HSET", "HDEL", "HINCRBY", "ZADD", "ZREM", "SET", "UNLINK"]
Value: TypeAlias = bytes | str | int


@dataclass(frozen=True, slots=True)
class Write:
    """One change: a command of `apply.lua` on one key, at most 4,000 values."""

    command: WriteCommand
    key: str
    args: tuple[Value, ...] = ()
