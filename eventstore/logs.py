"""Structured logs: JSON lines in a file, and the same for a person on the console.

    from eventstore import logger

    logger.info({"message": "Tool executed", "tool_name": "get_weather", "latency_ms": 250})

adds one line to `logs/main.log` (settings `logging.*`). The first use sets this up on the root
logger of `logging`, so that what other loggers log reaches the file as well; importing does not.
What a line says is in `eventstore.logs_lines`; secrets are masked in all of it.
"""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Final, TypeAlias

from eventstore.logs_lines import Fields
from eventstore.logs_setup import setup
from eventstore.logs_values import Plain

if TYPE_CHECKING:
    from pathlib import Path

    from eventstore.redaction import Redactor
    from eventstore.settings import AppSettings

__all__ = ["StructuredLogger", "configure_logging", "logger", "reset_logging"]

_Caught: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None]
ExcInfo: TypeAlias = bool | BaseException | _Caught | tuple[None, None, None] | None


class StructuredLogger:
    """Logs a mapping of fields, or text with `%` arguments, under the caller's module name.

    A mapping's `message` is what happened; its other keys are the fields of the line. Values may
    be anything: what JSON does not have is shown as text, and what is long is cut. Levels are
    those of `logging.levels`, by the longest name, else `logging.level`. Never raises, whatever
    the values are and wherever the lines cannot be written. Safe to share between threads, tasks
    and processes.
    """

    def debug(self, message: object, *args: object, exc_info: ExcInfo = None) -> None:
        """Log what only helps to find a fault."""
        self._log(logging.DEBUG, message, args, exc_info)

    def info(self, message: object, *args: object, exc_info: ExcInfo = None) -> None:
        """Log what happens as it should."""
        self._log(logging.INFO, message, args, exc_info)

    def warning(self, message: object, *args: object, exc_info: ExcInfo = None) -> None:
        """Log what somebody should look at, though it went well."""
        self._log(logging.WARNING, message, args, exc_info)

    def error(self, message: object, *args: object, exc_info: ExcInfo = None) -> None:
        """Log what went wrong."""
        self._log(logging.ERROR, message, args, exc_info)

    def exception(self, message: object, *args: object, exc_info: ExcInfo = True) -> None:
        """Log what went wrong, with the exception that is being handled."""
        self._log(logging.ERROR, message, args, exc_info)

    def critical(self, message: object, *args: object, exc_info: ExcInfo = None) -> None:
        """Log what the program cannot go on after."""
        self._log(logging.CRITICAL, message, args, exc_info)

    def log(self, level: int, message: object, *args: object, exc_info: ExcInfo = None) -> None:
        """Log at a level of `logging`."""
        self._log(level, message, args, exc_info)

    def _log(
        self, level: int, message: object, args: tuple[object, ...], exc_info: ExcInfo
    ) -> None:
        redactor = setup.redactor()
        # The caller of the public method that called this one.
        here = inspect.currentframe()
        caller = here.f_back.f_back if here is not None and here.f_back is not None else None
        name = str(caller.f_globals.get("__name__")) if caller is not None else __name__
        target = logging.getLogger(name)
        if level < setup.level_of(name) or level <= target.manager.disable:
            return
        record = target.makeRecord(
            name,
            level,
            "(unknown file)" if caller is None else caller.f_code.co_filename,
            0 if caller is None else caller.f_lineno,
            _content(message, args, redactor),
            (),
            _caught(exc_info),
            None if caller is None else caller.f_code.co_name,
        )
        target.handle(record)


def _content(message: object, args: tuple[object, ...], redactor: Redactor) -> Fields | str:
    """Return what a record says: text, or fields that show as text, without a secret in it.

    Other handlers get it too, so its arguments are in it already, whether they fit or not.
    """
    if isinstance(message, Mapping):
        return Fields({"args": args, **message} if args else message, redactor)
    plain = Plain(redactor)
    text = message if isinstance(message, str) else str(plain.value(message))
    if args:
        try:
            text %= args[0] if len(args) == 1 and isinstance(args[0], Mapping) else args
        except Exception as error:  # noqa: BLE001 - the arguments' own methods may raise anything
            text = (
                f"{text} (arguments that do not fit, {type(error).__name__}: {plain.value(args)})"
            )
    return redactor.text(text)


def _caught(exc_info: ExcInfo) -> _Caught | tuple[None, None, None] | None:
    if isinstance(exc_info, BaseException):
        return type(exc_info), exc_info, exc_info.__traceback__
    if isinstance(exc_info, tuple):
        return exc_info
    return sys.exc_info() if exc_info else None


def configure_logging(
    chosen: AppSettings | None = None,
    *,
    worker: str | None = None,
    base: Path | None = None,
    force: bool = False,
) -> None:
    """Set up logging now, in place of what the first use would; by `settings()` for None.

    `worker` names this process among several: its file is `main.<worker>.log`. `base` is where
    a relative `logging.log_dir` lies, the working directory for None. `force` takes all other
    handlers off the root logger, as `logging.basicConfig` does. Raises `SettingsError`, and
    `InvalidName` for a worker that cannot be part of a file name.
    """
    setup.configure(chosen, worker, base, force=force)


def reset_logging() -> None:
    """Close the files and take everything off the loggers; the next use sets up again."""
    setup.reset()


logger: Final = StructuredLogger()
"""The logger of this process."""
