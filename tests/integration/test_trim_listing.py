"""What a trimmer knows of the journal's files from before, and what it reads all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.trim_site import COUNT, Site
from support.trimming import GROUPS, keep, left, put_groups, write_journal

from consumers.trimming.trim import Trimmer
from eventstore.errors import Diverged, JournalDamaged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import redis
    from support.server import PrivateServer


@pytest.fixture
def site(server: PrivateServer, namespace: str, tmp_path: Path) -> Iterator[Site]:
    site = Site(server, namespace, tmp_path / "root")
    yield site
    site.store.close()


def test_an_earlier_listing_serves_until_it_is_used_up(
    site: Site, redis_client: redis.Redis
) -> None:
    site.fill(redis_client, [10, 20])
    log = site.store.parts.log
    trimmer = Trimmer(log, site.store.parts.payloads, keep(1), GROUPS)

    def step() -> int:
        return site.store.reading(lambda: trimmer.trim(site.keys, most=1, least=1)).events

    put_groups(redis_client, site.store, {"slow": 5})
    assert step() == 5
    # Whoever lists the journal from now on finds two histories in it.
    name = f"{1:020d}-{20:020d}-{'0' * 16}.ndjson.gz"
    foreign = site.folder("journal") / name
    foreign.write_bytes(b"")
    put_groups(redis_client, site.store, {"slow": 15})
    assert step() == 10
    put_groups(redis_client, site.store, {"slow": 25})
    with pytest.raises(Diverged, match="position 20"):
        step()
    foreign.unlink()
    assert step() == 4
    write_journal(site.store, [COUNT])
    assert step() == 6


def test_what_an_earlier_listing_names_is_read_from_storage_all_the_same(
    site: Site, redis_client: redis.Redis
) -> None:
    site.fill(redis_client, [20, COUNT])
    log = site.store.parts.log
    trimmer = Trimmer(log, site.store.parts.payloads, keep(1), GROUPS)
    put_groups(redis_client, site.store, {"slow": 5})
    assert site.store.reading(lambda: trimmer.trim(site.keys)).events == 5
    put_groups(redis_client, site.store, {"slow": 15})
    site.segment(1).unlink()
    with pytest.raises(JournalDamaged, match="position 6"):
        site.store.reading(lambda: trimmer.trim(site.keys))
    assert left(redis_client, site.keys)[0] == list(range(6, COUNT + 1))
