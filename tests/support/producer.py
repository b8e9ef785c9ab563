"""A producer that publishes without end, and goes on where a killed one of its name stopped.

Run as `python producer.py NAME FILE SESSION…`; settings come from the environment. What it does
follows from its name and what it was told so far, refs included. So after a kill its successor
sends the call in hand again, word for word, whether or not it took effect. Every acknowledged
call is one line of the file, written before the next begins.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from support.checker import Acknowledged, Forked

from eventstore.bus import EventBus
from eventstore.errors import BranchExists, Unavailable
from eventstore.refs import derived_ref
from eventstore.settings import settings
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eventstore.commands import Appended

T = TypeVar("T")
LONGEST_PAUSE = 0.03
PATIENCE = 60.0
LARGEST_BATCH = 30
LARGE = 24 * 1024
# Each as often as it stands here; all but the last two need something to refer to.
DEEDS = (
    *("publish",) * 8,
    *("publish_many",) * 3,
    *("large",) * 2,
    *("evaluation",) * 3,
    *("request",) * 2,
    "fork",
    *("branch",) * 3,
)


class Told(NamedTuple):
    """One line of a producer's file: a call, and what it was acknowledged as."""

    deed: str
    events: list[Acknowledged]
    forked: list[Forked]


def read_told(path: Path) -> list[Told]:
    """Return what a producer's file says, but for a last line that a kill cut off."""
    if not path.exists():
        return []
    lines = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return [
        Told(deed, [Acknowledged(*e) for e in events], [Forked(*f) for f in forked])
        for deed, events, forked in map(json.loads, lines)
    ]


class Producer:
    """Makes the calls of a name, in order."""

    def __init__(self, bus: EventBus, name: str, path: Path, sessions: Sequence[str]) -> None:
        self._bus = bus
        self._name = name
        self._path = path
        self._sessions = sessions
        self._number = 0
        self._last: dict[str, Acknowledged] = {}
        self._forks: dict[str, list[str]] = {}
        told = read_told(path)
        for each in told:
            self._remember(each)
        path.write_text("".join(_line(each) for each in told))

    def act(self) -> None:
        """Make the next call and note what it was acknowledged as."""
        chance = random.Random(f"{self._name}.{self._number}")
        session = chance.choice(self._sessions)
        deed = chance.choice(DEEDS) if session in self._last else "publish"
        told = getattr(self, f"_{deed}")(session, chance)
        with self._path.open("a") as file:
            file.write(_line(told))
            file.flush()
            os.fsync(file.fileno())
        self._remember(told)
        time.sleep(chance.uniform(0, LONGEST_PAUSE))

    def _remember(self, told: Told) -> None:
        self._number += 1
        if told.deed in ("publish", "publish_many", "large", "evaluation"):
            self._last |= {event.session_id: event for event in told.events}
        for fork in told.forked:
            self._forks.setdefault(fork.session_id, []).append(fork.branch_id)

    def _publish(self, session: str, chance: random.Random) -> Told:
        payload = self._payload(0, chance.choice((10, 100, 6000)))
        return self._published("publish", [(self._header(session, 0), payload)])

    def _publish_many(self, session: str, chance: random.Random) -> Told:
        """Publish to two sessions in turns; each session's part is all or nothing."""
        both = (session, chance.choice(self._sessions))
        items = [
            (self._header(both[i % 2], i, tags=[f"batch:{self._number}"]), self._payload(i, 50))
            for i in range(chance.randint(2, LARGEST_BATCH))
        ]
        return self._published("publish_many", items)

    def _large(self, session: str, chance: random.Random) -> Told:
        payload = chance.choice((chance, random.Random("shared"))).randbytes(LARGE)
        header = self._header(session, 0)
        return self._published("large", [(header, payload)])

    def _evaluation(self, session: str, chance: random.Random) -> Told:
        header = {**self._header(session, 0), "type": "evaluation"}
        payload = {**self._payload(0, 5), "target": self._last[session].ref, "evaluator": "rule"}
        if chance.random() < 0.8:
            payload["score"] = chance.random()
        return self._published("evaluation", [(header, payload)])

    def _branch(self, session: str, chance: random.Random) -> Told:
        branches = self._forks.get(session, ["main"])
        header = {**self._header(session, 0), "branch_id": chance.choice(branches)}
        return self._published("branch", [(header, self._payload(0, 10))])

    def _request(self, session: str, chance: random.Random) -> Told:
        payload = self._payload(0, chance.choice((10, 5000)))
        row = _persist(
            lambda: self._bus.create_evaluation_for(
                self._last[session].ref,
                evaluator_id="judge",
                payload=payload,
                request_ref=self._ref(0),
            )
        )
        return Told("request", [_acknowledged(session, row, payload)], [])

    def _fork(self, session: str, chance: random.Random) -> Told:
        told = Forked(session, f"{self._name}-{self._number}", "main", self._last[session].step_idx)

        def fork() -> None:
            try:
                self._bus.fork(session, told.at, told.branch_id)
            except BranchExists:
                # Nobody else gives this name: an earlier sending has made the branch.
                return

        _persist(fork)
        return Told("fork", [], [told])

    def _published(self, deed: str, items: list[tuple[dict[str, Any], Any]]) -> Told:
        one = len(items) == 1
        rows = [self._bus.publish(*items[0])] if one else self._bus.publish_many(items)
        events = [
            _acknowledged(header["session_id"], row, payload)
            for row, (header, payload) in zip(rows, items, strict=True)
        ]
        return Told(deed, events, [])

    def _header(self, session: str, item: int, tags: Sequence[str] = ()) -> dict[str, Any]:
        return {
            "ref": self._ref(item),
            "session_id": session,
            "agent_id": self._name,
            "type": "state",
            "meta": {"tags": list(tags)},
        }

    def _payload(self, item: int, words: int) -> dict[str, Any]:
        """Return a payload that no other call has."""
        return {"by": self._name, "call": self._number, "item": item, "text": "word " * words}

    def _ref(self, item: int) -> str:
        return derived_ref(self._name, str(self._number), str(item))


def _acknowledged(session: str, row: Appended, payload: Any) -> Acknowledged:
    raw = payload if isinstance(payload, bytes) else _canonical(payload)
    sha256 = hashlib.sha256(raw).hexdigest()
    return Acknowledged(row.ref, session, row.position, row.seq, row.step_idx, sha256)


def _canonical(payload: Any) -> bytes:
    text = json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def _line(told: Told) -> str:
    return json.dumps(told) + "\n"


def _persist(call: Callable[[], T]) -> T:
    """Make a call that has no retry of its own until the store answers."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return call()
        except Unavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def main(name: str, path: str, sessions: list[str]) -> None:
    """Publish until SIGTERM, then finish the call in hand."""
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    with EventBus(EventStore(settings())) as bus:
        producer = Producer(bus, name, Path(path), sessions)
        while not over.is_set():
            producer.act()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
