"""Two names never share a key: every key function, every partition, every generation."""

from __future__ import annotations

import inspect
from typing import Any, Final, NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.generating import events, names, refs

from eventstore.errors import InvalidName
from eventstore.events import (
    ArtifactAmended,
    ArtifactPublished,
    BranchCheckedOut,
    BranchForked,
    BranchPopped,
    BranchPruned,
    BranchRewound,
    BranchUnpruned,
    Event,
    OverrideWritten,
    SessionTicked,
    TickStalled,
)
from eventstore.keys import Keys, ProjectionKeys, entry_id, position_of
from eventstore.names import escape


def _functions(cls: type) -> dict[str, int]:
    """Return the key functions of a class with the number of names that each takes."""
    found = {}
    for name, member in vars(cls).items():
        if name.startswith("_") or name in ("namespace", "partition", "prefix", "projection"):
            continue
        if not inspect.isfunction(member):
            found[name] = 0
        elif (signature := inspect.signature(member)).return_annotation == "str":
            found[name] = len(signature.parameters) - 1
    # Its family may be any, also one of this project: who loads projections keeps them apart.
    found.pop("of_family", None)
    return found


LOG_KEYS: Final = _functions(Keys)
VIEW_KEYS: Final = _functions(ProjectionKeys)


class Address(NamedTuple):
    """What a key stands for."""

    namespace: str
    partition: int
    generation: int | None
    function: str
    names: tuple[str, ...]

    @property
    def key(self) -> str:
        keys = Keys(self.namespace, self.partition)
        owner: Any = keys if self.generation is None else keys.projection(self.generation)
        found = getattr(owner, self.function)
        return str(found(*self.names) if self.names else found)


def _of(function: str, count: int, generation: st.SearchStrategy[int | None]) -> Any:
    one = refs if function == "payload" else names
    return st.builds(
        Address,
        namespace=st.sampled_from(["es", "es:0", "es:1"]) | names,
        partition=st.integers(0, 11),
        generation=generation,
        function=st.just(function),
        names=st.tuples(*[one] * count),
    )


addresses = st.one_of(
    *(_of(function, count, st.none()) for function, count in LOG_KEYS.items()),
    *(_of(function, count, st.integers(1, 12)) for function, count in VIEW_KEYS.items()),
)


def test_every_key_function_is_found() -> None:
    assert {"meta", "stream", "refs", "session", "session_log", "payload"} <= LOG_KEYS.keys()
    assert {"session": 1, "payload": 1, "meta": 0}.items() <= LOG_KEYS.items()
    assert {"index": 1, "tag": 2, "branch": 2, "branches": 1}.items() <= VIEW_KEYS.items()


@given(addresses, addresses)
@example(
    Address("es", 0, None, "session", ("a:log",)), Address("es", 0, None, "session_log", ("a",))
)
@example(
    Address("es", 0, 1, "branch", ("a", "b:timeline")),
    Address("es", 0, 1, "timeline", ("a:branch:b",)),
)
@example(Address("es", 0, 2, "index", ("a",)), Address("es", 0, 1, "index", ("g2:artifacts:a",)))
@example(Address("es:1", 1, None, "meta", ()), Address("es", 1, None, "meta", ()))
@example(Address("a", 0, None, "session", ("%3A",)), Address("a", 0, None, "session", (":",)))
def test_two_addresses_never_share_a_key(one: Address, other: Address) -> None:
    assert (one.key == other.key) == (one == other)


@given(st.data(), addresses)
def test_near_addresses_never_share_a_key(data: st.DataObject, one: Address) -> None:
    """The same, with all but one part of the address the same."""
    part = data.draw(st.sampled_from((*Address._fields[:2], "names")))
    if part == "names" and one.names:
        drawn = refs if one.function == "payload" else names
        value: Any = data.draw(st.tuples(*[drawn] * len(one.names)))
    else:
        part = "partition" if part == "names" else part
        value = data.draw(names if part == "namespace" else st.integers(0, 11))
    other = one._replace(**{part: value})
    assert (one.key == other.key) == (one == other)


paths = st.tuples(names, names, st.lists(names, max_size=2).map(tuple))


@given(paths, paths)
@example(("f", "s", ()), ("f", "s", ("",)))
@example(("f", "s:f", ()), ("f", "s", ("f",)))
def test_keys_of_families_of_ones_own_are_told_apart(
    one: tuple[str, str, tuple[str, ...]], other: tuple[str, str, tuple[str, ...]]
) -> None:
    keys = Keys("es", 0).projection(3)
    first = keys.of_family(one[0], one[1], *one[2])
    second = keys.of_family(other[0], other[1], *other[2])
    assert (first == second) == (one == other)
    assert keys.family_of(first) == escape(one[0])
    assert Keys("es", 0).projection().family_of(first) is None


@given(addresses.filter(lambda one: not one.function.endswith("pattern")))
def test_all_keys_of_a_partition_share_its_hash_tag(one: Address) -> None:
    """Patterns of SCAN are no keys: they escape what a namespace may hold and a glob reads."""
    tag = one.key[: one.key.index("}") + 1]
    assert tag == f"{{{escape(one.namespace)}:{one.partition}}}"


@given(names, names)
def test_escaping_keeps_names_apart(one: str, other: str) -> None:
    assert (escape(one) == escape(other)) == (one == other)
    assert not set(escape(one)) & set(":{}\n\x00")


@given(events, events)
def test_events_of_two_lanes_never_share_a_counter(one: Event, other: Event) -> None:
    assert (one.lane == other.lane) == (counts(one) == counts(other))


def counts(event: Event) -> tuple[str, ...]:
    """Return what an event's lane counts: a sort of thing, and whose it is."""
    if isinstance(event, ArtifactPublished):
        return "steps", event.branch_id
    if isinstance(event, BranchForked | BranchRewound | BranchPopped):
        return "lineage", event.branch_id
    if isinstance(event, OverrideWritten | BranchCheckedOut):
        return event.kind, event.agent_id
    if isinstance(event, ArtifactAmended):
        return "amendments", event.target
    if isinstance(event, BranchPruned | BranchUnpruned):
        return ("prunings",)
    if isinstance(event, SessionTicked | TickStalled):
        return ("ticks",)
    sort, _, _ = event.kind.partition(".")
    return (sort,) if sort in ("agent", "evaluation", "session") else (event.kind,)


@pytest.mark.parametrize("namespace", ["", "\ud800", "n" * 1025])
def test_a_namespace_is_a_name(namespace: str) -> None:
    with pytest.raises(InvalidName):
        Keys(namespace, 0)


@given(st.integers(0, 2**53))
def test_an_entry_id_is_its_position(position: int) -> None:
    assert position_of(entry_id(position).encode()) == position
