"""`projection verify` finds every row that is not what the log makes it, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from support.applying import apply_all, apply_batch
from support.stores import open_store
from support.stories import tell

from consumers.checking.verifying import Verified, verify_projection
from eventstore.bus import EventBus
from eventstore.chain import GENESIS
from eventstore.errors import Diverged, Unavailable
from eventstore.flow import Call, call
from projections.registry import PROJECTIONS, projection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import redis
    from support.server import PrivateServer

    from eventstore.flow import Flow, Step
    from eventstore.keys import ProjectionKeys
    from eventstore.store import EventStore


@pytest.fixture
def store(server: PrivateServer, namespace: str) -> Iterator[EventStore]:
    """A store with a session whose read models are all there."""
    with open_store(server, namespace) as store:
        tell(store, "s")
        apply_all(store, PROJECTIONS)
        yield store


@pytest.fixture
def keys(store: EventStore) -> ProjectionKeys:
    return store.parts.log.partitions[0].projection()


def verify(store: EventStore, name: str, most: int = 100) -> Verified:
    log = store.parts.log
    return store.reading(lambda: verify_projection(log, 0, projection(name), most=most))


def ref_of(store: EventStore) -> str:
    return store.read("s", limit=1)[0].event.ref


def test_an_untouched_read_model_is_equal_and_counted(
    store: EventStore, keys: ProjectionKeys, redis_client: redis.Redis
) -> None:
    report = verify(store, "index")
    assert (report.is_equal, report.differences) == (True, ())
    assert (report.position, report.generation) == (store.head()[0].position, 1)
    artifacts = redis_client.hlen(keys.index("s"))
    assert (report.keys, report.rows) == (2, 2 * artifacts)


def test_a_changed_header_is_found(
    store: EventStore, keys: ProjectionKeys, redis_client: redis.Redis
) -> None:
    ref = ref_of(store)
    redis_client.hset(keys.headers("s"), ref, b"{}")
    report = verify(store, "index")
    (difference,) = report.differences
    assert (difference.key, difference.row) == (keys.headers("s"), ref.encode())
    assert difference.found == b"{}"
    assert difference.expected is not None
    assert ref.encode() in difference.expected
    assert f"row '{ref}' is '{{}}', the log makes it" in str(difference)


T = TypeVar("T")
TAMPERINGS: dict[str, tuple[str, Callable[[Any, ProjectionKeys, str], object]]] = {
    "a missing field": ("index", lambda c, k, ref: c.hdel(k.index("s"), ref)),
    "an extra field": ("index", lambda c, k, ref: c.hset(k.index("s"), "f" * 32, "{}")),
    "a missing key": ("index", lambda c, k, ref: c.unlink(k.index("s"))),
    "an extra key": ("timeline", lambda c, k, ref: c.zadd(k.tag("none", "x"), {"m": 1})),
    "an extra key of a foreign type": ("timeline", lambda c, k, ref: c.lpush(k.tag("s", "x"), 1)),
    "another type": (
        "timeline",
        lambda c, k, ref: (c.unlink(k.timeline("s")), c.hset(k.timeline("s"), "a", 1)),
    ),
    "another score": ("timeline", lambda c, k, ref: _shift_score(c, k.timeline("s"))),
    "a step that moved": ("branch", lambda c, k, ref: _shift_score(c, k.branch("s", "b:1"))),
    "a lineage that changed": ("branch", lambda c, k, ref: c.hset(k.branches("s"), "b:1", "{}")),
    "a mean that changed": (
        "evaluation",
        lambda c, k, ref: c.zincrby(k.leaderboard("s"), 2**-40, "main"),
    ),
    "a key that is no text": (
        "index",
        lambda c, k, ref: c.set(k.prefix.encode() + b"\xff:index", "x"),
    ),
}


def _shift_score(client: Any, key: str) -> None:
    client.zincrby(key, 1, client.zrange(key, 0, 0)[0])


@pytest.mark.parametrize("what", TAMPERINGS)
def test_every_tampering_is_found_in_its_projection_alone(
    store: EventStore, keys: ProjectionKeys, redis_client: redis.Redis, what: str
) -> None:
    name, tamper = TAMPERINGS[what]
    tamper(redis_client, keys, ref_of(store))
    for each in PROJECTIONS:
        report = verify(store, each.name)
        assert report.is_equal == (each.name != name), each.name
        assert report.keys_differing == (1 if each.name == name else 0)
        assert all(str(each).isprintable() and each.key.encode() for each in report.differences)


def test_the_list_of_differences_is_bounded_and_the_count_is_not(
    store: EventStore, keys: ProjectionKeys, redis_client: redis.Redis
) -> None:
    for n in range(120):
        redis_client.hset(keys.index(f"extra{n}"), mapping={"a": 1, "b": 2})
    report = verify(store, "index", most=5)
    assert (report.keys_differing, len(report.differences)) == (120, 5)


def test_a_key_with_more_rows_than_a_page_is_read_whole(
    store: EventStore, keys: ProjectionKeys, redis_client: redis.Redis
) -> None:
    redis_client.hset(keys.index("big"), mapping={f"f{n}": n for n in range(3000)})
    report = verify(store, "index", most=10_000)
    assert (report.keys_differing, len(report.differences)) == (1, 3000)


def test_another_generation_is_not_looked_at(store: EventStore, redis_client: redis.Redis) -> None:
    second = store.parts.log.partitions[0].projection(2)
    redis_client.hset(second.index("s"), "a", 1)
    assert verify(store, "index").is_equal


def test_a_projection_that_is_behind_is_compared_where_it_is(store: EventStore) -> None:
    at = store.head()[0].position
    tell(store, "later")
    report = verify(store, "branch")
    assert (report.is_equal, report.position) == (True, at)


def interrupted(flow: Flow[T], before_step: Callable[[Step], object]) -> Flow[T]:
    """Do something before each step of a flow is performed."""
    step = next(flow)
    while True:
        before_step(step)
        result = yield step
        try:
            step = flow.send(result)
        except StopIteration as end:
            value: T = end.value
            return value


def verify_while_moving(store: EventStore, name: str) -> Verified:
    """Verify while the group applies one more event before each step of the verification."""
    moving = projection(name)
    flow = verify_projection(store.parts.log, 0, moving)
    return store.runner.run(interrupted(flow, lambda step: apply_batch(store, 0, moving, 1)))


def grow(store: EventStore, events: int) -> None:
    """Append artifacts to the session whose keys are there already."""
    header = {"session_id": "s", "agent_id": "a", "type": "state"}
    EventBus(store).publish_many([(header, n) for n in range(events)])


@pytest.mark.parametrize("events", [1, 4, 10, 40])
@pytest.mark.parametrize("name", ["index", "branch"])
def test_a_group_that_moves_meanwhile_is_no_difference(
    store: EventStore, name: str, events: int
) -> None:
    grow(store, events)
    assert verify_while_moving(store, name).is_equal


@pytest.mark.parametrize("events", [1, 10, 40])
def test_a_difference_is_found_though_the_group_moves(
    store: EventStore, keys: ProjectionKeys, redis_client: redis.Redis, events: int
) -> None:
    ref = ref_of(store)
    redis_client.hdel(keys.index("s"), ref)
    grow(store, events)
    report = verify_while_moving(store, "index")
    assert [(each.key, each.row) for each in report.differences] == [
        (keys.index("s"), ref.encode())
    ]
    assert report.position == store.head()[0].position


def test_a_group_that_never_stands_still_is_not_called_wrong(
    store: EventStore, keys: ProjectionKeys, redis_client: redis.Redis
) -> None:
    redis_client.hdel(keys.index("s"), ref_of(store))
    grow(store, 1000)
    with pytest.raises(Unavailable, match="moved whenever it was compared"):
        verify_while_moving(store, "index")


def test_a_checkpoint_of_another_history_is_refused(store: EventStore) -> None:
    log = store.parts.log
    position = store.head()[0].position
    forged = Call(
        "HSET", (log.partitions[0].checkpoints,), ("index", f"1:{position}:{'0' * 16}"), int
    )
    store.reading(lambda: call(forged))
    with pytest.raises(Diverged, match="another history"):
        verify(store, "index")


def test_a_checkpoint_beyond_the_log_is_refused(store: EventStore) -> None:
    log = store.parts.log
    beyond = f"1:{store.head()[0].position + 5}:{'0' * 16}"
    forged = Call("HSET", (log.partitions[0].checkpoints,), ("index", beyond), int)
    store.reading(lambda: call(forged))
    with pytest.raises(Diverged, match="the log does not go on"):
        verify(store, "index")


def test_two_generations_that_say_the_same_have_one_digest(
    store: EventStore, redis_client: redis.Redis
) -> None:
    first = verify(store, "timeline")
    partition = store.parts.log.partitions[0]
    redis_client.hset(partition.checkpoints, "timeline", f"2:0:{GENESIS}")
    apply_all(store, [projection("timeline")])
    second = verify(store, "timeline")
    assert (second.generation, second.is_equal) == (2, True)
    assert second.digest == first.digest
    assert verify(store, "index").digest != first.digest


def test_a_verification_begins_anew_when_a_rebuild_takes_over(
    store: EventStore, keys: ProjectionKeys, redis_client: redis.Redis
) -> None:
    """The old generation has a fault; the new one takes its place before the second look."""
    redis_client.hdel(keys.index("s"), ref_of(store))
    partition, index = store.parts.log.partitions[0], projection("index")
    checkpoint_reads = []

    def take_over(step: Step) -> None:
        if isinstance(step, Call) and step.keys == (partition.checkpoints,):
            checkpoint_reads.append(step)
            if len(checkpoint_reads) == 2:
                redis_client.hset(partition.checkpoints, "index", f"2:0:{GENESIS}")
                apply_all(store, [index])

    flow = verify_projection(store.parts.log, 0, index)
    report = store.runner.run(interrupted(flow, take_over))
    assert (report.generation, report.is_equal) == (2, True)


def test_names_that_look_like_patterns_are_names(server: PrivateServer, namespace: str) -> None:
    odd, plain = namespace + "[a-z]*?\\", namespace + "ab"
    with open_store(server, odd) as store, open_store(server, plain) as other:
        tell(store, "s*")
        tell(other, "s*")
        for each in (store, other):
            apply_all(each, PROJECTIONS)
        for name in ("index", "timeline", "branch", "evaluation"):
            assert verify(store, name).is_equal
            assert verify(other, name).is_equal
