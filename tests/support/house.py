"""The house rules that no other tool checks, as functions from source text to faults."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PACKAGES = ("eventstore", "projections", "consumers")
MAX_LINES = 300

# What keys.py begins its keys with, or joins to the name of a session.
_KEY_WORDS = "session|payload|lease|progress|artifacts|stream|parked|work|conversation"
# A word of a key with its colon and no space behind it, or a hash tag that ends.
_KEY_PART = re.compile(rf"(^|[:}}])({_KEY_WORDS}):(?!\s)|\}}:(?!\s)")
_UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
_BARE_IGNORE = re.compile(r"#\s*type:\s*ignore(?!\[[a-z-]+(, ?[a-z-]+)*\])")
_BARE_NOQA = re.compile(r"#\s*noqa(?!: [A-Z]+[0-9]+(, ?[A-Z]+[0-9]+)*( |$))", re.IGNORECASE)
_MACHINE_PATHS = re.compile(r"(?<![\w.])/(root|work)/")


def modules(*folders: str) -> list[Path]:
    """Return the Python files below some folders of the project."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def length_faults(source: str) -> list[str]:
    """A file holds one abstraction, and 300 lines at most."""
    count = len(source.splitlines())
    return [f"{count} lines, {MAX_LINES} at most; split it"] if count > MAX_LINES else []


def docstring_faults(source: str) -> list[str]:
    """A module says what it is."""
    return [] if ast.get_docstring(ast.parse(source)) else ["line 1: no module docstring"]


def comment_faults(source: str) -> list[str]:
    """No plans in comments, and no rule switched off without being named."""
    faults = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        line = token.start[0]
        if _UNFINISHED.search(token.string):
            faults.append(f"line {line}: unfinished work; do it or write it down elsewhere")
        if _BARE_IGNORE.search(token.string):
            faults.append(f"line {line}: name the error code that is ignored")
        if _BARE_NOQA.search(token.string):
            faults.append(f"line {line}: name the rule that is ignored")
    return faults


def key_faults(source: str) -> list[str]:
    """Keys are spelled in keys.py alone: no text built with a key's words or its hash tag."""
    return [
        f"line {line}: {part!r} spells a key; build it in eventstore/keys.py"
        for line, part in _built_text(ast.parse(source))
        if _KEY_PART.search(part)
    ]


def _built_text(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the constant parts of f-strings, `+`, `%`, `format` and `join`."""
    for node in ast.walk(tree):
        parts: list[ast.expr] = []
        if isinstance(node, ast.JoinedStr):
            parts = node.values
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
            parts = [node.left, node.right]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            parts = [node.func.value] if node.func.attr in {"format", "join"} else []
        for part in parts:
            if isinstance(part, ast.Constant) and isinstance(part.value, str | bytes):
                text = part.value
                yield part.lineno, text if isinstance(text, str) else text.decode("latin-1")


def imported(source: str) -> set[str]:
    """Return the top-level names that a module imports, inside functions as well."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def path_faults(text: str) -> list[str]:
    """What is committed names no place of the machine that it was written on."""
    return [
        f"line {number}: a path of one machine"
        for number, line in enumerate(text.splitlines(), 1)
        if _MACHINE_PATHS.search(line)
    ]
