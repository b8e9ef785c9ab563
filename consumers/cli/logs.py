"""Log records of the library as notes on stderr."""

from __future__ import annotations

import logging


def log_to_stderr() -> None:
    """Show warnings on stderr, a line each, unless the process has set up logging itself.

    That production runs on the embedded store is left to `doctor`: said before every answer, it
    would hide what else is said.
    """
    handler = logging.StreamHandler()
    handler.addFilter(lambda record: record.name != "eventstore.settings")
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler])
