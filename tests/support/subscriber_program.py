"""Subscribers in processes of their own, each forked on demand so that it starts at once.

    python subscriber_program.py SETTINGS

SETTINGS is a JSON object of the settings' sections. Every line read is an `Order` in JSON; a child
is forked that carries it out until SIGTERM, and its process id is written. What a child does is
in the order's file, a line each, in the order in which it happened over all children: `given`,
and when the commit's answer is known `kept` or `lost`, each with process id, partition, position
and session. This process opens no connection and starts no thread that a fork would split.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING, NamedTuple

from eventstore import EventStore, Write
from eventstore.settings import AppSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventstore import Delivered, Subscription
    from eventstore.consuming.given import GivenEvent


class Order(NamedTuple):
    """What a child does: it takes `group`'s events, and commits after every `every`-th.

    With `every` 0 it is a handler whose writes count each event, exactly once.
    """

    group: str
    file: str
    every: int


class Book:
    """A file that several processes write lines to, each whole and behind all before it."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write(self, what: str, event: GivenEvent) -> None:
        line = f"{what} {os.getpid()} {event.partition} {event.position} {event.session_id}\n"
        os.write(self._file, line.encode())


def carry_out(settings: AppSettings, order: Order) -> None:
    """Consume until SIGTERM."""
    with EventStore(settings) as store:
        subscription = store.subscribe(group=order.group)
        signal.signal(signal.SIGTERM, lambda *_: subscription.stop())
        if order.every:
            _take(subscription, Book(order.file), order.every)
        else:
            subscription(_count).run()


def _take(subscription: Subscription, book: Book, every: int) -> None:
    held: list[Delivered] = []
    with subscription as events:
        for event in events:
            book.write("given", event)
            held.append(event)
            if len(held) == every:
                _commit(subscription, book, held)
        _commit(subscription, book, held)


def _commit(subscription: Subscription, book: Book, held: list[Delivered]) -> None:
    outcome = "kept" if subscription.commit() else "lost"
    for event in held:
        book.write(outcome, event)
    held.clear()


def _count(event: Delivered) -> list[Write]:
    return [Write("HINCRBY", event.state_key("counts"), (event.ref, 1))]


def main(sections: str, carry_out: Callable[[AppSettings, Order], None] = carry_out) -> None:
    """Carry out orders until there are no more."""
    settings = AppSettings(**json.loads(sections))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            carry_out(settings, Order(*json.loads(line)))
            sys.stdout.flush()
            os._exit(0)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
