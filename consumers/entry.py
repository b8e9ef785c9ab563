"""The command `eventstore`: an interrupt ends it as one, also before the command line is there."""

from __future__ import annotations

import importlib
import sys
from typing import Final

# `consumers.cli.exits` has the names of all exit codes; importing it is what may be interrupted.
_INTERRUPTED: Final = 130


def main() -> None:
    """Run the command line; exit with the code that it ends with."""
    try:
        importlib.import_module("consumers.cli").main()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
