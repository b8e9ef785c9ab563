"""`python -m consumers`: `up` is the supervisor, `work` a worker; the rest is the CLI."""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from pathlib import Path

from consumers.supervision.supervisor import supervise
from eventstore.embedded.home import locate, open_home
from eventstore.embedded.options import MIN_FREE_BYTES, SupervisorOptions
from eventstore.errors import EmbeddedError


def up(arguments: list[str]) -> int:
    """Supervise a data directory in the foreground; return the exit code.

    0: ended in order, or another supervisor lives. 1: the store cannot be kept up, and the last
    line of standard error says why.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    home, options = parse_up(arguments)
    try:
        return supervise(open_home(locate(home)), options)
    except EmbeddedError as error:
        logging.getLogger(__name__).error("%s", error)
        return 1


def parse_up(arguments: list[str]) -> tuple[Path | None, SupervisorOptions]:
    """Return the data directory, if one is named, and the options that the arguments give."""
    given = _up_parser().parse_args(arguments)
    options = SupervisorOptions(
        linger=given.linger,
        stay=given.stay,
        worker_command=tuple(given.worker_command),
        maxmemory=given.maxmemory,
        min_free_bytes=given.min_free_bytes,
    )
    return given.home, options


def _up_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m consumers up",
        description="Run the server and the worker of a data directory until nobody uses them.",
    )
    parser.add_argument("--home", type=Path, help="the data directory (default: as for clients)")
    parser.add_argument(
        "--linger",
        type=float,
        default=60.0,
        help="seconds from the last client's leaving to the end",
    )
    parser.add_argument("--stay", action="store_true", help="never end for want of clients")
    parser.add_argument("--maxmemory", type=int, help="bytes (default: half of the memory)")
    parser.add_argument(
        "--min-free-bytes", type=int, default=MIN_FREE_BYTES, help="disk to require before a start"
    )
    parser.add_argument("worker_command", nargs="*", help="run this as the worker (after --)")
    return parser


def main(arguments: list[str]) -> int:
    """Run the command that the arguments name; return the exit code."""
    if arguments[:1] == ["up"]:
        return up(arguments[1:])
    # What the others import takes longer than a supervisor takes to start.
    if arguments[:1] == ["work"]:
        return int(importlib.import_module("consumers.working.processes").main(arguments[1:]))
    cli = importlib.import_module("consumers.cli")
    return int(cli.main() or 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
