"""What a command works with: the settings, a bus, and whether its answer is JSON."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Annotated

import typer

from eventstore.bus import EventBus
from eventstore.embedded import locate
from eventstore.settings import AppSettings
from eventstore.store import EventStore

if TYPE_CHECKING:
    from pathlib import Path


class Cli:
    """The state of one run of the program. Nothing is read or connected before it is asked for."""

    def __init__(self, home: Path | None) -> None:
        self._home = home
        self.json = False

    @cached_property
    def settings(self) -> AppSettings:
        """The settings, with the data directory of the command line."""
        return AppSettings() if self._home is None else AppSettings(home=self._home)

    @cached_property
    def bus(self) -> EventBus:
        """A bus on the store, for writes and for reads of the log."""
        return EventBus(EventStore(self.settings))

    def reader(self, *, stale: bool) -> EventBus:
        """Return the bus for reads of projections.

        Unless `stale`, each read waits until its projection has passed the head that the log
        has now: heads that were seen count as events of one's own, which a bus waits for.
        """
        if not stale:
            log = self.bus.store.parts.log
            for head in self.bus.store.head():
                log.acknowledge(head.partition, head.position, head.chain)
        return self.bus

    def home_path(self) -> Path:
        """Return the data directory, which need not exist."""
        return locate(self.settings.home)

    def close(self) -> None:
        """Close the connections and leave the embedded store."""
        if "bus" in self.__dict__:
            self.bus.close()


def cli_of(ctx: typer.Context) -> Cli:
    """Return the state that the root command made."""
    found = ctx.obj
    assert isinstance(found, Cli)
    return found


def _want_json(ctx: typer.Context, value: bool) -> bool:
    if value:
        cli_of(ctx).json = True
    return value


JsonOption = Annotated[
    bool, typer.Option("--json", callback=_want_json, help="One JSON document on stdout.")
]
StaleOption = Annotated[
    bool,
    typer.Option("--stale", help="Answer at once, without waiting for projections to catch up."),
]
SessionArgument = Annotated[str, typer.Argument(metavar="SESSION", help="Id of the session.")]
GroupArgument = Annotated[str, typer.Argument(metavar="GROUP", help="The consumer group.")]
LimitOption = Annotated[int, typer.Option("--limit", "-n", min=0, help="Most rows to return.")]
