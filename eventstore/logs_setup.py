"""What the logs of a process are put on, and how they are taken off again."""

from __future__ import annotations

import logging
import os
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from eventstore.errors import InvalidName, SettingsError
from eventstore.known_secrets import redactor_for
from eventstore.logs_files import RotatingFile
from eventstore.logs_handler import LogHandler
from eventstore.logs_lines import Lines
from eventstore.redaction import Redactor
from eventstore.settings import settings
from eventstore.settings_models import LoggingSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventstore.logs_console import LogConsole
    from eventstore.settings import AppSettings

LITELLM_LOG: Final = "litellm_debug.log"
_LITELLM: Final = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy")
_WORKER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_log = logging.getLogger(__name__)


class LogSetup:
    """The logging of this process; set up by `settings()` at the first use unless it was before.

    Handlers go on the root logger. If that has none, its level becomes `logging.level` and the
    console is ours as well; else it is the application's, and only the file is added.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._redactor = Redactor()
        self._level = logging.INFO
        self._levels: Mapping[str, int] | None = None
        self._before: list[tuple[logging.Logger, logging.Handler | None, int]] = []

    def renew_lock(self) -> None:
        """In a forked child, no thread holds the lock."""
        self._lock = threading.Lock()

    def redactor(self) -> Redactor:
        """Return what takes secrets out; sets up if nobody did."""
        if self._levels is None:
            with self._lock:
                if self._levels is None:
                    self._follow_settings()
        return self._redactor

    def level_of(self, name: str) -> int:
        """Return the lowest level that is logged under a logger's name."""
        levels = self._levels or {}
        while name and name not in levels:
            name = name.rpartition(".")[0]
        return levels.get(name, self._level)

    def configure(
        self, chosen: AppSettings | None, worker: str | None, base: Path | None, *, force: bool
    ) -> None:
        """See `eventstore.logs.configure_logging`."""
        if worker is not None and not _WORKER.fullmatch(worker):
            raise InvalidName(
                "worker", f"{worker!r} is no part of a file name; use A-Z a-z 0-9 - _"
            )
        chosen = chosen or settings()
        with self._lock:
            self._take_off()
            if force:
                logging.getLogger().handlers.clear()
            self._put_on(chosen.logging, redactor_for(chosen), worker, base)

    def reset(self) -> None:
        """Take everything off; the next use sets up again."""
        with self._lock:
            self._take_off()

    def _follow_settings(self) -> None:
        try:
            chosen = settings()
        except SettingsError as error:
            # A program that is about to report a fault is not to meet another one here.
            self._put_on(LoggingSettings(), Redactor(), None, None)
            _log.error("the settings are wrong, so logging follows its defaults: %s", error)
        else:
            self._put_on(chosen.logging, redactor_for(chosen), None, None)

    def _put_on(
        self, config: LoggingSettings, redactor: Redactor, worker: str | None, base: Path | None
    ) -> None:
        values = logging.getLevelNamesMapping()
        self._redactor, self._level = redactor, values[config.level]
        root, lines = logging.getLogger(), Lines(redactor, worker)
        alone = not root.handlers
        main = LogHandler(
            lines,
            _file(config, config.log_file, worker, base),
            _console() if alone and config.console else None,
        )
        main.addFilter(_is_for_main)
        self._change(root, main, self._level if alone else root.level)
        debug = LogHandler(lines, _file(config, LITELLM_LOG, worker, base), None)
        for name in _LITELLM:
            self._change(logging.getLogger(name), debug, logging.getLogger(name).level)
        self._levels = {name: values[level] for name, level in config.levels.items()}
        for name, value in self._levels.items():
            self._change(logging.getLogger(name), None, value)

    def _change(self, target: logging.Logger, handler: logging.Handler | None, level: int) -> None:
        self._before.append((target, handler, target.level))
        if handler is not None:
            target.addHandler(handler)
        target.setLevel(level)

    def _take_off(self) -> None:
        while self._before:
            target, handler, level = self._before.pop()
            if handler is not None:
                target.removeHandler(handler)
                handler.close()
            target.setLevel(level)
        self._levels = None


def _file(
    config: LoggingSettings, name: str, worker: str | None, base: Path | None
) -> RotatingFile:
    if worker is not None:
        stem, dot, suffix = name.rpartition(".")
        name = f"{stem}.{worker}{dot}{suffix}" if dot else f"{name}.{worker}"
    try:
        # A program that changes its directory later goes on with the same file.
        folder = Path.cwd() / (base or "")
    except FileNotFoundError:
        folder = base or Path()
    return RotatingFile(folder / config.log_dir / name, config.max_bytes, config.keep)


def _console() -> LogConsole:
    # rich takes longer to import than all that only writes a file.
    from eventstore.logs_console import LogConsole  # noqa: PLC0415 - seldom needed, and slow

    return LogConsole()


def _is_for_main(record: logging.LogRecord) -> bool:
    """What litellm says below a warning is for its own file."""
    return record.levelno >= logging.WARNING or record.name not in _LITELLM


setup: Final = LogSetup()
os.register_at_fork(after_in_child=setup.renew_lock)
