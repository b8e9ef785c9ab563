"""Timing two ways of doing the same, in turns, so that a busy machine slows both alike."""

from __future__ import annotations

import inspect
import statistics
import time
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    Work: TypeAlias = Callable[[], Awaitable[object] | object]

_MICROSECONDS: Final = 1e6
_MILLISECONDS: Final = 1e3


class Pair(NamedTuple):
    """Two ways of doing the same: this project's and redis-py's.

    One call does `operations` of them and is timed; `prepare`, before each call, is not.
    """

    name: str
    operations: int
    ours: Work
    baseline: Work
    prepare: Work = lambda: None


class Comparison(msgspec.Struct, frozen=True):
    """Medians over repetitions, in microseconds for one operation; `ratio` is ours to theirs."""

    name: str
    persistence: str
    operations: int
    repetitions: int
    ours_us: float
    baseline_us: float
    ratio: float


class Latency(msgspec.Struct, frozen=True):
    """How long single calls took, in milliseconds."""

    name: str
    persistence: str
    calls: int
    p50_ms: float
    p99_ms: float


async def compare(pair: Pair, persistence: str, repetitions: int) -> Comparison:
    """Time both ways in turns, each first every other time, after one untimed turn."""
    seconds: dict[str, list[float]] = {"ours": [], "baseline": []}
    for repetition in range(repetitions + 1):
        turns = [("ours", pair.ours), ("baseline", pair.baseline)]
        for name, work in turns if repetition % 2 else reversed(turns):
            await _run(pair.prepare)
            took = await _timed(work)
            if repetition:
                seconds[name].append(took)
    ours, baseline = (
        statistics.median(seconds[name]) / pair.operations * _MICROSECONDS
        for name in ("ours", "baseline")
    )
    return Comparison(
        name=pair.name,
        persistence=persistence,
        operations=pair.operations,
        repetitions=repetitions,
        ours_us=round(ours, 2),
        baseline_us=round(baseline, 2),
        ratio=round(ours / baseline, 2),
    )


def latency(name: str, persistence: str, seconds: Sequence[float]) -> Latency:
    """Return the median and the 99th percentile (nearest rank) of single calls."""
    ordered = sorted(seconds)
    rank = max(0, -(-len(ordered) * 99 // 100) - 1)
    return Latency(
        name=name,
        persistence=persistence,
        calls=len(ordered),
        p50_ms=round(statistics.median(ordered) * _MILLISECONDS, 3),
        p99_ms=round(ordered[rank] * _MILLISECONDS, 3),
    )


async def _timed(work: Work) -> float:
    started = time.perf_counter()
    await _run(work)
    return time.perf_counter() - started


async def _run(work: Work) -> None:
    result = work()
    if inspect.isawaitable(result):
        await result
