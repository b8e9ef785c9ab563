"""Configuration files: which one is read, and what it holds.

Errors name the file and the place in it, never its text: a configuration may hold secrets.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eventstore.errors import SettingsError
from eventstore.resources import config_path

if TYPE_CHECKING:
    from collections.abc import Mapping

YAML_SUFFIXES = (".yaml", ".yml")


def locate(variable: str, name: str, environ: Mapping[str, str]) -> Path:
    """Return the file to read: the one `variable` names, else ./config/<name>, else the packaged.

    Raises `SettingsError` if `variable` names a file that does not exist.
    """
    named = environ.get(variable)
    if named:
        path = Path(named).absolute()
        if not path.is_file():
            raise SettingsError(f"{variable}: there is no file {path}; correct or unset it")
        return path
    local = Path("config", name).absolute()
    return local if local.is_file() else config_path(name)


def read_document(path: Path) -> Any:
    """Return what a JSON or YAML file holds; the suffix says which it is.

    Raises `SettingsError` naming the file, and line and column where it does not parse.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        offset = error.start
    else:
        return _parse_yaml(path, text) if path.suffix in YAML_SUFFIXES else _parse_json(path, text)
    # Outside the except block: the decoder's error carries the whole file.
    raise SettingsError(f"{path}: byte {offset} is not UTF-8; save the file as UTF-8")


def _parse_json(path: Path, text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_refuse_twins)
    except json.JSONDecodeError as error:
        problem = f"line {error.lineno}, column {error.colno}: {error.msg}"
    except RecursionError:
        problem = "is nested too deeply"
    except _Twins as error:
        problem = f"the key {error.key!r} occurs twice in one object; keep one"
    raise SettingsError(f"{path}: {problem}")


def _parse_yaml(path: Path, text: str) -> Any:
    try:
        import yaml  # noqa: PLC0415 - an optional extra; JSON works without it
    except ModuleNotFoundError:
        raise SettingsError(
            f"{path}: reading YAML needs PyYAML: pip install 'eventstore[yaml]', or use JSON"
        ) from None
    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark, fault = error.problem_mark, error.problem
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        problem = f"{place}{fault}"
    except yaml.YAMLError as error:
        problem = f"is not YAML: {type(error).__name__}"
    except RecursionError:
        problem = "is nested too deeply"
    raise SettingsError(f"{path}: {problem}")


class _Twins(Exception):
    """A key occurs twice in one object: which of the values was meant is unknown."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def _refuse_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Twins(key)
        found[key] = value
    return found
