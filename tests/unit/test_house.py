"""The house rules hold in every file, and each check finds a planted fault."""

from __future__ import annotations

import itertools
import os
import re
import tomllib
from typing import TYPE_CHECKING

import pytest
from support import house

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

ROOT = house.ROOT
PACKAGE_MODULES = house.modules(*house.PACKAGES)
ALL_MODULES = [*PACKAGE_MODULES, *house.modules("tests", "scripts")]
SCRIPTS = [
    path
    for folder in ("scripts", ".ci")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.is_file() and path.suffix in {"", ".sh"}
]
TEXTS = [
    *ALL_MODULES,
    *SCRIPTS,
    *(
        path
        for pattern in ("*.md", "*.toml", "docs/**/*.md", "lua/*.lua", "config/**/*.*")
        for path in sorted(ROOT.glob(pattern))
        if path.is_file()
    ),
]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def faults(paths: Iterable[Path], *rules: Callable[[str], list[str]]) -> list[str]:
    """Return what the rules find in the files, each with the file's name."""
    return [
        f"{relative(path)}: {fault}"
        for path in paths
        for rule in rules
        for fault in rule(path.read_text(encoding="utf-8"))
    ]


def test_modules_are_short_and_their_comments_are_finished() -> None:
    assert faults(ALL_MODULES, house.length_faults, house.comment_faults) == []


def test_a_module_says_what_it_is() -> None:
    assert faults(PACKAGE_MODULES, house.docstring_faults) == []


def test_keys_are_spelled_in_keys_py_alone() -> None:
    others = [path for path in PACKAGE_MODULES if path.name != "keys.py"]
    assert faults(others, house.key_faults) == []


def test_heavy_libraries_are_imported_in_one_place() -> None:
    imports = {
        relative(path): house.imported(path.read_text(encoding="utf-8")) for path in PACKAGE_MODULES
    }
    of_llm = [path for path, names in imports.items() if "litellm" in names]
    assert set(of_llm) <= {"eventstore/clients/llm.py"}
    of_templates = [path for path, names in imports.items() if "jinja2" in names]
    assert [path for path in of_templates if not path.startswith("consumers/")] == []


def test_no_file_names_a_path_of_one_machine() -> None:
    assert faults(TEXTS, house.path_faults) == []


def test_data_folders_are_not_packages() -> None:
    for folder in ("lua", "config", "scripts", "tests"):
        assert not (ROOT / folder / "__init__.py").exists()


def test_packages_are_typed() -> None:
    assert all((ROOT / package / "py.typed").is_file() for package in house.PACKAGES)


@pytest.mark.parametrize("path", SCRIPTS, ids=relative)
def test_a_shell_script_stops_at_the_first_failure(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    sourced = "lib" in path.parts
    assert re.match(r"#!/usr/bin/env (bash|python3)\n|#!/bin/sh\n", text) or sourced
    assert "set -euo pipefail" in text or "bash" not in text.partition("\n")[0] or sourced
    assert os.access(path, os.X_OK) or sourced


def test_every_dependency_is_justified() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    requirements = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *itertools.chain(*project["project"]["optional-dependencies"].values()),
        *itertools.chain(*project["dependency-groups"].values()),
    ]
    names = {re.split(r"[^a-z0-9-]", requirement, maxsplit=1)[0] for requirement in requirements}
    justified = (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8").lower()
    missing = [name for name in names if not re.search(rf"\b{name}\b", justified)]
    assert missing == []


class TestPlantedFaults:
    def test_length(self) -> None:
        assert house.length_faults("x = 1\n" * house.MAX_LINES) == []
        assert house.length_faults("x = 1\n" * (house.MAX_LINES + 1))

    def test_docstring(self) -> None:
        assert house.docstring_faults('"""What it is."""\n') == []
        assert house.docstring_faults("# a comment\nx = 1\n")

    @pytest.mark.parametrize(
        "comment",
        [
            "# TODO later",
            "# FIXME",
            "# type: ignore",
            "# noqa",
            "# noqa: everything",
        ],
    )
    def test_comments(self, comment: str) -> None:
        assert house.comment_faults(f"x = 1  {comment}\n")

    @pytest.mark.parametrize(
        "comment",
        ["# type: ignore[misc]", "# noqa: PLC0415 - optional", "# the method is todo"],
    )
    def test_comments_that_are_fine(self, comment: str) -> None:
        assert house.comment_faults(f"x = 1  {comment}\n") == []

    @pytest.mark.parametrize(
        "line",
        [
            'f"session:{s}"',
            'f"{{{namespace}:{p}}}:meta"',
            'prefix + "stream:artifacts"',
            '"artifacts:%s:index" % s',
            '"payload:{}".format(ref)',
            'f"{prefix}lease:{group}"',
            '":".join(["es", s]) + "session:" + s',
            'b"payload:" + ref',
        ],
    )
    def test_keys(self, line: str) -> None:
        assert house.key_faults(line)

    @pytest.mark.parametrize(
        "line",
        [
            'f"session: {s}"',
            'f"branch:{b}"',
            'f"{path}: {problem}"',
            'f"artifacts/{s}/payloads/{ref}"',
            'raise_("stream:artifacts is no stream")',
        ],
    )
    def test_text_that_is_no_key(self, line: str) -> None:
        assert house.key_faults(line) == []

    def test_imports(self) -> None:
        source = "import a.b\nfrom c.d import e\ndef f():\n    import litellm\nfrom . import g\n"
        assert house.imported(source) == {"a", "c", "litellm"}

    def test_paths(self) -> None:
        assert house.path_faults("see /ro" + "ot/x") == ["line 1: a path of one machine"]
        assert house.path_faults("see ./wo" + "rk/x and net/wo" + "rk/") == []
