"""A storm: producers, workers and their server, killed at random moments and started again."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import redis
from support import producer
from support.checker import Store
from support.checker_log import prefix_of
from support.server import PrivateServer
from support.wait import until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from support.producer import Told

TESTS = Path(__file__).parents[1]
SESSIONS = ("plain", "a:b{c}%", "Ünïcode/../x", "n" * 300, "five", "six")
PROJECTIONS = ("index", "timeline", "branch", "evaluation")
PAYLOADS = "payloads"
# What writes files.
FILING = (PAYLOADS, "journal")
NAMESPACE = "storm"
PRODUCERS = 3
# What each round kills one of, in a random order.
VICTIMS = ("producer", "worker", PAYLOADS, "server")
LONGEST_CALM = 0.6
PATIENCE = 60.0
_AWAY = (redis.ConnectionError, redis.TimeoutError, redis.exceptions.BusyLoadingError)


class Actor:
    """A program that is started, killed and started again; it never ends by itself."""

    def __init__(self, name: str, command: Sequence[str], directory: Path) -> None:
        self.name = name
        self.errors = directory / f"{name}.stderr"
        self._command = command
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, environment: dict[str, str]) -> None:
        """Start the program."""
        with self.errors.open("ab") as errors:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )

    def check(self) -> None:
        """Fail if it has ended by itself."""
        assert self._process is not None
        assert self._process.poll() is None, self.last_words()

    def kill(self) -> None:
        """End it with SIGKILL; fail if it had ended before."""
        assert self._end(signal.SIGKILL) == -signal.SIGKILL, self.last_words()

    def stop(self) -> None:
        """Ask it to end; fail unless it does, with exit code 0."""
        assert self._end(signal.SIGTERM) == 0, self.last_words()

    def discard(self) -> None:
        """End it however it is."""
        if self._process is not None:
            self._end(signal.SIGKILL)

    def last_words(self) -> str:
        """Return the end of what it wrote to standard error."""
        return f"{self.name}: {self.errors.read_text()[-3000:]}"

    def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        process, self._process = self._process, None
        process.send_signal(number)
        try:
            return process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


class Storm:
    """Everything that runs in a storm over one store; `directory` holds all its files.

    The server syncs every append, and is always started on the data it left.
    """

    def __init__(self, directory: Path, partitions: int, seed: int) -> None:
        self.server = PrivateServer(directory, "--appendonly", "yes", "--appendfsync", "always")
        self.payload_root = directory / "payload-store"
        self.partitions = partitions
        self._chance = random.Random(seed)
        self._producers = [f"producer-{seed}-{number}" for number in range(PRODUCERS)]
        self._files = {name: directory / f"{name}.told" for name in self._producers}
        commands = {
            **{name: _producer(name, file) for name, file in self._files.items()},
            "worker": _worker(*PROJECTIONS),
            PAYLOADS: _worker(*FILING),
        }
        self._actors = {name: Actor(name, command, directory) for name, command in commands.items()}
        self._environment = _environment(directory, self.server.url, partitions, self.payload_root)
        self._marks: dict[str, list[int]] = {}
        self.kills: Counter[str] = Counter()

    def __enter__(self) -> Storm:
        self.server.start()
        for actor in self._actors.values():
            actor.start(self._environment)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for actor in self._actors.values():
            actor.discard()
        self.server.close()

    def rage(self, rounds: int) -> None:
        """Kill one of each sort of process a round, in a random order.

        A victim was seen at work since its own start; the others may still be on their way up.
        """
        for _ in range(rounds):
            for name in self._chance.sample(VICTIMS, len(VICTIMS)):
                victim = self._chance.choice(self._producers) if name == "producer" else name
                self._until_at_work(victim)
                time.sleep(self._chance.uniform(0, LONGEST_CALM))
                self._kill(victim)
                self.kills[name] += 1

    def _kill(self, victim: str) -> None:
        if victim == "server":
            self.server.kill()
            self.server.start()
        else:
            self._actors[victim].kill()
            self._actors[victim].start(self._environment)
        self._marks[victim] = self._progress(victim)

    def _until_at_work(self, victim: str) -> None:
        try:
            until(partial(self._is_at_work, victim), PATIENCE, what=f"{victim} at work")
        except AssertionError as error:
            said = [actor.last_words() for actor in self._actors.values()]
            raise AssertionError(
                "\n".join([str(error), str(self._checkpoints()), *said])
            ) from error

    def _is_at_work(self, victim: str) -> bool:
        """Return whether everything that a victim does got on since it was started."""
        for actor in self._actors.values():
            actor.check()
        mark = self._marks.get(victim, [])
        return all(
            now > then for now, then in zip_longest(self._progress(victim), mark, fillvalue=0)
        )

    def _progress(self, victim: str) -> list[int]:
        """Return numbers that rise while a victim works."""
        if victim in self._files:
            return [_lines(self._files[victim])]
        if victim == "server":
            return [sum(map(_lines, self._files.values()))]
        at = self._checkpoints()
        groups = PROJECTIONS if victim == "worker" else FILING
        return [at.get(group, 0) for group in groups]

    def settle(self) -> None:
        """End the producers, wait until every group is at the head, and end the workers."""
        for name in self._actors:
            self._until_at_work(name)
        for name in self._producers:
            self._actors[name].stop()
        until(self._is_caught_up, PATIENCE, what="every group at the head")
        for name in ("worker", PAYLOADS):
            self._actors[name].stop()

    def _is_caught_up(self) -> bool:
        with self.server.client() as client:
            for partition in range(self.partitions):
                head: Any = client.hget(prefix_of(NAMESPACE, partition) + "meta", "head")
                groups = _positions(client, partition)
                if any(groups.get(g, 0) < int(head) for g in (*PROJECTIONS, *FILING)):
                    return False
        return True

    def _checkpoints(self) -> dict[str, int]:
        """Return how many events each group has passed, over all partitions."""
        total: dict[str, int] = {}
        try:
            with self.server.client() as client:
                for partition in range(self.partitions):
                    for group, position in _positions(client, partition).items():
                        total[group] = total.get(group, 0) + position
        except _AWAY:
            return {}
        return total

    def told(self) -> list[Told]:
        """Return everything that a producer was told."""
        return [told for file in self._files.values() for told in producer.read_told(file)]

    def store(self, client: redis.Redis) -> Store:
        """Return the store as the checker wants it."""
        return Store(client, NAMESPACE, self.partitions, self.payload_root)


def _lines(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0


def _positions(client: redis.Redis, partition: int) -> dict[str, int]:
    found: Any = client.hgetall(prefix_of(NAMESPACE, partition) + "checkpoints")
    return {group.decode(): int(value.split(b":")[1]) for group, value in found.items()}


def _producer(name: str, file: Path) -> list[str]:
    return [sys.executable, producer.__file__, name, str(file), *SESSIONS]


def _worker(*groups: str) -> list[str]:
    return [sys.executable, "-P", "-m", "consumers", "work", "--only", ",".join(groups)]


def _environment(directory: Path, url: str, partitions: int, payloads: Path) -> dict[str, str]:
    """Return the settings of a storm: short leases, small limits, so that each path is taken."""
    return {
        **os.environ,
        "PYTHONPATH": str(TESTS),
        "REDIS_URL": url,
        "EVENTSTORE_HOME": str(directory / "home"),
        "EVENTSTORE_MODE": "test",
        "EVENTSTORE_METRICS__ENABLED": "false",
        "EVENTSTORE_PAYLOADS__URL": payloads.as_uri(),
        "EVENTSTORE_STORE__NAMESPACE": NAMESPACE,
        "EVENTSTORE_STORE__PARTITIONS": str(partitions),
        "EVENTSTORE_STORE__DURABILITY": "fsync",
        "EVENTSTORE_STORE__PUBLISH_TIMEOUT": str(PATIENCE),
        "EVENTSTORE_STORE__LEASE_SECONDS": "0.4",
        "EVENTSTORE_STORE__INLINE_LIMIT": "16384",
        "EVENTSTORE_STORE__PAYLOAD_BUFFER_BYTES": "65536",
    }
