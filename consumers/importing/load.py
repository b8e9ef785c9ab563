"""Loading files into a store: recorded runs, all checked before the first, and exported events.

A run's refs follow from its content, and exported events have their own, so a load that was
interrupted is completed, and one that was done adds nothing, by loading the same files again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from consumers.importing.detect import AUTO, read_runs
from consumers.importing.event_files import read_windows
from consumers.importing.event_sessions import append_window
from consumers.importing.json_file import place_in_record
from eventstore.drafts import check_size, chunks
from eventstore.errors import ImportRefused, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from eventstore.drafts import Draft
    from eventstore.store import EventStore


class CheckedRun(NamedTuple):
    """A run ready to be appended."""

    session_id: str
    drafts: list[Draft]


class Loaded(msgspec.Struct):
    """What a load did so far: `added` events were new, `known` ones were in the store already.

    `runs` are the runs of recorded files, and the sessions whose first event a file of events has.
    """

    files: int = 0
    runs: int = 0
    events: int = 0
    added: int = 0
    known: int = 0

    def count(self, events: int, added: int) -> None:
        """Count events of which so many were added."""
        self.events += events
        self.added += added
        self.known += events - added


def check_files(
    paths: Sequence[Path], compress_above: int, format_name: str = AUTO
) -> list[CheckedRun]:
    """Return the runs of all files, every one of them checked; nothing is written.

    Payloads above `compress_above` bytes are gzipped. Raises `ImportRefused` naming the file and
    the byte, or the record and field, that is broken.
    """
    checked = []
    for path in paths:
        for run in read_runs(path, format_name):
            try:
                drafts = run.drafts(compress_above)
            except InvalidInput as error:
                place = place_in_record(run.index, "")
                raise ImportRefused(str(path), place, str(error)) from error
            checked.append(CheckedRun(run.session_id, drafts))
    return checked


class Loading:
    """A load under way. `loaded` says how far it is, also once it ended by an error.

    `progress` is called with a number of events whenever so many are in the store.
    """

    def __init__(
        self, store: EventStore, progress: Callable[[int], object] = lambda _events: None
    ) -> None:
        self.loaded = Loaded()
        self._store = store
        self._progress = progress

    def load_runs(self, runs: Sequence[CheckedRun], *, files: int) -> None:
        """Append the runs of so many files, each run as one batch where it fits.

        Raises what an append raises; runs appended before stay. Payloads that are too large for
        the store are refused before the first.
        """
        most = self._store.parts.settings.store.max_payload_bytes
        for item in (item for run in runs for item in run.drafts):
            check_size(item, most)
        seen: set[str] = set()
        for run in runs:
            self.loaded.runs += 1
            if run.session_id in seen:
                # A run that several files hold is loaded, and counted as new, once.
                self.loaded.count(len(run.drafts), 0)
                continue
            seen.add(run.session_id)
            for batch in chunks(run.drafts):
                appender = self._store.parts.appender
                answer = self._store.runner.run(appender.append_counting(run.session_id, batch))
                self.loaded.count(len(batch), answer.added)
                self._progress(len(batch))
        self.loaded.files += files

    def load_events(self, path: Path) -> None:
        """Append the events of a file of exported ones, in its order and in constant memory.

        The lines of a window are all checked before the first of them is appended; windows
        before stay. Raises `ImportRefused` naming the line, `SessionDiffers`, or what an append
        raises.
        """
        for window in read_windows(path):
            for count, added in append_window(self._store, str(path), window):
                self.loaded.count(count, added)
                self._progress(count)
            self.loaded.runs += sum(run[0].line.seq == 0 for run in window)
        self.loaded.files += 1
