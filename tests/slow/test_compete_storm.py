"""Processes that compete are killed in the middle of their work, again and again.

Slow because what a killed process had in its hands is taken over only a second later, and because
the claim is about many kills at many moments.
"""

from __future__ import annotations

import random
import signal
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pytest
from support.competing import NOTHING, left
from support.competing_program import effects_key
from support.consuming import drafts
from support.parking import parked_of, trying
from support.stores import make_settings, open_store
from support.subscriber_process import Nursery
from support.subscribing import positions
from support.wait import until

if TYPE_CHECKING:
    from pathlib import Path

    import redis
    from support.server import PrivateServer

    from eventstore.store import EventStore

PARTITIONS: Final = 3
SESSIONS: Final = 9
EACH: Final = 80
KILLS: Final = 30
MEMBERS: Final = 4
# Each kill may take tries from a few pieces; none of them may use a sound one's up.
TRIES: Final = 15


def fill(store: EventStore) -> tuple[set[str], set[str]]:
    """Append artifacts, every sixteenth poisonous; return the refs of the sound, and of those."""
    sound, poison = set(), set()
    for n in range(SESSIONS):
        session = f"s{n}"
        items = drafts(session, EACH)
        for at in range(0, EACH, 16):
            [items[at]] = drafts(session, 1, type="poison")
            poison.add(items[at].event.ref)
        store.append(session, items)
        sound |= {item.event.ref for item in items} - poison
    return sound, poison


@pytest.mark.timeout(900)
def test_every_piece_is_settled_once_whoever_is_killed_when(
    server: PrivateServer, namespace: str, tmp_path: Path, redis_client: redis.Redis
) -> None:
    settings = make_settings(server, namespace, PARTITIONS, lease_seconds=0.5)
    settings = trying(settings, TRIES, takeover_seconds=1.0)
    chance, book = random.Random(7), tmp_path / "book"
    with (
        open_store(server, namespace, PARTITIONS) as store,
        Nursery(settings, tmp_path / "members.log", "competing_program.py") as nursery,
    ):
        sound, poison = fill(store)
        members = [nursery.start("g", book, 1 + n % 3) for n in range(MEMBERS)]
        for n in range(KILLS):
            goal = _lines(book) + chance.randint(1, 12)
            until(partial(_has_lines, book, goal))
            member = members.pop(chance.randrange(len(members)))
            nursery.end(member, signal.SIGTERM if n % 5 == 4 else signal.SIGKILL)
            members.append(nursery.start("g", book, chance.randint(1, 3)))
            if n == KILLS // 2:
                more = fill(store)
                sound |= more[0]
                poison |= more[1]
        heads = [head.position for head in store.head()]
        until(lambda: positions(store, "g") == heads, 120.0, what="all of the log dispatched")
        parked_all = NOTHING._replace(parked=len(poison))
        until(lambda: left(store, "g") == parked_all, 120.0, what="every piece settled")
        parked = [item for p in range(PARTITIONS) for item in parked_of(store, "g", p)]
    assert {item.ref for item in parked} == poison
    assert len(parked) == len(poison)
    assert {item.attempts for item in parked} <= {TRIES, TRIES - 1}
    effects: Any = redis_client.hgetall(effects_key(namespace))
    counts = {ref.decode(): int(count) for ref, count in effects.items()}
    assert counts.keys() == sound
    settled = Counter(line.split()[0] for line in book.read_text().splitlines())
    kept = Counter(
        tuple(line.split()[2:4])
        for line in book.read_text().splitlines()
        if line.startswith("kept ")
    )
    # Who was killed between the store's answer and the book did not write down what it settled.
    assert max(kept.values()) == 1
    assert len(sound) - 3 * KILLS <= len(kept) <= len(sound)
    # Work is done again only where somebody had it in hand and was killed.
    assert sum(counts.values()) <= len(sound) + 3 * KILLS + settled["lost"]


def _has_lines(book: Path, goal: int) -> bool:
    return _lines(book) >= goal


def _lines(book: Path) -> int:
    return len(book.read_text().splitlines()) if book.exists() else 0
