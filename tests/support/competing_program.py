"""Processes that compete for work, each forked on demand; as `subscriber_program.py`.

`every` of an order is how many pieces a child has in hand. What it does with a piece is counted in
Redis before it says that it is done; whatever comes of that is in the order's file. Artifacts of
type `poison` cannot be handled.
"""

from __future__ import annotations

import random
import signal
import sys
import time
from typing import TYPE_CHECKING

from support.subscriber_program import Book, Order, main

from eventstore import EventBus, EventStore

if TYPE_CHECKING:
    from eventstore import WorkItem
    from eventstore.settings import AppSettings


def effects_key(namespace: str) -> str:
    """Return the key of the hash that counts how often each event was worked on."""
    return f"{namespace}-effects"


def compete(settings: AppSettings, order: Order) -> None:
    """Work until SIGTERM."""
    book, chance = Book(order.file), random.Random()
    with EventBus(EventStore(settings)) as bus:
        competing = bus.compete(group=order.group, in_flight=order.every)

        def handle(item: WorkItem) -> None:
            book.write("given", item)
            if item.header["type"] == "poison":
                raise ValueError("nobody can handle this")
            # As slow as work may be: somebody is killed in the middle of it.
            time.sleep(chance.uniform(0.0, 0.03))
            bus.redis.hincrby(effects_key(settings.store.namespace), item.ref, 1)
            book.write("kept" if item.ack() else "lost", item)

        handler = competing(handle)
        signal.signal(signal.SIGTERM, lambda *_: handler.stop())
        handler.run()


if __name__ == "__main__":
    main(sys.argv[1], compete)
