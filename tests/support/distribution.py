"""Distributions of other projects, as an installer leaves them: modules and metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

GROUP = "eventstore.projections"


def install(
    folder: Path,
    name: str,
    modules: Mapping[str, str],
    entry_points: Mapping[str, str],
    group: str = GROUP,
) -> None:
    """Put a distribution into a folder of the module path: sources by module name."""
    for module, source in modules.items():
        folder.joinpath(f"{module}.py").write_text(source, encoding="utf-8")
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    info.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [f"[{group}]", *(f"{point} = {value}" for point, value in entry_points.items())]
    info.joinpath("entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def projection_source(
    name: object = "own", families: str = "frozenset({'own'})", body: str = "return []"
) -> str:
    """Return a module with a projection `View`, whose fold has this body."""
    return f"""
class View:
    name = {name!r}
    families = {families}

    def needs(self, events, keys):
        return ()

    def fold(self, events, state, keys):
        {body}
"""
