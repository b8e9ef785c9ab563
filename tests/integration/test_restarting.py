"""Groups that consumed events which are in no log any more begin anew, and end up right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.consuming import at
from support.losing import SESSIONS, Site

from consumers.working.groups import known_groups
from eventstore.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.server import PrivateServer


@pytest.fixture
def site(private_server: Callable[..., PrivateServer], namespace: str, tmp_path: Path) -> Site:
    site = Site(private_server, namespace, tmp_path)
    site.tell(*SESSIONS)
    site.consume()
    return site


def put_elsewhere(site: Site, wrong: str) -> None:
    """Let every group have consumed another history."""
    with site.server.client() as client:
        for partition in (0, 1):
            keys = Keys(site.settings.store.namespace, partition)
            for group in known_groups():
                client.hset(keys.checkpoints, group, wrong)


@pytest.mark.parametrize("wrong", ["1:5:ffffffffffffffff", "1:5000:ffffffffffffffff"])
def test_every_group_of_the_store_ends_up_right(site: Site, wrong: str) -> None:
    digests = site.digests()
    put_elsewhere(site, wrong)
    phantom = Keys(site.settings.store.namespace, 0).projection().headers("in no log")
    with site.server.client() as client:
        client.hset(phantom, "ref", "{}")
    site.consume()
    assert site.digests() == digests
    # What stood for the lost events is gone, and no generation waits to be dropped.
    with site.open() as store:
        assert {at(store, "index", p).generation for p in (0, 1)} == {2}
        assert at(store, "payloads").generation == 1
    assert site.problems() == []
