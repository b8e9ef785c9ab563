"""Retention: what of the log may leave the server, by rule, and who holds it back.

An event may leave the server once neither rule keeps it, every group has passed it, and the
journal holds it. The last event always stays. Pure, but for `look` and `look_behind`: flows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from eventstore import commands
from eventstore.flow import Call, Flow, batch, call
from eventstore.journal_format import field
from eventstore.keys import position_of
from eventstore.parking.reading import checkpoints

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from eventstore.keys import Keys
    from eventstore.settings_models import RetentionSettings

TOLERATED: Final = 1_000
"""Events of a partition that a group may hold back whatever the rule keeps."""
_PROBES: Final = 31


@dataclass(frozen=True)
class Rule:
    """What stays in the server: the last `keep_events`, and what is younger than `keep_ms`.

    Events are kept by either; 1 and 0 keep nothing but the last event. Without a rule (`active`
    is false) all events are kept.
    """

    keep_events: int
    keep_ms: int
    active: bool

    @classmethod
    def of(cls, settings: RetentionSettings) -> Rule:
        """Return the rule that the settings make."""
        seconds = settings.keep_seconds
        return cls(
            keep_events=settings.keep_events or 1,
            keep_ms=0 if seconds is None else int(seconds * 1000),
            active=settings.keep_events is not None or seconds is not None,
        )


@dataclass(frozen=True)
class Standing:
    """A partition as retention sees it.

    The server holds the positions from `first` to `head`. The rule keeps what lies behind `due`;
    `groups` are the positions of all that hold events back, at most `head`.
    """

    partition: int
    first: int
    head: int
    due: int
    groups: Mapping[str, int]

    @property
    def passed(self) -> int:
        """The position that every group has passed."""
        return min(self.groups.values(), default=self.head)

    @property
    def waiting(self) -> int:
        """How many events the server holds that the rule does not keep."""
        return max(0, self.due - self.first + 1)

    @property
    def bound(self) -> int:
        """How many events a group may hold back: as many as the rule keeps, at least `TOLERATED`.

        One that holds back more has the server hold twice what it was asked to, or more.
        """
        return max(TOLERATED, self.head - self.due)

    def held_by(self, group: str) -> int:
        """Return how many of those a group has not passed."""
        return max(0, self.due - max(self.groups[group], self.first - 1))

    @property
    def holders(self) -> dict[str, int]:
        """How many of those each group has not passed, the most first; none that holds nothing."""
        found = {group: self.held_by(group) for group in self.groups}
        order = sorted(found, key=lambda group: (-found[group], group))
        return {group: found[group] for group in order if found[group]}


def look(keys: Keys, rule: Rule, groups: Iterable[str]) -> Flow[Standing]:
    """Return where a partition stands; `groups` hold events back also before they began.

    A rebuild in progress reads the journal and holds nothing back. Ages are by the server's
    clock, which is taken to rise from event to event.
    """
    standing, now = yield from _by_number(keys, rule, groups)
    return (yield from _by_age(keys, rule, standing, standing.first, now))


def look_behind(keys: Keys, rule: Rule, groups: Iterable[str]) -> Flow[Standing]:
    """Return where a partition stands as far as groups hold events back, for frequent looks.

    As `look` does where one does; where none does, `due` says no more than that, and at most one
    event was read for it.
    """
    standing, now = yield from _by_number(keys, rule, groups)
    after = max(standing.first, standing.passed + 1)
    if not rule.keep_ms or after > standing.due:
        return standing
    page = yield from call(commands.entries(keys, after, after, 1))
    if page and not is_older(page[0], now - rule.keep_ms):
        return replace(standing, due=after - 1)
    return (yield from _by_age(keys, rule, standing, after, now))


def _by_number(keys: Keys, rule: Rule, groups: Iterable[str]) -> Flow[tuple[Standing, int]]:
    """Return where a partition stands if ages did not count, and the server's time."""
    calls: list[Call[Any]] = [
        checkpoints(keys),
        commands.first_entry(keys),
        commands.head(keys),
        commands.server_time(),
    ]
    reached, entry, head, now = yield from batch(calls)
    last = 0 if head is None else head.position
    first = last + 1 if entry is None else position_of(entry[0])
    held = dict.fromkeys(groups, 0) | {
        # What is ahead of the log comes from another history, and says nothing of this one.
        name: at.position if at.position <= last else 0
        for name, at in reached.items()
    }
    due = max(first - 1, last - rule.keep_events) if rule.active else first - 1
    return Standing(keys.partition, first, last, due, held), now


def _by_age(keys: Keys, rule: Rule, standing: Standing, first: int, now: int) -> Flow[Standing]:
    """Return a standing with the ages of the events from a position on taken into account."""
    if not rule.keep_ms or standing.due < first:
        return standing
    due = yield from _older(keys, first, standing.due, now - rule.keep_ms)
    return replace(standing, due=due)


def is_older(entry: Any, than_ms: int) -> bool:
    """Return whether a raw entry was appended at or before a moment of the server's clock."""
    return int(field(entry, "at")) <= than_ms


def _older(keys: Keys, first: int, last: int, than_ms: int) -> Flow[int]:
    """Return the last position of a range whose entry is older, the one before it for none."""
    # Everything up to `old` is older, nothing behind `last` is.
    old = first - 1
    while old < last:
        step = max(1, (last - old) // (_PROBES + 1))
        probes = [*list(range(old + step, last, step))[:_PROBES], last]
        steps = [commands.entries(keys, position, position, 1) for position in probes]
        found = yield from batch(steps)
        for position, page in zip(probes, found, strict=True):
            # One that is gone was trimmed meanwhile, and so was older.
            if page and not is_older(page[0], than_ms):
                last = position - 1
                break
            old = position
    return old
