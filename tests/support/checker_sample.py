"""A small store with every sort of event in it, to be copied and damaged by the checker's tests."""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING, Any, NamedTuple

from support.checker import Acknowledged, Forked, Store
from support.consuming import running, until_caught_up
from support.server import short_dir

from consumers.working.groups import known_groups, select_groups
from eventstore.bus import EventBus
from eventstore.drafts import draft
from eventstore.events import (
    AgentRegistered,
    BranchCheckedOut,
    BranchPruned,
    BranchRewound,
    BranchUnpruned,
    EvaluationCompleted,
    EvaluationFailed,
    EvaluationStarted,
    Event,
    OverrideWritten,
    SessionOpened,
    SessionTicked,
)
from eventstore.refs import generate_ref
from eventstore.settings import AppSettings
from eventstore.store import EventStore
from eventstore.times import current_timestamp

if TYPE_CHECKING:
    from support.server import PrivateServer

    from eventstore.commands import Appended

PARTITIONS = 2
INLINE_LIMIT = 4096
SESSIONS = ("plain", "a:b{c}%", "Ünïcode/../x", "n" * 300)


class Sample(NamedTuple):
    """A store at rest, and what its producer was told."""

    store: Store
    acknowledged: list[Acknowledged]
    forked: list[Forked]


def make_sample(server: PrivateServer, namespace: str) -> Sample:
    """Fill a new store, let every group catch up, and return it; its files are the caller's."""
    root = short_dir()
    sample = Sample(Store(server.client(), namespace, PARTITIONS, root), [], [])
    settings = _settings(server, sample.store)
    with EventBus(EventStore(settings)) as bus:
        for session in SESSIONS:
            _fill(bus, session, sample)
        with running(settings, select_groups(None)):
            for group in known_groups():
                until_caught_up(bus.store, group)
    return sample


def remove_sample(sample: Sample) -> None:
    """Remove a sample's keys and files."""
    with sample.store.client.pipeline(transaction=False) as commands:
        for key in _keys(sample.store):
            commands.unlink(key)
        commands.execute()
    shutil.rmtree(sample.store.payload_root)


def _keys(store: Store) -> list[str]:
    found = store.client.scan_iter(match="{" + store.namespace + ":*", count=1000)
    return [key.decode() for key in found]


def add_unapplied(server: PrivateServer, sample: Sample) -> None:
    """Publish one artifact more, which no group takes up."""
    with EventBus(EventStore(_settings(server, sample.store))) as bus:
        _publish(bus, SESSIONS[0], sample, "state", "late")


def copy_sample(sample: Sample, namespace: str) -> Sample:
    """Return a copy of a store under another namespace, to be damaged."""
    source = sample.store.namespace
    with sample.store.client.pipeline(transaction=False) as commands:
        for key in _keys(sample.store):
            commands.copy(key, key.replace(source, namespace, 1))
        commands.execute()
    root = short_dir()
    shutil.copytree(sample.store.payload_root, root, dirs_exist_ok=True)
    copied = sample.store._replace(namespace=namespace, payload_root=root)
    return Sample(copied, list(sample.acknowledged), list(sample.forked))


def _settings(server: PrivateServer, store: Store) -> AppSettings:
    return AppSettings(
        mode="test",
        redis={"url": server.url},
        store={
            "namespace": store.namespace,
            "partitions": store.partitions,
            "inline_limit": INLINE_LIMIT,
        },
        payloads={"url": store.payload_root.as_uri()},
    )


def _fill(bus: EventBus, session: str, sample: Sample) -> None:
    first = _publish(bus, session, sample, "state", {"text": "hello", "session": session})
    call = _publish(bus, session, sample, "tool_call", {"name": "x"}, meta={"tags": ["a", "b:c"]})
    large = "large " + session + " " + "".join(f"{n:x}" for n in range(10_000))
    _publish(bus, session, sample, "tool_result", large, parent_refs=[call.ref])
    _publish(bus, session, sample, "state", ["long" + session] * 600)
    _publish(bus, session, sample, "state", b"")
    scored = _publish(bus, session, sample, "evaluation", {"score": 0.25, "target": first.ref})
    _publish(bus, session, sample, "evaluation", {"target": first.ref}, meta={"reason": "no key"})
    _publish(bus, session, sample, "evaluation", {"score": 0.5}, branch_id="other")
    _fork(bus, sample, Forked(session, "kid", "main", scored.step_idx))
    _publish(bus, session, sample, "state", 1, branch_id="kid", agent_id="second")
    _fork(bus, sample, Forked(session, "kid:kid", "kid", 1))
    _publish(bus, session, sample, "metrics", {"model": "m", "cost_usd": 0.1}, branch_id="kid:kid")
    _judge(bus, session, first.ref)
    _decide(bus, session)


def _judge(bus: EventBus, session: str, target: str) -> None:
    requests = [
        bus.create_evaluation_for(target, evaluator_id="judge", payload={"n": n}).ref
        for n in range(4)
    ]
    common: dict[str, Any] = {"session_id": session, "agent_id": "judge"}
    judged = {"target": target, "evaluator_id": "judge"}
    for request in requests[1:]:
        _append(bus, EvaluationStarted, **common, request=request)
    _append(bus, EvaluationCompleted, **common, request=requests[2], **judged, score=0.75)
    _append(bus, EvaluationFailed, **common, request=requests[3], **judged, error="no answer")
    _append(bus, EvaluationCompleted, **common, request=requests[3], **judged, score=1.0)


def _decide(bus: EventBus, session: str) -> None:
    common: dict[str, Any] = {"session_id": session, "agent_id": "driver"}
    _append(bus, SessionOpened, **common, title="t")
    _append(bus, AgentRegistered, **common, agents=("driver", "second"))
    _append(bus, SessionTicked, **common, tick=1, agents=("driver",))
    _append(bus, OverrideWritten, **common, patch={"t": 1}, effective={"t": 1})
    _append(bus, BranchCheckedOut, **common, branch_id="kid")
    segments = (("main", 0, 1),)
    _append(bus, BranchRewound, **common, branch_id="kid", to=1, segments=segments, own=7)
    _append(bus, BranchPruned, **common, branch_id="other", reason="dull")
    _append(bus, BranchPruned, **common, branch_id="kid:kid")
    _append(bus, BranchUnpruned, **common, branch_id="kid:kid")


def _append(bus: EventBus, kind: type[Event], **fields: Any) -> None:
    event = kind(ref=generate_ref(), ts=current_timestamp(), **fields)
    bus.store.append(event.session_id, [draft(event)])


def _publish(
    bus: EventBus, session: str, sample: Sample, type_: str, payload: object, **header: Any
) -> Appended:
    fields = {"session_id": session, "agent_id": "first", "type": type_, **header}
    row = bus.publish(fields, payload)
    if isinstance(payload, bytes):
        raw = payload
    elif isinstance(payload, str):
        raw = payload.encode()
    else:
        text = json.dumps(payload, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        raw = text.encode()
    sha256 = hashlib.sha256(raw).hexdigest()
    sample.acknowledged.append(
        Acknowledged(row.ref, session, row.position, row.seq, row.step_idx, sha256)
    )
    return row


def _fork(bus: EventBus, sample: Sample, told: Forked) -> None:
    bus.fork(told.session_id, told.at, told.branch_id, parent=told.parent)
    sample.forked.append(told)
