"""The independent checker's reading of the server: all keys of a namespace, whole."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from support.checker_log import escaped

if TYPE_CHECKING:
    from collections.abc import Sequence

    import redis

_BATCH = 500
# Fields of meta that the server or chance decides.
_BY_CHANCE = ("uuid", "format", "epoch", "run_id", "replid")


def dump(client: redis.Redis, namespace: str) -> dict[str, dict[str, Any]]:
    """Return every key of a namespace but the logs: prefix of its partition -> key -> value.

    Hashes come as dictionaries, sorted sets as dictionaries of scores, lists as lists, strings
    as bytes, streams as lists of entries.
    """
    start = "{" + escaped(namespace) + ":"
    names = sorted(set(client.scan_iter(match=_literal(start) + "*", count=1000)))
    found: dict[str, dict[str, Any]] = {}
    for offset in range(0, len(names), _BATCH):
        batch = names[offset : offset + _BATCH]
        for name, value in zip(batch, _values(client, batch), strict=True):
            prefix, _, rest = name.decode().partition("}:")
            if value is not None:
                found.setdefault(prefix + "}:", {})[rest] = value
    return found


def _literal(text: str) -> str:
    return re.sub(r"([*?\[\]\\^])", r"\\\1", text)


def _values(client: redis.Redis, names: Sequence[bytes]) -> list[Any]:
    kinds = _together(client, [("TYPE", name) for name in names])
    commands = [_reading(kind, name) for kind, name in zip(kinds, names, strict=True)]
    replies = _together(client, commands)
    return [_shaped(kind, reply) for kind, reply in zip(kinds, replies, strict=True)]


def _reading(kind: bytes, name: bytes) -> tuple[Any, ...]:
    if kind == b"stream":
        # The log is read in pages elsewhere; other streams are short.
        return ("XREVRANGE", name, "+", "-", "COUNT", 2)
    return {
        b"hash": ("HGETALL", name),
        b"zset": ("ZRANGE", name, 0, -1, "WITHSCORES"),
        b"list": ("LRANGE", name, 0, -1),
    }.get(kind, ("GET", name))


def _shaped(kind: bytes, reply: Any) -> Any:
    if kind == b"zset":
        return {member: float(score) for member, score in reply}
    return reply


def _together(client: redis.Redis, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
    with client.pipeline(transaction=False) as pipeline:
        for command in commands:
            pipeline.execute_command(*command)
        replies: list[Any] = pipeline.execute()
    return replies


def compare(where: str, found: dict[str, Any], due: dict[str, Any], problems: list[str]) -> None:
    """Note every key that is missing, left over or not what is due.

    Hashes of read models hold JSON, which is compared as values.
    """
    problems += [f"{where}: key {key} should not be there" for key in set(found) - set(due)]
    for key, value in sorted(due.items()):
        if key not in found:
            problems.append(f"{where}: key {key} is missing")
        elif isinstance(value, dict):
            _compare_fields(f"{where}: {key}", _readable(key, found[key]), value, problems)
        elif found[key] != value:
            problems.append(f"{where}: {key} is {found[key]!r}, not {value!r}")


def _readable(key: str, found: Any) -> dict[Any, Any]:
    if not isinstance(found, dict):
        return {"": found}
    if re.match(r"(g\d+:)?artifacts:", key):
        return {name.decode(): _value(value) for name, value in found.items()}
    if key in ("meta", "checkpoints", "payload:digests"):
        text = {name.decode(): value.decode() for name, value in found.items()}
        return {name: value for name, value in text.items() if name not in _BY_CHANCE}
    return found


def _value(value: bytes | float) -> Any:
    return json.loads(value) if isinstance(value, bytes) else value


def _compare_fields(
    where: str, found: dict[Any, Any], due: dict[Any, Any], problems: list[str]
) -> None:
    for name in sorted(set(found) | set(due), key=repr):
        if name not in due:
            problems.append(f"{where}: {name!r} should not be there")
        elif name not in found:
            problems.append(f"{where}: {name!r} is missing")
        elif found[name] != due[name]:
            problems.append(f"{where}: {name!r} is {found[name]!r}, not {due[name]!r}")
