"""A name is one group's: a projection's or a program's, whoever comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.consuming import (
    Counting,
    counting_group,
    counting_groups,
    publish,
    running,
    until_caught_up,
)
from support.monitored import monitored
from support.rebuilding import rebuild
from support.subscribing import positions, take
from support.terminal import Terminal
from support.wait import until

from eventstore.errors import GroupRefused
from eventstore.settings_models import MetricsSettings
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import redis
    from support.server import PrivateServer

    from eventstore.settings import AppSettings

# Each in a partition of its own.
SESSIONS = ("a", "d")
GROUPS = {**counting_groups("mailer"), "counting": counting_group}


@pytest.fixture
def terminal(server: PrivateServer, namespace: str) -> Terminal:
    return Terminal(server, namespace, 2, lease_seconds=0.3)


@pytest.fixture
def settings(terminal: Terminal) -> AppSettings:
    return terminal.settings.model_copy(update={"metrics": MetricsSettings(port=0)})


@pytest.fixture
def store(settings: AppSettings) -> Iterator[EventStore]:
    """A store of two partitions with five events each."""
    with EventStore(settings) as opened:
        opened.open()
        for session in SESSIONS:
            publish(opened, session, 5)
        yield opened


def checkpoints(client: redis.Redis, store: EventStore) -> list[object]:
    return [client.hgetall(keys.checkpoints) for keys in store.parts.log.partitions]


def test_a_projection_named_like_a_subscriber_is_refused_and_the_others_work(
    terminal: Terminal,
    settings: AppSettings,
    store: EventStore,
    redis_client: redis.Redis,
    tmp_path: Path,
) -> None:
    with store.subscribe(group="mailer") as events:
        take(events, 4)
        events.commit()
    before = positions(store, "mailer")
    keys = store.parts.log.partitions
    with monitored(settings, tmp_path / "metrics", GROUPS) as served:
        for partition in (0, 1):
            found = served.until_found(f"mailer/{partition}")
            assert "GroupRefused: group 'mailer': a program's group has this" in found["problem"]
            assert "rename the projection" in found["problem"]
        until_caught_up(store, "counting")
        assert positions(store, "mailer") == before
        assert redis_client.exists(*(each.lease("mailer") for each in keys)) == 0
        with store.subscribe(group="mailer") as events:
            assert len(take(events, 6)) == 6
            events.commit()
        # Once the name is free, the projection takes it.
        terminal.run("group", "delete", "mailer", "--yes")
        until_caught_up(store, "mailer")
        until(lambda: served.finding("mailer/0") is None, what="a slot that gets on")


@pytest.mark.parametrize("ask", ["subscribe", "compete"])
def test_a_program_that_wants_a_projections_name_is_refused(
    settings: AppSettings, store: EventStore, redis_client: redis.Redis, ask: str
) -> None:
    with running(settings, GROUPS):
        until_caught_up(store, "mailer")
    before = checkpoints(redis_client, store)
    with pytest.raises(GroupRefused, match="another kind of group has this name"):
        next(iter(getattr(store, ask)(group="mailer")))
    assert checkpoints(redis_client, store) == before


def test_a_rebuild_of_a_programs_group_is_refused(
    settings: AppSettings, store: EventStore, redis_client: redis.Redis
) -> None:
    with store.subscribe(group="mailer") as events:
        take(events, 1)
    before = checkpoints(redis_client, store)
    with pytest.raises(GroupRefused, match="a program's group has this name"):
        rebuild(settings, Counting("mailer"))
    assert checkpoints(redis_client, store) == before
