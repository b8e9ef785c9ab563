"""The artifact bus: publish, get and search, for blocking callers.

`eventstore.async_bus` is its asyncio twin; both drive the flows of `operations`, `branching` and
`judging`, and a test compares their signatures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventstore.amending import UNCHANGED
from eventstore.binding import bind
from eventstore.bus_branches import BusBranches
from eventstore.connection import plain_client
from eventstore.effect_log import effects_of
from eventstore.health_checks import Health, check_health
from eventstore.judging import Judging
from eventstore.operations import Operations, filters

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from contextlib import AbstractContextManager
    from datetime import datetime

    import redis

    from eventstore.commands import Appended
    from eventstore.competing.work import Competing
    from eventstore.effect_log import EffectRow
    from eventstore.headers import ArtifactHeader
    from eventstore.operations import Row
    from eventstore.redact_hook import Redact
    from eventstore.searching import Order
    from eventstore.store import EventStore
    from eventstore.subscribing.subscription import Subscription
    from eventstore.subscribing.wanted import Start


class EventBus(BusBranches):
    """Publishes artifacts and finds them again. Safe to share between threads and over a fork.

    Reads see this process's own writes: they wait, for `store.read_timeout` seconds at most,
    until each projection they read has passed them. Any call may raise the `Unavailable` errors
    of `eventstore.errors`. A read may be made again then. A write may have happened: made again
    with the same ref (`ref`, `…_ref`) it has the same answer, without one it is another event.
    """

    def __init__(self, store: EventStore, *, redact: Redact | None = None) -> None:
        self.redact = redact
        parts = store.parts
        self._operations = Operations(parts.log, parts.appender, parts.payloads, redact)
        super().__init__(store, self._operations)
        self._judging = Judging(self._operations)
        self._redis = plain_client(store.parts.location.target)

    @property
    def redis(self) -> redis.Redis:
        """An ordinary pooled client of the store's server, for the application's own commands.

        Opens the store first, so that an embedded server is up.
        """
        self.store.open()
        return self._redis

    def bind(self, **fields: Any) -> AbstractContextManager[None]:
        """Fill header fields of what is published in a block; see `eventstore.binding.bind`."""
        return bind(**fields)

    def publish(self, header: ArtifactHeader | Mapping[str, Any], payload: object) -> Appended:
        """Append one artifact and return where it lies; the header is not changed.

        The payload is any JSON value, text or bytes. A repeated call with the same ref and
        content gives the same answer. Raises `InvalidEvent` or `InvalidName` naming the field,
        before anything is written; `RefConflict` if the ref is known with other content.
        """
        return self.store.runner.run(self._operations.publish(header, payload))

    def publish_many(
        self, items: Iterable[tuple[ArtifactHeader | Mapping[str, Any], object]]
    ) -> list[Appended]:
        """Append (header, payload) pairs in order; all are checked before the first is written.

        All or nothing for each session's run of at most 500 artifacts and 1 MiB, not beyond.
        """
        return self.store.runner.run(self._operations.publish_many(items))

    def get(self, ref: str, *, original: bool = False) -> Row:
        """Return the artifact with this ref as (header, payload), amended if it was.

        `header["amended"]` says by which event and by whom; with `original` it is as published.
        Raises `ArtifactNotFound`, a KeyError.
        """
        return self.store.reading(lambda: self._operations.get(ref, original=original))

    def amend(
        self,
        ref: str,
        header: Mapping[str, Any] | None = None,
        payload: object = UNCHANGED,
        *,
        agent_id: str | None = None,
        reason: str | None = None,
        amendment_ref: str | None = None,
    ) -> Appended:
        """Correct an artifact, and return where the event lies that does.

        `header` has the fields that change (None takes one away); what is not given stays, and
        session, agent, branch, type and time always do. Reads show it in the artifact's place.
        """
        amend = self._operations.amending.amend
        return self.store.runner.run(amend(ref, header, payload, agent_id, reason, amendment_ref))

    def search(
        self,
        session_id: str,
        *,
        tag: str | None = None,
        type: str | None = None,
        agent: str | None = None,
        branch: str | None = None,
        since: str | datetime | None = None,
        until: str | datetime | None = None,
        limit: int = 50,
        order: Order = "desc",
    ) -> list[Row]:
        """Return the artifacts of a session that pass every filter, newest first.

        A tag is one of `meta["tags"]` or the type. `since` is included, `until` is not. Event
        time orders; artifacts of one millisecond keep the order of the log.
        """
        passing = filters(tag=tag, type=type, agent=agent, branch=branch, since=since, until=until)
        return self.store.reading(
            lambda: self._operations.search(session_id, passing, order, limit)
        )

    def read_first_n(
        self,
        session_id: str,
        n: int,
        *,
        tag: str | None = None,
        type: str | None = None,
        agent: str | None = None,
        branch: str | None = None,
    ) -> list[Row]:
        """Return the first `n` artifacts that pass every filter, oldest first."""
        passing = filters(tag=tag, type=type, agent=agent, branch=branch)
        return self.store.reading(
            lambda: self._operations.read_n(session_id, passing, n, last=False)
        )

    def read_last_n(
        self,
        session_id: str,
        n: int,
        *,
        tag: str | None = None,
        type: str | None = None,
        agent: str | None = None,
        branch: str | None = None,
    ) -> list[Row]:
        """Return the last `n` artifacts that pass every filter, oldest first."""
        passing = filters(tag=tag, type=type, agent=agent, branch=branch)
        return self.store.reading(
            lambda: self._operations.read_n(session_id, passing, n, last=True)
        )

    def create_evaluation_for(
        self,
        ref: str,
        *,
        evaluator_id: str,
        payload: object = None,
        evaluator_version: str | None = None,
        request_ref: str | None = None,
    ) -> Appended:
        """Ask for an artifact to be judged, and return where the request lies.

        Raises `ArtifactNotFound` if there is no such artifact.
        """
        flow = self._judging.request(ref, evaluator_id, payload, evaluator_version, request_ref)
        return self.store.runner.run(flow)

    def evaluations_for(self, ref: str) -> list[dict[str, Any]]:
        """Return the evaluations of an artifact, oldest first; status "requested" included.

        They are those of the artifact's own session. A `score` of None is unscored, which is
        not zero. Raises `ArtifactNotFound`.
        """
        return self.store.reading(lambda: self._judging.of_target(ref))

    def effects(
        self,
        session_id: str,
        *,
        branch: str | None = None,
        agent: str | None = None,
        limit: int = 1000,
    ) -> list[EffectRow]:
        """Return the last `limit` tool calls of a session, oldest first, and what came of each.

        Read from the log. A call without a result has the status "unanswered". Raises
        `SessionNotFound`.
        """
        log = self.store.parts.log
        return self.store.reading(lambda: effects_of(log, session_id, branch, agent, limit))

    def subscribe(
        self,
        *,
        group: str,
        start: Start = "begin",
        kinds: Iterable[str] | None = None,
        types: Iterable[str] | None = None,
        payloads: bool = True,
    ) -> Subscription:
        """Return the events of the log, in order and durably, for a consumer group.

        See `EventStore.subscribe`.
        """
        return self.store.subscribe(
            group=group, start=start, kinds=kinds, types=types, payloads=payloads
        )

    def compete(
        self,
        *,
        group: str,
        start: Start = "begin",
        kinds: Iterable[str] | None = None,
        types: Iterable[str] | None = None,
        payloads: bool = True,
        in_flight: int = 1,
    ) -> Competing:
        """Return events as pieces of work that processes with the same group share.

        See `EventStore.compete`.
        """
        return self.store.compete(
            group=group,
            start=start,
            kinds=kinds,
            types=types,
            payloads=payloads,
            in_flight=in_flight,
        )

    def degraded(self, session_id: str) -> dict[str, int]:
        """Return how many events of a session each group left out; {} is well.

        A group leaves out what it cannot handle. A read of a projection that lacks some warns of
        it in the log. `eventstore parked` says which events they are, and why.
        """
        return self.store.reading(lambda: self._operations.degraded(session_id))

    def health(self) -> Health:
        """Return what is well and what is not: server, store, consumers, payload store."""
        parts = self.store.parts
        return self.store.runner.run(check_health(parts.log, parts.payloads, parts.settings))

    def close(self) -> None:
        """Close the connections and leave the embedded store, if it is one."""
        self._redis.connection_pool.disconnect()
        self.store.close()

    def __enter__(self) -> EventBus:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
