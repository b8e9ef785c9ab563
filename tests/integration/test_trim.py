"""After a trim everything is as before: read models, exports, numbers, and whoever comes later."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.checker import Store, check_store
from support.consuming import (
    COUNTING,
    assert_each_once,
    publish,
    running,
    until_caught_up,
)
from support.rebuilding import rebuild
from support.server import short_dir
from support.stores import make_settings
from support.stories import tell
from support.tau_data import EIGHT_RUNS
from support.terminal import Terminal
from support.trimming import all_groups, keep, left, put_groups, trim, write_journal

from consumers.checking.catching_up import wait_until_caught_up
from consumers.checking.log_verify import verify_log
from consumers.checking.verifying import verify_projection
from consumers.importing.load import Loading, check_files
from consumers.working.groups import known_groups
from eventstore.bus import EventBus
from eventstore.settings_storage import PayloadSettings
from eventstore.store import EventStore
from projections.registry import PROJECTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import redis
    from support.server import PrivateServer

    from eventstore.settings import AppSettings

# Each in a partition of its own.
SESSIONS = ("a", "d")
PARTITIONS = 2


class Site:
    """A store of two partitions, its events consumed by every group and then trimmed."""

    def __init__(self, settings: AppSettings, root: Path) -> None:
        self.settings = settings
        self.root = root
        self.store = EventStore(settings)

    def consume(self) -> None:
        """Let every group pass what there is."""
        with running(self.settings, known_groups()):
            wait_until_caught_up(self.store, known_groups())

    def trim(self, events: int = 1) -> int:
        """Trim both partitions down to so many events; return how many went."""
        return sum(
            trim(self.store, keep(events), partition=partition).events
            for partition in range(PARTITIONS)
        )

    def digests(self) -> dict[tuple[str, int], str]:
        """Return the digest of every read model, each compared with the server's."""
        log = self.store.parts.log
        found = {}
        for partition in range(PARTITIONS):
            for each in PROJECTIONS:
                verified = self.store.reading(
                    lambda p=partition, e=each: verify_projection(log, p, e)  # type: ignore[misc]
                )
                assert verified.is_equal, verified.differences
                found[each.name, partition] = verified.digest
        return found

    def problems(self, client: redis.Redis) -> list[str]:
        """Return what the independent check of the whole store says."""
        namespace = self.settings.store.namespace
        return check_store(Store(client, namespace, PARTITIONS, self.root))


@pytest.fixture
def site(server: PrivateServer, namespace: str) -> Iterator[Site]:
    root = short_dir()
    settings = make_settings(server, namespace, PARTITIONS).model_copy(
        update={"payloads": PayloadSettings(url=str(root))}
    )
    site = Site(settings, root)
    try:
        for session in SESSIONS:
            tell(site.store, session)
        site.consume()
        yield site
    finally:
        site.store.close()


def test_read_models_are_verified_and_rebuilt_to_the_same_digests(
    site: Site, redis_client: redis.Redis
) -> None:
    before = site.digests()
    events = sum(head.position for head in site.store.head())
    assert site.trim() == events - PARTITIONS
    assert site.digests() == before
    for projection in PROJECTIONS:
        rebuilt = rebuild(site.settings, projection)
        assert all(each.verified.is_equal for each in rebuilt)
        assert [each.verified.digest for each in rebuilt] == [
            before[projection.name, partition] for partition in range(PARTITIONS)
        ]
    assert site.problems(redis_client) == []


def test_log_verify_walks_journal_and_stream(site: Site) -> None:
    log = site.store.parts.log

    def verified() -> list[Any]:
        return [
            site.store.reading(lambda p=p: verify_log(log, p))  # type: ignore[misc]
            for p in range(PARTITIONS)
        ]

    before = verified()
    site.trim()
    assert verified() == before


def test_histories_searches_and_payloads_are_as_before(site: Site) -> None:
    bus = EventBus(site.store)

    def seen() -> list[Any]:
        return [
            *(bus.history(session) for session in SESSIONS),
            *(bus.search(session, limit=100) for session in SESSIONS),
            *(bus.as_of(session, seq=seq) for session in SESSIONS for seq in range(0, 14, 3)),
        ]

    before = seen()
    events = {session: site.store.read(session) for session in SESSIONS}
    gets = {ref: bus.get(ref) for ref in _refs_of_artifacts(events)}
    site.trim()
    assert seen() == before
    assert {session: site.store.read(session) for session in SESSIONS} == events
    assert {ref: bus.get(ref) for ref in gets} == gets


def _refs_of_artifacts(events: dict[str, list[Any]]) -> list[str]:
    found = [each for of_session in events.values() for each in of_session]
    return [each.event.ref for each in found if each.event.kind == "artifact.published"]


def test_a_group_that_begins_afterwards_gets_every_event_once(
    server: PrivateServer, namespace: str, redis_client: redis.Redis
) -> None:
    settings = make_settings(server, namespace)
    with EventStore(settings) as store:
        refs = publish(store, "s", 1200)
        write_journal(store, [500, 700, 1200])
        put_groups(redis_client, store, all_groups(1200))
        assert trim(store, keep(50)).events == 1150
        with running(settings, COUNTING):
            until_caught_up(store)
            refs += publish(store, "s", 30)
            until_caught_up(store)
        assert_each_once(store, "s", refs)


def test_decisions_and_appends_go_on(site: Site, redis_client: redis.Redis) -> None:
    site.trim()
    bus = EventBus(site.store)
    with bus.bind(session_id="a", agent_id="planner"):
        child = bus.fork("a", at=1, name="afterwards")
        row = bus.publish({"type": "state", "branch_id": child}, "later")
    assert row.step_idx == 2
    site.consume()
    assert site.problems(redis_client) == []
    assert site.trim() == 2
    assert [payload for _, payload in bus.history("a", "afterwards")][-1] == "later"
    assert site.problems(redis_client) == []


def test_exports_and_numbers_are_as_before_and_importing_again_adds_nothing(
    server: PrivateServer, namespace: str, redis_client: redis.Redis
) -> None:
    terminal = Terminal(server, namespace)
    with EventStore(terminal.settings) as store:
        runs = check_files([EIGHT_RUNS], compress_above=2048)
        Loading(store).load_runs(runs, files=1)
        with running(terminal.settings, known_groups()):
            wait_until_caught_up(store, known_groups())
        exported = json.loads(terminal.run("export", "--all").stdout)
        numbers = terminal.json("eval", "aggregate")
        log = store.read_all(0)
        assert trim(store, keep(1)).events == len(log) - 1
        assert left(redis_client, store.parts.log.partitions[0]) == ([len(log)], [len(log)])
        assert json.loads(terminal.run("export", "--all").stdout) == exported
        assert terminal.json("eval", "aggregate") == numbers
        again = Loading(store)
        again.load_runs(runs, files=1)
        assert (again.loaded.added, again.loaded.known) == (0, len(log))
        assert store.read_all(0) == log
