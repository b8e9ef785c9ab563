"""`eventstore artifact tail`: the end of the log, and what comes after it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.text import Text

from consumers.cli import output
from consumers.cli.context import JsonOption, LimitOption, cli_of
from eventstore.header_view import header_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eventstore.codec import Recorded
    from eventstore.store import EventStore

_PAGE: Final = 500
_WAIT_MS: Final = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events are shown; None asks nothing."""

    session: str | None
    type_: str | None
    agent: str | None

    def __call__(self, recorded: Recorded) -> bool:
        event = recorded.event
        type_ = getattr(event, "type", event.kind)
        asked = (
            (self.session, event.session_id),
            (self.type_, type_),
            (self.agent, event.agent_id),
        )
        return all(wanted in (None, found) for wanted, found in asked)


def tail_artifacts(
    ctx: typer.Context,
    session: Annotated[
        str | None, typer.Argument(metavar="[SESSION]", help="Of this session only.")
    ] = None,
    type_: Annotated[str | None, typer.Option("--type", help="Of this type or kind.")] = None,
    agent: Annotated[str | None, typer.Option("--agent", help="Of this agent.")] = None,
    limit: LimitOption = 10,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what is appended, until Ctrl-C.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Show the last events of the log, of any kind, oldest first.

    With --json the headers are one document; with --follow --json, one document a line.
    """
    wanted = Wanted(session, type_, agent)
    store = cli_of(ctx).bus.store
    ends = {head.partition: head.position for head in store.head()}
    if session is None:
        last = last_events(store, wanted, ends, limit)
    else:
        last = last_of_session(store, session, wanted, limit)
    if json and not follow:
        output.document([header_of(recorded) for recorded in last])
        return
    for recorded in last:
        _print(recorded, json=json)
    if follow:
        for recorded in events_after(store, ends):
            if wanted(recorded):
                _print(recorded, json=json)


def last_events(
    store: EventStore, wanted: Wanted, ends: dict[int, int], limit: int
) -> list[Recorded]:
    """Return the last events up to the ends of the partitions, oldest first."""
    found: list[Recorded] = []
    for partition, end in ends.items():
        here: list[Recorded] = []
        while end > 0 and len(here) < limit:
            start = max(0, end - _PAGE)
            page = store.read_all(partition, after=start, limit=end - start)
            here = [recorded for recorded in page if wanted(recorded)] + here
            end = start
        found += here
    found.sort(key=lambda recorded: (recorded.appended_at, recorded.position))
    return found[len(found) - limit :] if limit < len(found) else found


def last_of_session(store: EventStore, session: str, wanted: Wanted, limit: int) -> list[Recorded]:
    """Return the last events of a session, oldest first."""
    unfiltered = wanted == Wanted(session, None, None)
    newest = store.read(session, backwards=True, limit=limit if unfiltered else None)
    return [recorded for recorded in newest if wanted(recorded)][:limit][::-1]


def events_after(store: EventStore, ends: dict[int, int]) -> Iterator[Recorded]:
    """Yield what is appended after the ends of the partitions, for ever."""
    reached = dict(ends)
    log = store.parts.log
    # One blocking read a partition, one after the other; together they take a second.
    wait_ms = max(1, _WAIT_MS // len(log.partitions))
    while True:
        for keys in log.partitions:
            after = reached.get(keys.partition, 0)
            step = partial(log.reader.upcoming, keys, after, _PAGE, wait_ms)
            for recorded in store.reading(step):
                reached[keys.partition] = recorded.position
                yield recorded


def _print(recorded: Recorded, *, json: bool) -> None:
    if json:
        output.line(header_of(recorded))
        return
    event = recorded.event
    output.show(
        Text.assemble(
            (f"{recorded.position:>8}  ", "dim"),
            f"{event.ts}  ",
            (f"{output.printable(getattr(event, 'type', event.kind)):<12} ", "yellow"),
            (f"{output.printable(event.agent_id)}  ", "cyan"),
            output.printable(f"{event.session_id} {event.branch_id}")
            + f":{recorded.index}  {event.ref}",
        )
    )
