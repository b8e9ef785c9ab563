"""`python -m consumers.demo [--stay] [FILE…]`, which `scripts/run` calls."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from consumers.checking.catching_up import wait_until_caught_up
from consumers.cli import output
from consumers.cli.exits import MEANINGS, Exit, exit_code
from consumers.cli.logs import log_to_stderr
from consumers.cli.streams import standard_streams
from consumers.cli.transfer import import_paths
from consumers.demo.sample import run_sample
from consumers.demo.summary import print_summary
from consumers.working.groups import known_groups
from eventstore.bus import EventBus
from eventstore.errors import EventStoreError
from eventstore.settings import settings
from eventstore.store import EventStore


def main(arguments: list[str] | None = None) -> int:
    """Run the store, the sample and the imports, and show them; return the exit code."""
    with standard_streams():
        return _run(_parser().parse_args(arguments))


def _run(given: argparse.Namespace) -> int:
    log_to_stderr()
    try:
        if not settings().uses_embedded:
            output.note("a Redis is configured and used; its consumers are `eventstore work`")
        with EventBus(EventStore(settings())) as bus:
            perform(bus, given.files)
            if given.stay:
                output.note("serving on; Ctrl-C ends")
                signal.pause()
    except EventStoreError as error:
        output.fault(str(error))
        return exit_code(error)
    except KeyboardInterrupt:
        return Exit.OK if given.stay else Exit.INTERRUPTED
    return Exit.OK


def perform(bus: EventBus, files: list[Path]) -> None:
    """Perform the sample, import the files, wait for every group, print what came of it.

    Raises `NotCaughtUp` if a group stands still.
    """
    done = run_sample(bus)
    said = [f"sample run: {done.added} events added"]
    if files:
        loaded = import_paths(bus, files)
        said.append(
            f"import: {loaded.runs:,} runs of {loaded.files} files, {loaded.events:,} events, "
            f"{loaded.added:,} added, {loaded.known:,} there already"
        )
    groups = list(known_groups())
    with output.error_console().status("waiting for the consumer groups"):
        wait_until_caught_up(bus.store, groups, _tell)
    print_summary(bus, done.session_id)
    for line in (*said, f"all {len(groups)} groups have caught up"):
        output.show(line)


def _tell(group: str, position: int, head: int) -> None:
    output.note(f"waiting for {group}: {position:,} of {head:,} events")


def _parser() -> argparse.ArgumentParser:
    codes = "; ".join(f"{code:d}: {meaning}" for code, meaning in MEANINGS.items())
    parser = argparse.ArgumentParser(
        prog="scripts/run",
        description="Start the embedded store, perform a sample agent run, import files of "
        "recorded runs, and show what came of it. Data is kept; run again, it adds nothing.",
        epilog=f"Exit codes: {codes}.",
    )
    parser.add_argument("--stay", action="store_true", help="serve on until Ctrl-C")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="recorded runs")
    return parser


if __name__ == "__main__":
    sys.exit(main())
