"""The examples of the specification: taken from their page, and run with imports mapped."""

from __future__ import annotations

import ast
import asyncio
import builtins
import inspect
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import eventstore

PAGE: Final = Path(__file__).parents[1] / "acceptance" / "spec" / "examples.md"
_BLOCK: Final = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
# Where the specification's modules are here: everything is imported from one package.
MODULES: Final = (
    "infra.artifacts.bus",
    "infra.artifacts.schema",
    "infra.session",
    "infra.logging.logging_config",
    "infra.logging.metrics",
    "infra.utils.llm_helpers",
    "infra.utils.redis_helpers",
    "infra.utils.redis_keys",
    "infra.utils.override_helpers",
    "infra.async_utils",
    "infra.artifacts.drivers.base",
)


def examples(text: str) -> list[str]:
    """Return the Python examples of a page, in order."""
    return _BLOCK.findall(text)


def example(first_line: str) -> str:
    """Return the one example that begins with a line."""
    (found,) = [each for each in examples(PAGE.read_text("utf-8")) if each.startswith(first_line)]
    return found


def run_example(first_line: str, **prelude: Any) -> dict[str, Any]:
    """Run an example as it stands, with free names from `prelude`; return its names afterwards."""
    names: dict[str, Any] = {
        "__builtins__": {**vars(builtins), "__import__": _import},
        "__name__": "example",
        **prelude,
    }
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code = compile(example(first_line), PAGE.name, "exec", flags, dont_inherit=True)
    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(eval(code, names))
    else:
        exec(code, names)
    return names


def _import(name: str, *arguments: Any) -> Any:
    if name in MODULES:
        return SimpleNamespace(**{each: getattr(eventstore, each) for each in eventstore.__all__})
    return builtins.__import__(name, *arguments)
