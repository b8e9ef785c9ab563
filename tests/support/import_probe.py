"""Import every module of some packages and report what the imports did; run as a program.

    python -B import_probe.py ROOT PACKAGE…

Prints a JSON object: `modules` that were imported, `loaded` top-level modules afterwards, and
`faults`: environment reads by the packages' own module bodies, and files opened for writing,
sockets, processes and threads by anybody.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
DEEDS = ("socket.", "subprocess.", "os.fork", "os.posix_spawn", "os.exec", "os.mkdir", "os.remove")

faults: list[str] = []
roots: list[str] = []


def watch(event: str, args: tuple[Any, ...]) -> None:
    """Note, as an audit hook, what an import must not do."""
    if event == "open" and isinstance(args[2], int) and args[2] & WRITING:
        faults.append(f"opens for writing: {args[0]}")
    elif event.startswith(DEEDS):
        faults.append(f"{event}: {args[:2]}")


class WatchedEnvironment(os._Environ):  # type: ignore[type-arg]
    """os.environ that notes reads made by a module body of the packages, or called from one."""

    def __getitem__(self, key: str) -> str:
        note_read(str(key))
        value: str = super().__getitem__(key)
        return value

    def __iter__(self) -> Iterator[str]:
        note_read("all of it")
        return super().__iter__()


def note_read(what: str) -> None:
    """Blame the packages if one of their frames lies above the innermost import."""
    frame = sys._getframe(2)
    while frame.f_back is not None and "importlib._bootstrap" not in frame.f_code.co_filename:
        name = frame.f_code.co_filename
        # pydantic looks for plugins when the first model class of a process is made.
        if name.endswith("pydantic/plugin/_loader.py"):
            return
        if name.startswith(tuple(roots)):
            faults.append(f"{name}:{frame.f_lineno} reads the environment: {what}")
            return
        frame = frame.f_back


def import_all(root: Path, packages: list[str]) -> list[str]:
    """Import the packages and all modules in them but `__main__`, which is not for importing."""
    found = []
    for package in packages:
        found.append(package)
        importlib.import_module(package)
        for module in pkgutil.walk_packages([str(root / package)], prefix=f"{package}."):
            if not module.name.endswith(".__main__"):
                found.append(module.name)
                importlib.import_module(module.name)
    return found


def main(root: Path, packages: list[str]) -> None:
    """Watch the imports and print the report."""
    sys.path.insert(0, str(root))
    roots.extend(f"{root / package}{os.sep}" for package in packages)
    sys.addaudithook(watch)
    os.environ.__class__ = WatchedEnvironment
    modules = import_all(root, packages)
    faults.extend(
        f"thread {thread.name} runs"
        for thread in threading.enumerate()
        if thread is not threading.main_thread()
    )
    loaded = sorted({name.partition(".")[0] for name in sys.modules})
    json.dump({"modules": modules, "loaded": loaded, "faults": faults}, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
