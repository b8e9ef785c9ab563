"""The sessions that one thread or task uses, kept while they are used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable


class _Kept(Protocol):
    @property
    def pending(self) -> int: ...


SessionT = TypeVar("SessionT", bound=_Kept)


class SessionCache(Generic[SessionT]):
    """Sessions by bus and id. `clock` counts seconds and never goes back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._sessions: dict[tuple[int, str], tuple[object, SessionT]] = {}
        # When each was last asked for; the longest ago first.
        self._used: dict[tuple[int, str], float] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def get(
        self, bus: object, session_id: str, idle_seconds: float, make: Callable[[], SessionT]
    ) -> SessionT:
        """Return the session of a bus and id, made if need be; let go of those that are idle.

        One with a unit of work that waits to be saved is kept however long it is idle.
        """
        now = self._clock()
        self._evict(now - idle_seconds)
        key = (id(bus), session_id)
        # The bus is kept with its session, so that its id is not given to another meanwhile.
        _, session = self._sessions.get(key) or (bus, make())
        self._sessions[key] = (bus, session)
        self._used.pop(key, None)
        self._used[key] = now
        return session

    def _evict(self, before: float) -> None:
        idle = []
        for key, used in self._used.items():
            if used >= before:
                break
            idle.append(key)
        for key in idle:
            if self._sessions[key][1].pending == 0:
                del self._sessions[key], self._used[key]
