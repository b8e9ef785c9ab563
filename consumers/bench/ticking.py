"""`python -m consumers.bench.ticking`: many sessions ticking, from a tick to its last ack.

One driver process starts the ticks; this process is all agents of all sessions, which read the log
and acknowledge each tick as soon as they see it. Times are the server's, of the appends.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final

import anyio
import msgspec
from rich.console import Console

from consumers.bench.server import PERSISTENCE, running_server
from eventstore.drafts import draft
from eventstore.events import AgentFinished, AgentRegistered, SessionTicked, TickAcked
from eventstore.refs import generate_ref
from eventstore.store import AsyncEventStore
from eventstore.ticks import ack_ref
from eventstore.times import current_timestamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.bench.server import BenchServer
    from eventstore.codec import Recorded

_NAMESPACE: Final = "bench-ticks"
_AT_ONCE: Final = 32
_PAUSE: Final = 0.002
_LONGEST: Final = 600.0


class Ticking(msgspec.Struct, frozen=True):
    """What was measured: milliseconds from the append of a tick to that of its last ack."""

    sessions: int
    agents: int
    rounds: int
    persistence: str
    ticks: int
    seconds: float
    p50_ms: float
    p99_ms: float


class Agents:
    """All agents of all sessions: they acknowledge what they read, and finish after a round."""

    def __init__(self, store: AsyncEventStore, agents: Sequence[str], rounds: int) -> None:
        self._store = store
        self._agents = tuple(agents)
        self._rounds = rounds
        self._limit = anyio.CapacityLimiter(_AT_ONCE)
        self._begun: dict[tuple[str, int], int] = {}
        self._acked: dict[tuple[str, int], list[int]] = {}
        self._over = 0

    @property
    def times(self) -> list[int]:
        """The milliseconds that each tick took whose acks were all read, in rising order."""
        whole = (key for key, acks in self._acked.items() if len(acks) == len(self._agents))
        return sorted(max(self._acked[key]) - self._begun[key] for key in whole)

    async def run(self, ticks: int) -> None:
        """Act until so many ticks are over."""
        position = 0
        while self._over < ticks:
            events = await self._store.read_all(0, after=position, limit=2_000)
            if not events:
                await anyio.sleep(_PAUSE)
                continue
            position = events[-1].position
            async with anyio.create_task_group() as tasks:
                for recorded in events:
                    self._note(recorded)
                    if isinstance(recorded.event, SessionTicked):
                        tasks.start_soon(self._acknowledge, recorded.event)

    def _note(self, recorded: Recorded) -> None:
        event = recorded.event
        if isinstance(event, SessionTicked):
            self._begun[event.session_id, event.tick] = recorded.appended_at
        elif isinstance(event, TickAcked):
            key = event.session_id, event.tick
            acks = self._acked.setdefault(key, [])
            acks.append(recorded.appended_at)
            self._over += len(acks) == len(self._agents)

    async def _acknowledge(self, ticked: SessionTicked) -> None:
        session = ticked.session_id
        if ticked.tick == self._rounds:
            # Before the acks: else the driver would begin a tick that nobody is there for.
            await _add(self._store, AgentFinished, session, self._agents, finished=self._agents)
        async with anyio.create_task_group() as tasks:
            for agent in self._agents:
                tasks.start_soon(self._ack, session, agent, ticked.tick)

    async def _ack(self, session: str, agent: str, tick: int) -> None:
        event = TickAcked(
            ref=ack_ref(session, tick, agent),
            session_id=session,
            agent_id=agent,
            ts=current_timestamp(),
            tick=tick,
            defaulted=("ts",),
        )
        async with self._limit:
            await self._store.append(session, [draft(event)])


async def _add(
    store: AsyncEventStore,
    kind: type[AgentRegistered | AgentFinished],
    session: str,
    agents: tuple[str, ...],
    finished: tuple[str, ...] = (),
) -> None:
    event = kind(
        ref=generate_ref(),
        session_id=session,
        agent_id=agents[-1],
        ts=current_timestamp(),
        agents=agents,
        finished=finished,
    )
    await store.append(session, [draft(event)])


async def _measure(server: BenchServer, sessions: int, agents: int, rounds: int) -> Ticking:
    names = tuple(f"agent-{number}" for number in range(agents))
    store = AsyncEventStore(server.settings(_NAMESPACE))
    try:
        for number in range(sessions):
            await _add(store, AgentRegistered, f"session-{number}", names)
        acting = Agents(store, names, rounds)
        started = time.monotonic()
        driver = _start_driver(server)
        try:
            with anyio.fail_after(_LONGEST):
                await acting.run(sessions * rounds)
        finally:
            driver.terminate()
            driver.wait()
        seconds = time.monotonic() - started
    finally:
        await store.close()
    times = acting.times
    return Ticking(
        sessions=sessions,
        agents=agents,
        rounds=rounds,
        persistence=server.persistence,
        ticks=len(times),
        seconds=round(seconds, 3),
        p50_ms=times[len(times) // 2],
        p99_ms=times[len(times) * 99 // 100],
    )


def _start_driver(server: BenchServer) -> subprocess.Popen[bytes]:
    section = server.settings(_NAMESPACE)
    environment = {
        **os.environ,
        "REDIS_URL": f"unix://{server.socket}",
        "EVENTSTORE_STORE__NAMESPACE": _NAMESPACE,
        "EVENTSTORE_STORE__DURABILITY": section.store.durability,
        "EVENTSTORE_PAYLOADS__URL": str(section.payloads.url),
        "EVENTSTORE_LOGGING__LOG_DIR": str(server.payloads / "logs"),
        "EVENTSTORE_METRICS__ENABLED": "false",
    }
    command = [sys.executable, "-P", "-m", "consumers", "drive"]
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print what was found; return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/bench ticks", description=__doc__)
    parser.add_argument("--sessions", type=int, default=1_000, help="sessions that tick")
    parser.add_argument("--agents", type=int, default=3, help="agents of each session")
    parser.add_argument("--rounds", type=int, default=5, help="ticks of each session")
    parser.add_argument("--persistence", choices=tuple(PERSISTENCE), default="fsync")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    given = parser.parse_args(arguments)
    with running_server(given.persistence) as server:
        found = anyio.run(_measure, server, given.sessions, given.agents, given.rounds)
    if given.json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    else:
        Console().print(
            f"{found.ticks:,} ticks of {found.sessions:,} sessions with {found.agents} agents in "
            f"{found.seconds:.1f} s ({found.persistence}): from a tick to its last ack "
            f"p50 {found.p50_ms:.0f} ms, p99 {found.p99_ms:.0f} ms"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
