"""Writes of a handler count each event exactly once, whatever is killed, frozen or not answered.

Slow because the moments that matter (between a script and its reply, between two commits) are
met only by many kills at random ones.
"""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import pytest
from support.consuming import publish
from support.proxy import LossyProxy
from support.stores import make_settings, open_store
from support.subscriber_process import Nursery
from support.subscribing import positions
from support.wait import until

if TYPE_CHECKING:
    from pathlib import Path

    import redis
    from support.server import PrivateServer

    from eventstore.store import EventStore

GROUP: Final = "totals"
PARTITIONS: Final = 4
MEMBERS: Final = 3
KILLS: Final = 30
LOST: Final = 15


def counts(store: EventStore, client: redis.Redis) -> Counter[str]:
    """Return how often each event was counted, over all partitions."""
    found: Counter[str] = Counter()
    for keys in store.parts.log.partitions:
        key = keys.subscriber(GROUP).of("counts")
        pairs: Any = client.hgetall(key)
        found.update({ref.decode(): int(n) for ref, n in pairs.items()})
    return found


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(2))
def test_each_event_is_counted_once(
    server: PrivateServer, namespace: str, tmp_path: Path, redis_client: redis.Redis, seed: int
) -> None:
    chance = random.Random(seed)
    settings = make_settings(server, namespace, PARTITIONS, lease_seconds=0.2)
    log = tmp_path / "members.log"
    with (
        open_store(server, namespace, PARTITIONS) as store,
        LossyProxy(server.socket_path) as proxy,
        Nursery(proxy.settings(settings), log) as nursery,
    ):
        refs: list[str] = []
        members = [nursery.start(GROUP, log, every=0) for _ in range(MEMBERS)]
        kills = armed = 0
        while kills < KILLS or proxy.lost < LOST:
            refs += publish(store, f"s{chance.randrange(12)}", chance.randint(1, 30))
            if proxy.lost == armed:
                proxy.lose_reply("apply", chance.randint(1, 10))
                armed += 1
            time.sleep(chance.uniform(0.0, 0.15))
            number = chance.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM))
            nursery.end(members.pop(chance.randrange(MEMBERS)), number)
            members.append(nursery.start(GROUP, log, every=0))
            kills += number is signal.SIGKILL
        heads = [head.position for head in store.head()]
        until(lambda: positions(store, GROUP) == heads, what="the head")
        assert counts(store, redis_client) == Counter(refs)
