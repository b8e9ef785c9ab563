"""Events past a retention window: agent runs appended while a worker journals, folds and trims.

The producer waits for whichever group is slowest, so that the window is what fills the log. Every
so many events it pauses until all groups have caught up and the worker has trimmed, and measures.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import msgspec

from consumers.bench.pacing import Pace
from consumers.bench.runs import turns
from consumers.bench.worker import resident_bytes, running_worker
from consumers.checking.catching_up import wait_until_caught_up
from consumers.monitoring.footprint import footprint
from consumers.monitoring.usage import FilesUsage, KindUsage, measure
from consumers.trimming.regular import LEAST
from consumers.working.groups import known_groups
from eventstore.bus import EventBus
from eventstore.connection import parse_info
from eventstore.flow import Call, call
from eventstore.retention import Rule
from eventstore.store import EventStore

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Sequence

    from consumers.bench.server import BenchServer

_NAMESPACE: Final = "bench-retention"
_LOG: Final = ("stream", "refs", "session:log", "payload")
_SESSIONS: Final = ("session", "sessions")
_READ_MODELS: Final = "artifacts:"
_PAUSE: Final = 0.02
_TRIM_SECONDS: Final = 120.0
_EXACT: Final = 0


class Sample(msgspec.Struct, frozen=True):
    """The server's memory after so many events, all of them consumed, in bytes.

    `log` is what trimming takes with the events: stream, refs, positions of sessions and payloads
    that wait; `sessions` is what remains of each session, `read_models` of each artifact.
    `used_memory` is the server's own sum, `worker` what the worker process holds, None if unknown.
    `most_log_events` were in the server at some moment since the last sample.
    """

    events: int
    seconds: float
    log_events: int
    most_log_events: int
    log: int
    sessions: int
    read_models: int
    others: int
    used_memory: int
    worker: int | None
    kinds: list[KindUsage]


class Flatness(msgspec.Struct, frozen=True):
    """Whether the log stayed as large as it was when the window had filled, in bytes.

    `full` is the log of the sample at `since` events, scaled to the most that trimming leaves in
    the server; `growth` the share by which the largest later sample exceeds it.
    """

    since: int
    full: int
    most_later: int
    growth: float
    allowed: float

    @property
    def is_flat(self) -> bool:
        return self.growth <= self.allowed


def judge(samples: Sequence[Sample], window: int, since: int, allowed: float) -> Flatness:
    """Compare the samples behind the first with `since` events or more with that one."""
    first, *later = [sample for sample in samples if sample.events >= since]
    full = round(first.log * (window + LEAST) / first.log_events)
    most = max(sample.log for sample in later)
    return Flatness(first.events, full, most, round(most / full - 1, 4), allowed)


class Passing:
    """A store of which only the last `window` events stay in the server, and its worker."""

    def __init__(self, bus: EventBus, worker: subprocess.Popen[bytes], window: int) -> None:
        self._bus = bus
        self._worker = worker
        self._pace = Pace(bus, max(LEAST, window // 10), Rule(window, 0, active=True))
        self._started = time.monotonic()

    def run(self, events: int, every: int, progress: Callable[[int], object]) -> list[Sample]:
        """Append so many events, and return a sample for each `every` of them."""
        samples: list[Sample] = []
        done = 0
        for turn in turns(events):
            self._pace.wait(done)
            self._bus.publish_many(turn)
            done += len(turn)
            progress(done)
            if done // every > len(samples):
                samples.append(self._sample(done))
        return samples

    def _sample(self, done: int) -> Sample:
        store = self._bus.store
        wait_until_caught_up(store, known_groups())
        # A log that is never trimmed shows as one that grows.
        deadline = time.monotonic() + _TRIM_SECONDS
        while (standing := self._pace.look()).waiting >= LEAST and time.monotonic() < deadline:
            time.sleep(_PAUSE)
        partitions = store.parts.log.partitions
        kinds = store.reading(lambda: footprint(partitions, samples=_EXACT))
        info = store.reading(lambda: call(Call("INFO", ("memory",), (), parse_info)))
        sums = {"log": 0, "sessions": 0, "read_models": 0, "others": 0}
        for kind in kinds:
            sums[_share_of(kind.name)] += kind.bytes
        most, self._pace.most_kept = self._pace.most_kept, 0
        return Sample(
            events=done,
            seconds=round(time.monotonic() - self._started, 1),
            log_events=standing.head - standing.first + 1,
            most_log_events=most,
            **sums,
            used_memory=int(info["used_memory"]),
            worker=resident_bytes(self._worker),
            kinds=[KindUsage(kind.name, kind.keys, kind.bytes) for kind in kinds],
        )


def _share_of(kind: str) -> str:
    if kind in _LOG:
        return "log"
    if kind in _SESSIONS:
        return "sessions"
    return "read_models" if kind.startswith(_READ_MODELS) else "others"


def pass_window(
    server: BenchServer,
    events: int,
    window: int,
    every: int,
    progress: Callable[[int], object] = lambda _done: None,
) -> tuple[list[Sample], list[FilesUsage]]:
    """Let events pass a retention window of a new store; return samples, and the files at the end.

    The files hold every event: the journal and its index those that were trimmed too.
    """
    settings = {"EVENTSTORE_RETENTION__KEEP_EVENTS": str(window)}
    with EventBus(EventStore(server.settings(_NAMESPACE))) as bus:
        with running_worker(server, _NAMESPACE, settings) as worker:
            samples = Passing(bus, worker, window).run(events, every, progress)
        return samples, measure(bus.store).files
