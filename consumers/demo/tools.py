"""Tools that the sample's agents use. They really run, and give the same result every time."""

from __future__ import annotations

import ast
import hashlib
import operator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGES: Final = ("eventstore",)
_OWN_CODE: Final = "consumers.demo"
_OPERATORS: Final[dict[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


class ToolError(Exception):
    """A tool was given what it cannot work with; the message is its answer."""


def list_modules(package: str) -> list[str]:
    """Return the names of a package's modules, sorted."""
    return _modules(_source(package))


def count_words(package: str) -> dict[str, int]:
    """Return how many files a package's source has, and words in them."""
    folder = _source(package)
    texts = [(folder / name).read_text(encoding="utf-8") for name in _modules(folder)]
    return {"files": len(texts), "words": sum(len(text.split()) for text in texts)}


def calculate(expression: str) -> float:
    """Return the value of an expression of numbers and + - * /, to two decimals."""
    try:
        return round(_value(ast.parse(expression, mode="eval").body), 2)
    except SyntaxError:
        raise ToolError(f"not an expression: {expression!r}") from None
    except ZeroDivisionError:
        raise ToolError(f"divides by zero: {expression!r}") from None


TOOLS: Final[dict[str, Callable[..., Any]]] = {
    tool.__name__: tool for tool in (list_modules, count_words, calculate)
}


def fingerprint() -> str:
    """Return a digest of all that a run follows from: what tools read, and the agents' code."""
    digest = hashlib.sha256()
    for package in (*PACKAGES, _OWN_CODE):
        folder = _folder(package)
        for name in _modules(folder):
            data = (folder / name).read_bytes()
            digest.update(f"{package}/{name} {len(data)}\n".encode())
            digest.update(data)
    return digest.hexdigest()


def _source(package: str) -> Path:
    if package not in PACKAGES:
        raise ToolError(f"no package {package!r}; there is {', '.join(PACKAGES)}")
    return _folder(package)


def _folder(package: str) -> Path:
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def _modules(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.py"))


def _value(node: ast.expr) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return float(node.value)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.left), _value(node.right))
    raise ToolError(f"takes numbers and + - * / only, not {ast.unparse(node)!r}")
