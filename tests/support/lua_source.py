"""A reading of Lua source just deep enough to follow keys and replies through it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKEN = re.compile(
    r"--\[\[.*?\]\]|--[^\n]*"
    r"|(?P<token>'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|[A-Za-z_]\w*|\d[\w.]*"
    r"|\.\.\.|\.\.|[=~<>]=|\S)",
    re.DOTALL,
)
_OPEN, _CLOSE = set("([{"), set(")]}")
_OPERATORS = {"and", "or", "not"}
_KEYWORDS = {
    "break", "do", "else", "elseif", "end", "for", "function", "if", "in", "local", "repeat",
    "return", "then", "until", "while",
}  # fmt: skip
_BLOCKS = {"function", "if", "do", "repeat"}
Expression = list[str]


def tokens(text: str) -> list[str]:
    """Return the tokens of Lua source, comments left out."""
    return [match["token"] for match in _TOKEN.finditer(text) if match["token"]]


def _is_name(token: str) -> bool:
    return re.fullmatch(r"[A-Za-z_]\w*", token) is not None and token not in _KEYWORDS | _OPERATORS


def _ends_operand(token: str) -> bool:
    return _is_name(token) or token[0] in "'\"" or token[0].isdigit() or token in _CLOSE | {"end"}


@dataclass(frozen=True)
class Code:
    """The tokens of one script, and the questions that the contract asks of them."""

    tokens: list[str]

    def expressions(self, start: int) -> list[Expression]:
        """Return the list of expressions that begins at a token, split at its commas."""
        found: list[Expression] = [[]]
        depth = 0
        for position in range(start, len(self.tokens)):
            token = self.tokens[position]
            previous = self.tokens[position - 1]
            begins = _is_name(token) and position > start and _ends_operand(previous)
            if depth == 0 and (token in _CLOSE | _KEYWORDS or begins):
                break
            depth += (token in _OPEN) - (token in _CLOSE)
            if token == "," and depth == 0:
                found.append([])
            else:
                found[-1].append(token)
        return found

    def indexes(self, table: str) -> list[str]:
        """Return what a table is indexed by, as text, at each of its uses."""
        return [
            " ".join(self.expressions(at + 2)[0])
            for at, token in enumerate(self.tokens)
            if token == table and self.tokens[at + 1] == "["
        ]

    def calls(self, *functions: str) -> Iterator[list[Expression]]:
        """Yield the arguments of every `redis.<function>(…)`."""
        for at, token in enumerate(self.tokens):
            if token in functions and self.tokens[at - 2 : at] == ["redis", "."]:
                yield self.expressions(at + 2)

    @cached_property
    def assignments(self) -> dict[str, list[Expression]]:
        """Every expression that is assigned to each plain name, anywhere in the script."""
        found: dict[str, list[Expression]] = {}
        for at, token in enumerate(self.tokens):
            if token == "=":
                names, values = self._targets(at), self.expressions(at + 1)
                for number, name in enumerate(names):
                    if name:
                        value = values[number] if number < len(values) else ["nil"]
                        found.setdefault(name, []).append(value)
        return found

    def _targets(self, at: int) -> list[str]:
        """Return the names left of the `=` at a token; '' if what stands there is no plain name."""
        names: list[str] = []
        position = at - 1
        while _is_name(self.tokens[position]) and self.tokens[position - 1] != ".":
            names.insert(0, self.tokens[position])
            if self.tokens[position - 1] != ",":
                break
            position -= 2
        return names or [""]

    def is_key(self, expression: Expression) -> bool:
        """Whether an expression is an element of KEYS, by whatever names it went through."""
        return self._is_key(expression, frozenset())

    def _is_key(self, expression: Expression, seen: frozenset[str]) -> bool:
        if expression[:2] == ["KEYS", "["]:
            return self._closes_at_end(expression)
        if len(expression) == 1 and expression[0] not in seen:
            values = self.assignments.get(expression[0], [])
            return bool(values) and all(self._is_key(v, seen | {expression[0]}) for v in values)
        if len(expression) == 4 and expression[1] == "[" and expression[2].isdigit():
            rows = self._rows(expression[0])
            at = int(expression[2]) - 1
            return bool(rows) and all(len(row) > at and self._is_key(row[at], seen) for row in rows)
        return False

    @staticmethod
    def _closes_at_end(expression: Expression) -> bool:
        depth = 0
        for position, token in enumerate(expression[1:], 1):
            depth += (token in _OPEN) - (token in _CLOSE)
            if depth == 0:
                return position == len(expression) - 1
        return False

    def _rows(self, item: str) -> list[list[Expression]]:
        """Return the rows that a loop variable can be: `for _, item in ipairs(rows)`."""
        rows: list[list[Expression]] = []
        for at in range(len(self.tokens) - 6):
            if self.tokens[at : at + 4] == [item, "in", "ipairs", "("]:
                table = self.tokens[at + 4]
                append = [table, "[", "#", table, "+", "1", "]", "=", "{"]
                rows += [
                    self.expressions(start + len(append))
                    for start in range(len(self.tokens) - len(append))
                    if self.tokens[start : start + len(append)] == append
                ]
        return rows

    def replies(self) -> Iterator[Expression]:
        """Yield what the script itself returns, leaving its functions out."""
        blocks: list[str] = []
        for at, token in enumerate(self.tokens):
            if token in _BLOCKS:
                blocks.append(token)
            elif token in {"end", "until"}:
                blocks.pop()
            elif token == "return" and "function" not in blocks:
                yield self.expressions(at + 1)[0]


def constructors(code: Code, reply: Expression) -> set[str] | None:
    """Return the tags that a reply can begin with, nothing for an error reply.

    None if some way to the reply does not build an array whose first element is a string.
    """
    if reply[:3] == ["redis", ".", "error_reply"]:
        return set()
    if reply[:1] == ["{"]:
        return {reply[1][1:-1]} if len(reply) > 2 and reply[1][0] in "'\"" else None
    tags: set[str] = set()
    values = code.assignments.get(reply[0], []) if len(reply) == 1 else []
    for value in values:
        found = constructors(code, value) if value[:1] == ["{"] else None
        if found is None:
            return None
        tags |= found
    return tags or None
