"""Metrics that a program emits itself: `metrics.emit(name, value, tags={...})`.

    from eventstore import metrics

    metrics.emit("tool_latency", 250, tags={"tool": "weather"})

goes to Prometheus (`eventstore.emitting_prometheus` says how), or to a backend of the program's
own, from its assignment on:

    metrics._backend = CustomMetrics()   # has emit(name, value, tags=None)

What a program measures never stops it: an emission that a backend does not take is counted, and
logged once for its name and reason.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventstore.emitting_prometheus import PrometheusBackend

_MAX_SAID: Final = 1_000
_MAX_SHOWN: Final = 200
_log = logging.getLogger(__name__)
# Taken over a fork by its parent, so that no child gets it held.
_counting: Final = threading.Lock()
os.register_at_fork(
    before=_counting.acquire,
    after_in_parent=_counting.release,
    after_in_child=_counting.release,
)


class MetricsBackend(Protocol):
    """Where emitted metrics go; `emit` is called in the emitting thread."""

    def emit(self, name: str, value: float, tags: Mapping[str, str] | None = None) -> None:
        """Take one measurement; what it raises reaches the log, never the program."""


class Rejected(Exception):
    """A backend does not take an emission; `reason` is one of few words, `problem` what to do."""

    def __init__(self, reason: str, problem: str) -> None:
        super().__init__(problem)
        self.reason = reason
        self.problem = problem


class Metrics:
    """Passes what is emitted on to one backend. Safe to share between threads."""

    def __init__(self) -> None:
        self._backend: MetricsBackend | None = None
        self._prometheus: PrometheusBackend | None = None
        self._rejected: dict[str, int] = {}
        self._said: set[tuple[str, str]] = set()

    def emit(self, name: str, value: float, tags: Mapping[str, str] | None = None) -> None:
        """Record a measurement under a name; never raises.

        `tags` tell measurements of one name apart, each by one of few values: a tag is no place
        for a session, a ref or another name without end.
        """
        try:
            (self._backend or self.prometheus()).emit(name, value, tags=tags)
        except Rejected as error:
            self._reject(name, error.reason, error.problem)
        except Exception as error:  # noqa: BLE001 - a backend is anybody's code
            self._reject(name, "backend", "the backend failed", error)

    def prometheus(self) -> PrometheusBackend:
        """Return the default backend, made at its first use."""
        if self._prometheus is None:
            with _counting:
                if self._prometheus is None:
                    self._prometheus = _prometheus_backend(self)
        return self._prometheus

    def rejected(self) -> dict[str, int]:
        """Return how many emissions were not taken so far, by reason."""
        with _counting:
            return dict(self._rejected)

    def _reject(
        self, name: object, reason: str, problem: str, error: Exception | None = None
    ) -> None:
        """Count an emission that was not taken, and log the first of its name and reason."""
        shown = name[:_MAX_SHOWN] if isinstance(name, str) else type(name).__name__
        with _counting:
            self._rejected[reason] = self._rejected.get(reason, 0) + 1
            said = (shown, reason) in self._said or len(self._said) >= _MAX_SAID
            if not said:
                self._said.add((shown, reason))
        if not said:
            _log.warning("metric %r is not recorded: %s", shown, problem, exc_info=error)


def _prometheus_backend(metrics: Metrics) -> PrometheusBackend:
    # A process that emits nothing, or to a backend of its own, does without the client.
    from eventstore.emitting_prometheus import PrometheusBackend  # noqa: PLC0415 - as said

    return PrometheusBackend(metrics.rejected)


metrics: Final = Metrics()
"""What this process emits."""
