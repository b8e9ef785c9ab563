"""What every Lua script promises in its header, checked against its code.

A script's header names its keys, arguments and replies; `faults` compares that with the code:
keys reach commands from KEYS alone, nothing is concatenated into one, and the replies that can
be returned are those documented. Names are followed without regard to scope, so one name stands
for one thing in a file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from support.lua_source import Code, constructors, tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

# Where a command's key stands among its arguments; a command that is missing here is not used.
KEY_AT = {
    "EXISTS": 1, "GET": 1, "HDEL": 1, "HEXISTS": 1, "HGET": 1, "HGETALL": 1, "HINCRBY": 1,
    "HLEN": 1, "HMGET": 1, "HSET": 1, "LINDEX": 1, "LLEN": 1, "LRANGE": 1, "LTRIM": 1, "RPUSH": 1,
    "SET": 1, "STRLEN": 1, "TYPE": 1, "UNLINK": 1, "XACK": 1, "XADD": 1, "XAUTOCLAIM": 1,
    "XCLAIM": 1, "XDEL": 1, "XGROUP": 2, "XINFO": 2, "XLEN": 1, "XPENDING": 1, "XRANGE": 1,
    "XREVRANGE": 1, "XTRIM": 1, "ZADD": 1, "ZCARD": 1, "ZRANGE": 1, "ZRANGEBYSCORE": 1, "ZREM": 1,
    "ZREMRANGEBYSCORE": 1, "ZSCORE": 1,
    "TIME": 0,
}  # fmt: skip
_FLAGS = re.compile(r"#!lua( flags=(no-writes|allow-oom|allow-stale|,)+)?")
_HEADER = re.compile(r"--\[\[\n(?P<name>\w+): (?P<what>[^\n]+\.)\n(?P<rest>.*?)\n\]\]", re.DOTALL)
_SECTION = re.compile(r"^(KEYS|ARGV|Returns)\b", re.MULTILINE)
_ENTRY = re.compile(r"^(?:KEYS|ARGV)? +(\d+) (\S+) +(\S.*)$", re.MULTILINE)
_TAG = re.compile(r'\{"(\w+)"')


@dataclass(frozen=True)
class Header:
    """The declared side of the contract."""

    name: str
    sections: dict[str, str]

    def numbers(self, section: str) -> list[int]:
        """Return the numbers that a section declares, in the order written."""
        return [int(number) for number, _, _ in _ENTRY.findall(self.sections.get(section, ""))]

    def is_open(self, section: str) -> bool:
        """Whether the last entry of a section stands for any number more."""
        entries = _ENTRY.findall(self.sections.get(section, ""))
        return bool(entries) and re.match(r"and on|to the end", entries[-1][2]) is not None

    @property
    def tags(self) -> set[str]:
        """Return the first elements of the documented replies."""
        return set(_TAG.findall(self.sections.get("Returns", "")))


def faults(name: str, text: str) -> list[str]:
    """Return what breaks the contract in the script `<name>.lua`; nothing if it holds."""
    first, _, body = text.partition("\n")
    match = _HEADER.match(body)
    if not _FLAGS.fullmatch(first) or match is None:
        return ["begin with `#!lua`, then a comment: `<name>: <sentence>.`, KEYS, ARGV, Returns"]
    parts = _SECTION.split(match["rest"])
    header = Header(match["name"], dict(zip(parts[1::2], _sections(parts), strict=True)))
    code = Code(tokens(body[match.end() :]))
    return [
        *_header_faults(name, header),
        *_index_faults(header, code),
        *_call_faults(code),
        *_reply_faults(header, code),
    ]


def _sections(parts: list[str]) -> Iterator[str]:
    for keyword, text in zip(parts[1::2], parts[2::2], strict=True):
        yield keyword + text


def _header_faults(name: str, header: Header) -> Iterator[str]:
    if header.name != name:
        yield f"the header names {header.name}, the file {name}"
    if "Returns" not in header.sections:
        yield "the header has no section Returns"
    for section in ("KEYS", "ARGV"):
        numbers = header.numbers(section)
        if section not in header.sections:
            yield f"the header has no section {section}"
        elif numbers != list(range(1, len(numbers) + 1)):
            yield f"{section} are numbered {numbers}, not from 1 without gaps"


def _index_faults(header: Header, code: Code) -> Iterator[str]:
    """Compare the numbers declared with the indexes used."""
    for section in ("KEYS", "ARGV"):
        declared = set(header.numbers(section))
        indexes = code.indexes(section)
        used = {int(index) for index in indexes if index.isdigit()}
        if stray := used - declared:
            yield f"{section} {sorted(stray)} are used and not declared"
        computed = len(indexes) > len([index for index in indexes if index.isdigit()])
        idle = declared - used
        if not computed and idle:
            yield f"{section} {sorted(idle)} are declared and not used"
        if computed and not header.is_open(section):
            yield f"{section} are indexed by a computed number, and no entry says `and on`"


def _call_faults(code: Code) -> Iterator[str]:
    for banned in ("cjson", "cmsgpack", "loadstring"):
        if banned in code.tokens:
            yield f"{banned}: a script passes bytes through untouched"
    for call in code.calls("call", "pcall"):
        command = call[0]
        shown = " ".join(command)
        if len(command) == 1 and command[0][0] in "'\"":
            word = command[0][1:-1].upper()
            if word not in KEY_AT:
                yield f"{word} is not among the commands that scripts use (KEY_AT)"
                continue
            at = KEY_AT[word]
        else:
            at = 1
        if at and (len(call) <= at or not code.is_key(call[at])):
            key = " ".join(call[at]) if len(call) > at else "nothing"
            yield f"{shown}: its key is {key}, which does not come from KEYS alone"
    for call in code.calls("error_reply"):
        if not re.match(r"'[A-Z]+ ", call[0][0]):
            yield f"error_reply({' '.join(call[0])}): begin with a code in capitals"


def _reply_faults(header: Header, code: Code) -> Iterator[str]:
    returned: set[str] = set()
    for reply in code.replies():
        tags = constructors(code, reply)
        if tags is None:
            yield f"return {' '.join(reply)}: a reply is an array that begins with its tag"
        else:
            returned |= tags
    if stray := returned - header.tags:
        yield f"replies {sorted(stray)} are returned and not documented"
    if idle := header.tags - returned:
        yield f"replies {sorted(idle)} are documented and never returned"
