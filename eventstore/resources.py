"""Data files of the project: Lua scripts and default configuration.

A wheel carries them inside the package (`eventstore/_lua`, `eventstore/_config`); in a source
tree they are the folders `lua/` and `config/` beside it.
"""

from __future__ import annotations

from pathlib import Path

from eventstore.errors import NotFound

_PACKAGE = Path(__file__).parent


def lua_source(name: str) -> str:
    """Return the source of the script `lua/<name>.lua`; `name` is the verb, as in "append".

    Raises `NotFound` if the installation holds no such script.
    """
    return _resource("lua", f"{name}.lua").read_text(encoding="utf-8")


def config_path(name: str) -> Path:
    """Return the path of a packaged default, as in "config.json" or "prompts/judge.jinja".

    Raises `NotFound` if the installation holds no such file.
    """
    return _resource("config", name)


def _resource(kind: str, name: str) -> Path:
    folder = _folder(kind)
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise NotFound(f"{kind} file {name!r} would lie outside {folder}; name one inside it")
    if not path.is_file():
        raise NotFound(f"no {kind} file {name!r} in {folder}; is eventstore installed whole?")
    return path


def _folder(kind: str) -> Path:
    packaged = _PACKAGE / f"_{kind}"
    if packaged.is_dir():
        return packaged
    root = _PACKAGE.parent
    # In site-packages a sibling named config/ or lua/ would be somebody else's.
    if not (root / "pyproject.toml").is_file():
        raise NotFound(
            f"neither {packaged} nor a source tree around {_PACKAGE}; reinstall eventstore"
        )
    return root / kind
