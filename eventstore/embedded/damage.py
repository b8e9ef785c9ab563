"""Damaged data of a home: moved aside, kept, and noted where the next open finds it.

The data directory is renamed in one step, and one that was made ready takes its place in another.
The new one holds what is whole, and a note of what the old one held; so whatever is cut short, the
next start finds either the damaged data or the note.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from eventstore.embedded.append_only import (
    DIRECTORY,
    Part,
    is_headless,
    read_manifest,
    scan,
    write_manifest,
)
from eventstore.errors import EmbeddedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from eventstore.embedded.append_only import Scan
    from eventstore.embedded.home import Home

_NOTE: Final = "damage.json"
HEADLESS: Final = "the manifest of the append-only file is missing"


@dataclass(frozen=True, slots=True)
class Damage:
    """What was moved aside, why, and how far logs went in it.

    `directories` hold the files, the last damage last. `ends` are the last positions of logs that
    are known, by the key of the stream; what a damage covers may have gone further. `kept` says
    that the server was started on what is whole of the files, not on nothing.
    """

    directories: tuple[Path, ...]
    why: str
    ends: Mapping[str, int]
    kept: bool

    @property
    def where(self) -> str:
        """The directories, for messages."""
        return ", ".join(map(str, self.directories))


class _Note(msgspec.Struct, frozen=True):
    """A damage as it lies in the data directory, by the names of directories in `damaged`."""

    names: list[str]
    why: str
    ends: dict[str, int]
    kept: bool


def read_damage(home: Home) -> Damage | None:
    """Return what is noted of damaged data that this data directory stands in for, if any.

    Raises `EmbeddedError` if the note cannot be read.
    """
    note = _read(home)
    if note is None:
        return None
    return Damage(tuple(home.damaged / name for name in note.names), note.why, note.ends, note.kept)


def _read(home: Home) -> _Note | None:
    path = home.data / _NOTE
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Note)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise EmbeddedError(
            f"{path}, which notes what damaged data held, cannot be read ({error}); look into "
            f"{home.damaged}, and move the note there to go on without it"
        ) from error


def accept_damage(home: Home) -> Damage | None:
    """Put the note beside the damaged data, so that opens no longer ask for what that held.

    Nothing is deleted. Returns what was noted, None if nothing was.
    """
    damage = read_damage(home)
    if damage is not None:
        aside = damage.directories[-1]
        aside.mkdir(mode=0o700, parents=True, exist_ok=True)
        (home.data / _NOTE).replace(aside / "accepted.json")
        _sync(home.data)
    return damage


def is_damaged(home: Home) -> str | None:
    """Return what is wrong with data that a server would not report but write over, if anything."""
    return HEADLESS if is_headless(home.data / DIRECTORY) else None


def finish_setting_aside(home: Home) -> None:
    """Go on where a set-aside was cut short; for the holder of server.lock, before a start."""
    ready = home.data_ready
    if not ready.exists():
        return
    if home.data.exists() and any(home.data.iterdir()):
        # It was not moved yet: whoever finds it damaged begins anew.
        shutil.rmtree(ready)
    else:
        ready.replace(home.data)
        _sync(home.path)


def set_aside(home: Home, why: str, *, is_base_lost: bool = False) -> Damage:
    """Move the data directory aside and put one in its place with what is whole of it.

    For the holder of server.lock. An increment is kept up to its first damage, and nothing behind
    it; if nothing can be told of where the damage is, or it is in the base, nothing is kept.
    Raises `EmbeddedError` if files cannot be moved or read; the data directory is as it was then.
    """
    finish_setting_aside(home)
    try:
        return _set_aside(home, why, is_base_lost=is_base_lost)
    except OSError as error:
        raise EmbeddedError(
            f"{why}, and {home.data} cannot be moved aside ({error}); nothing was changed: free "
            "disk or mend the permissions, and open the store again"
        ) from error


def _set_aside(home: Home, why: str, *, is_base_lost: bool) -> Damage:
    earlier = _read(home)
    scans = _scan_all(home.data / DIRECTORY)
    kept = [] if is_base_lost else _whole_parts(home.data / DIRECTORY, scans)
    ends: dict[str, int] = dict(earlier.ends) if earlier else {}
    for found in scans.values():
        for key, position in found.ends.items():
            ends[key] = max(ends.get(key, 0), position)
    name = _free_name(home.damaged)
    names = [*(earlier.names if earlier else ()), name]
    _make_ready(home, kept, _Note(names, why, ends, kept=bool(kept)))
    home.damaged.mkdir(mode=0o700, exist_ok=True)
    _sync(home.path)
    home.data.rename(home.damaged / name)
    _sync(home.damaged)
    home.data_ready.replace(home.data)
    _sync(home.path)
    return Damage(tuple(home.damaged / each for each in names), why, ends, kept=bool(kept))


def _scan_all(directory: Path) -> dict[str, Scan]:
    """Read every increment that is there, also those that no manifest names."""
    return {path.name: scan(path) for path in sorted(directory.glob("*.incr.aof"))}


def _whole_parts(directory: Path, scans: dict[str, Scan]) -> list[tuple[Part, int | None]]:
    """Return the parts to start on, each with its bytes, None for all; none if that is not known.

    A server takes parts that are whole. So where it took none of them and no increment shows a
    damage, the damage is where this does not see it.
    """
    parts = read_manifest(directory)
    if parts is None:
        return []
    kept: list[tuple[Part, int | None]] = []
    for part in parts:
        if part.is_base:
            if not (directory / part.name).exists():
                return []
            kept.append((part, None))
            continue
        found = scans.get(part.name)
        if found is None:
            return kept
        kept.append((part, found.whole))
        if found.whole < found.size:
            return kept
    return []


def _make_ready(home: Home, kept: list[tuple[Part, int | None]], note: _Note) -> None:
    """Make a data directory beside the damaged one, whole and on disk."""
    ready = home.data_ready
    ready.mkdir(mode=0o700)
    if kept:
        directory = ready / DIRECTORY
        directory.mkdir(mode=0o700)
        for part, size in kept:
            _take(home.data / DIRECTORY / part.name, directory / part.name, size)
        write_manifest(directory, tuple(part for part, _ in kept))
        _sync_all(directory)
    (ready / _NOTE).write_bytes(msgspec.json.format(msgspec.json.encode(note)) + b"\n")
    _sync_all(ready)


def _take(source: Path, target: Path, size: int | None) -> None:
    """Have a file under another name, or a copy of its first `size` bytes."""
    if size is None:
        # A base is never written to again, so both may have it.
        with contextlib.suppress(OSError):
            target.hardlink_to(source)
            return
    shutil.copyfile(source, target)
    if size is not None:
        os.truncate(target, size)


def _free_name(folder: Path) -> str:
    name = moment = time.strftime("%Y-%m-%dT%H-%M-%SZ", time.gmtime())
    number = 1
    while (folder / name).exists():
        number += 1
        name = f"{moment}-{number}"
    return name


def _sync_all(directory: Path) -> None:
    for path in directory.iterdir():
        if path.is_file():
            _sync(path)
    _sync(directory)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
