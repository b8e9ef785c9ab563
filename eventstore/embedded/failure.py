"""Why the last supervisor of a home gave up, left where clients that wait find it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eventstore.embedded.home import Home


def write_failure(home: Home, why: str) -> None:
    """Leave a report, whole or not at all; raises `OSError` if the home cannot be written."""
    path = home.supervisor_error
    draft = path.with_name(f"{path.name}.new")
    draft.write_text(why, encoding="utf-8", errors="backslashreplace")
    draft.replace(path)


def read_failure(home: Home) -> str | None:
    """Return the report of the last supervisor, or None if it did not give up."""
    try:
        return home.supervisor_error.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def clear_failure(home: Home) -> None:
    """Remove the report; to be called by a supervisor that begins."""
    home.supervisor_error.unlink(missing_ok=True)


def failure_mark(home: Home) -> tuple[int, int] | None:
    """Return what tells one report from the next, None if there is none."""
    try:
        status = home.supervisor_error.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns
