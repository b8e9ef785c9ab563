"""Appends, groups, a journal and trims in any order: the log reads as if nothing were trimmed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from support.artifacts import artifact
from support.stores import open_store
from support.trimming import GROUPS, all_groups, keep, left, put_groups, trim, write_journal

from consumers.trimming.trim import Trimmer
from eventstore.errors import ArtifactNotFound, RefConflict, RefOverlap
from eventstore.journal import Journal
from eventstore.refs import derived_ref

if TYPE_CHECKING:
    import redis
    from support.server import PrivateServer

    from eventstore.drafts import Draft
    from eventstore.store import EventStore

SESSIONS: Final = ("s", "s:log", "é")


class TrimMachine(RuleBasedStateMachine):
    """A store of one partition, and what it must read like."""

    store: EventStore
    client: redis.Redis

    def __init__(self) -> None:
        super().__init__()
        self.events: list[tuple[str, Draft]] = []
        self.groups = all_groups(0)
        self.journalled = 0
        self.trimmed = 0

    def _end(self) -> int:
        return len(self.events)

    @initialize(counts=st.lists(st.integers(1, 4), min_size=3, max_size=6))
    def begin(self, counts: list[int]) -> None:
        for number, count in enumerate(counts):
            self.append(SESSIONS[number % len(SESSIONS)], count, derived=number % 2 == 0)

    @rule(session=st.sampled_from(SESSIONS), count=st.integers(1, 6), derived=st.booleans())
    def append(self, session: str, count: int, derived: bool) -> None:
        refs = [{"ref": derived_ref(f"{self._end() + n}")} if derived else {} for n in range(count)]
        items = [artifact(session, n, **refs[n]) for n in range(count)]
        rows = self.store.append(session, items)
        assert [row.position for row in rows] == [self._end() + n for n in range(1, count + 1)]
        self.events += [(session, item) for item in items]

    @rule(data=st.data(), fresh=st.integers(0, 2), expecting=st.booleans())
    def append_again(self, data: st.DataObject, fresh: int, expecting: bool) -> None:
        """Send known events again, trimmed or not, with new ones among them or not."""
        if not self.events:
            return
        session = data.draw(st.sampled_from([owner for owner, _ in self.events]))
        held = {n: item for n, (owner, item) in enumerate(self.events, 1) if owner == session}
        chosen = data.draw(st.lists(st.sampled_from(sorted(held)), min_size=1, max_size=4))
        known = {held[position].event.ref: position for position in chosen}
        new = [artifact(session, n) for n in range(fresh)]
        items = data.draw(st.permutations([held[p] for p in sorted(known.values())] + new))
        expect = {"branch:main": 99} if expecting else {}
        if new and expecting:
            with pytest.raises(RefOverlap):
                self.store.append(session, items, expect=expect)
            return
        rows = self.store.append(session, items, expect=expect)
        added = [item for item in items if item.event.ref not in known]
        known |= {item.event.ref: self._end() + n for n, item in enumerate(added, 1)}
        self.events += [(session, item) for item in added]
        assert [(row.ref, row.position) for row in rows] == [
            (item.event.ref, known[item.event.ref]) for item in items
        ]
        recorded = {each.event.ref: each for each in self.store.read(session)}
        assert all(
            (row.seq, row.step_idx) == (recorded[row.ref].seq, recorded[row.ref].index)
            for row in rows
        )

    @rule(data=st.data())
    def append_changed(self, data: st.DataObject) -> None:
        """Other content under a known ref is refused, trimmed or not, in whatever session."""
        if not self.events:
            return
        _, item = data.draw(st.sampled_from(self.events))
        session = data.draw(st.sampled_from(SESSIONS))
        with pytest.raises(RefConflict):
            self.store.append(session, [artifact(session, "changed", ref=item.event.ref)])

    @rule(data=st.data(), name=st.sampled_from([*GROUPS, "subscriber"]))
    def move_a_group(self, data: st.DataObject, name: str) -> None:
        """A group gets on, or is put back to where it was once."""
        position = data.draw(st.one_of(st.just(self._end()), st.integers(0, self._end())))
        # The checkpoint of an event that was trimmed has a chain that nobody looks at here.
        self.groups[name] = position
        put_groups(self.client, self.store, {name: position})

    def move_all_groups(self) -> None:
        self.groups = dict.fromkeys(self.groups, self._end())
        put_groups(self.client, self.store, self.groups)

    @rule(data=st.data())
    def write_journal(self, data: st.DataObject) -> None:
        if self.journalled < self._end():
            upto = data.draw(st.integers(self.journalled + 1, self._end()))
            write_journal(self.store, [upto])
            self.journalled = upto

    @rule(events=st.integers(1, 4), ready=st.sampled_from([True, True, False]))
    def trim(self, events: int, ready: bool) -> None:
        """Trim as far as may be; if all are ready for it, what the rule lets go."""
        if ready:
            self.move_all_groups()
            write_journal(self.store, [self._end()])
            self.journalled = self._end()
        limits = (self._end() - events, self.journalled - 1, *self.groups.values())
        expected = max(self.trimmed, min(limits))
        assert trim(self.store, keep(events)).events == expected - self.trimmed
        self.trimmed = expected

    @rule(data=st.data())
    def read_a_part(self, data: st.DataObject) -> None:
        session = data.draw(st.sampled_from(SESSIONS))
        first = data.draw(st.integers(0, 6))
        to = data.draw(st.one_of(st.none(), st.integers(0, 9)))
        backwards = data.draw(st.booleans())
        limit = data.draw(st.one_of(st.none(), st.integers(0, 4)))
        own = [item.event for owner, item in self.events if owner == session]
        wanted = own[first:to]
        if backwards:
            wanted.reverse()
        found = self.store.read(
            session, from_seq=first, to_seq=to, backwards=backwards, limit=limit
        )
        assert [each.event for each in found] == wanted[:limit]
        after = data.draw(st.integers(0, self._end()))
        log = self.store.read_all(0, after=after, limit=limit)
        assert [each.event for each in log] == [i.event for _, i in self.events[after:]][:limit]

    @rule(data=st.data())
    def get(self, data: st.DataObject) -> None:
        with pytest.raises(ArtifactNotFound):
            self.store.get(derived_ref("never appended"))
        if self.events:
            _, item = data.draw(st.sampled_from(self.events))
            assert self.store.get(item.event.ref).event == item.event

    @precondition(lambda self: self.trimmed)
    @rule()
    def forget_the_index(self) -> None:
        """What the index lacks is written again by the next trim."""
        store = self.store.open().uuid
        files = self.store.parts.payloads.files
        for file in list(files.files(f"index/{store}")):
            files.delete(file.path)
        log = self.store.parts.log
        trimmer = Trimmer(log, self.store.parts.payloads, keep(events=1), GROUPS)
        self.store.reading(lambda: trimmer.complete(log.partitions[0]))

    @invariant()
    def the_log_is_whole(self) -> None:
        log = self.store.read_all(0)
        assert [(n.position, n.event) for n in log] == [
            (n, item.event) for n, (_, item) in enumerate(self.events, 1)
        ]
        kept = list(range(self.trimmed + 1, self._end() + 1))
        assert left(self.client, self.store.parts.log.partitions[0]) == (kept, kept)
        journal = Journal(self.store.parts.payloads, self.store.open().uuid)
        assert self.trimmed < max(journal.end(0).position, 1)

    def teardown(self) -> None:
        self.store.close()


def test_the_log_reads_as_if_nothing_were_trimmed(
    server: PrivateServer, redis_client: redis.Redis
) -> None:
    class OnServer(TrimMachine):
        def __init__(self) -> None:
            super().__init__()
            self.client = redis_client
            self.store = open_store(server, f"m{uuid4().hex}")

    run_state_machine_as_test(
        OnServer, settings=settings(max_examples=30, stateful_step_count=25, deadline=None)
    )
