"""Names of any text, on both forms of the bus: kept exactly everywhere, or refused by the field."""

from __future__ import annotations

import enum
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from support.buses import BusUnderTest
from support.consuming import running, until_caught_up
from support.event_files import exported, load, numbers, read_models, write_lines
from support.hostile import NAMES, NO_NAMES
from support.payloads import payload_of, with_payloads
from support.stores import make_settings, open_store

from consumers.applying.journal_group import JournalHandler
from consumers.applying.payload_group import PayloadHandler
from eventstore.bus import EventBus
from eventstore.errors import BranchNotFound, InvalidInput, SessionNotFound
from eventstore.journal import Journal
from eventstore.journal_format import field
from eventstore.overrides import read_override, write_override

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.server import PrivateServer

    from consumers.working.groups import Factory
    from eventstore.store import EventStore

LEAST: dict[str, Any] = {"session_id": "s", "agent_id": "a", "type": "state"}
FILES: dict[str, Factory] = {"payloads": PayloadHandler, "journal": JournalHandler}
PARTITIONS = 4


@pytest.fixture(params=["blocking", "asyncio"])
def kept(
    request: pytest.FixtureRequest, server: PrivateServer, namespace: str, tmp_path: Path
) -> Iterator[BusUnderTest]:
    """A bus of either form whose payloads and journal lie in files."""
    portal = request.getfixturevalue("portal") if request.param == "asyncio" else None
    settings = with_payloads(make_settings(server, namespace, PARTITIONS), tmp_path / "p")
    under_test = BusUnderTest(settings, portal)
    try:
        yield under_test
    finally:
        under_test.close()


def named(name: str, session: str) -> dict[str, Any]:
    """Return a header with a name wherever one goes."""
    return {
        "session_id": session,
        "agent_id": name,
        "branch_id": name,
        "episode_id": name,
        "group_id": name,
        "type": name,
        "correlation_id": name,
        "tool_name": name,
        "meta": {"tags": [name], name: {name: name}},
    }


def test_a_name_is_the_same_wherever_it_is_read(
    kept: BusUnderTest, server: PrivateServer, namespace: str, tmp_path: Path
) -> None:
    given = [named(name, name) for name in NAMES]
    rows = kept.bus.publish_many([(header, header["session_id"]) for header in given])
    for name in NAMES:
        write_override(EventBus(kept.store), name, name, {name: name})
    kept.project()
    for header, row in zip(given, rows, strict=True):
        name = header["session_id"]
        found = kept.bus.get(row.ref)
        assert {key: found.header[key] for key in header} == header
        assert found.payload == name
        (only,) = kept.bus.search(name, tag=name, type=name, agent=name, branch=name)
        assert only == found
        (step,) = kept.bus.history(name, name)
        assert (step.header["ref"], step.payload) == (row.ref, name)
        assert {each["branch_id"] for each in kept.bus.branches(name)} == {name}
        assert read_override(EventBus(kept.store), name, name) == {name: name}
    with running(kept.settings, FILES):
        for group in FILES:
            until_caught_up(kept.store, group)
    for name in NAMES:
        first = kept.store.read(name)[0]
        assert payload_of(kept.store, first) == name
    assert in_the_journal(kept.store) == sorted([*NAMES, *NAMES])
    with open_store(server, f"{namespace}-to", PARTITIONS) as target:
        lines = exported(kept.store)
        load(target, write_lines(tmp_path / "all", lines))
        assert exported(target) == lines
        assert all(numbers(target, name) == numbers(kept.store, name) for name in NAMES)
        assert read_models(target) == read_models(kept.store)


def in_the_journal(store: EventStore) -> list[str]:
    """Return the sessions that the journal's entries are of."""
    journal = Journal(store.parts.payloads, store.open().uuid)
    entries = (entry for p in range(PARTITIONS) for entry in journal.entries(p))
    return sorted(field(entry, "session") for entry in entries)


def test_names_of_one_session_that_look_alike_are_never_mixed(tested: BusUnderTest) -> None:
    rows = tested.bus.publish_many(
        [(named(name, "s"), number) for number, name in enumerate(NAMES)]
    )
    tested.project()
    for number, name in enumerate(NAMES):
        for named_by in ("tag", "type", "agent", "branch"):
            given: Any = {named_by: name}
            assert [row.payload for row in tested.bus.search("s", **given)] == [number], given
        (step,) = tested.bus.history("s", name)
        assert (step.header["step_idx"], step.payload) == (0, number)
    assert [row.step_idx for row in rows] == [0] * len(NAMES)
    assert {each["branch_id"] for each in tested.bus.branches("s")} == {*NAMES}


def test_a_fork_of_any_name_shows_what_it_was_forked_from(
    bus: EventBus, tested: BusUnderTest
) -> None:
    bus.publish(LEAST, 0)
    forks = [name for name in NAMES if name != "main"]
    for name in forks:
        assert bus.fork("s", 0, name, agent_id=name) == name
    tested.project()
    assert [each["branch_id"] for each in bus.branches("s")] == ["main", *forks]
    assert all(len(bus.history("s", name)) == 1 for name in forks)


class Word(str, enum.Enum):  # noqa: UP042 - prints as its name, which a StrEnum does not
    """Texts that print as something else than they are."""

    SESSION = "s"
    AGENT = "an agent"
    BRANCH = "a branch"


def test_a_member_of_an_enumeration_is_the_text_that_it_is(tested: BusUnderTest) -> None:
    header = {
        **LEAST,
        "session_id": Word.SESSION,
        "agent_id": Word.AGENT,
        "meta": {"k": Word.AGENT},
    }
    tested.bus.publish(header, Word.AGENT)
    tested.bus.publish({**header, "branch_id": Word.BRANCH, "meta": {"tags": [Word.BRANCH]}}, 1)
    tested.bus.fork(Word.SESSION, 0, Word.AGENT, agent_id=Word.AGENT)
    write_override(EventBus(tested.store), Word.AGENT, Word.SESSION, {"k": Word.AGENT})
    tested.project()
    assert tested.bus.search("s", branch="main")[0].payload == "an agent"
    assert tested.bus.search("s", tag="a branch")[0].header["branch_id"] == "a branch"
    names = [each["branch_id"] for each in tested.bus.branches(Word.SESSION)]
    assert names == ["main", "a branch", "an agent"]
    assert read_override(EventBus(tested.store), "an agent", "s") == {"k": "an agent"}
    assert {each.event.lane for each in tested.store.read("s")} == {
        *("branch:main", "branch:a branch", "lineage:an agent", "override:an agent")
    }


FIELDS = ("session_id", "agent_id", "branch_id", "episode_id", "group_id", "type", "correlation_id")
EXACT = ("ref", "target", "ts", "traceparent")


@pytest.mark.parametrize("value", NO_NAMES.values(), ids=list(NO_NAMES))
def test_what_is_no_name_is_refused_by_its_field(tested: BusUnderTest, value: Any) -> None:
    bus = tested.bus
    ref = bus.publish(LEAST, 1).ref
    headers = [({**LEAST, name: value}, name) for name in (*FIELDS, *EXACT)]
    headers.append(({**LEAST, "meta": {"tags": ["t", value]}}, "meta.tags[1]"))
    headers.append(({**LEAST, "parent_refs": [value]}, "parent_refs"))
    for header, name in headers:
        refused(partial(bus.publish, header, 1), f"header.{name}")
        refused(partial(bus.publish_many, [(LEAST, 1), (header, 1)]), f"items[1].header.{name}")
    for name, call in calls(bus, ref, value).items():
        refused(call, name)
    overrides = EventBus(tested.store)
    refused(partial(write_override, overrides, value, "s", {"k": 1}), "agent_id")
    refused(partial(write_override, overrides, "a", value, {"k": 1}), "session_id")
    assert tested.events == 1


def calls(bus: EventBus, ref: str, value: Any) -> dict[str, Callable[[], object]]:
    """Return a call for each argument that is a name, by how its refusal begins."""
    return {
        "name": lambda: bus.fork("s", 0, value),
        "parent": lambda: bus.fork("s", 0, "b", parent=value),
        "session_id": lambda: bus.fork(value, 0, "b"),
        "agent_id": lambda: bus.rewind("s", 0, agent_id=value),
        "branch": lambda: bus.checkout("s", value),
        "evaluator_id": lambda: bus.create_evaluation_for(ref, evaluator_id=value),
        "request_ref": lambda: bus.create_evaluation_for(ref, evaluator_id="e", request_ref=value),
        "ref": lambda: bus.rewind("s", 0, ref=value),
        "tag": lambda: bus.search("s", tag=value),
        "type": lambda: bus.search("s", type=value),
        "agent": lambda: bus.search("s", agent=value),
        "since": lambda: bus.search("s", since=value),
        "group": lambda: bus.subscribe(group=value),
        "types": lambda: bus.subscribe(group="g", types=[value]),
        "bind.agent_id": lambda: bus.bind(agent_id=value).__enter__(),
    }


def refused(call: Callable[[], object], field_: str) -> None:
    """Fail unless a call is refused, in a message that begins with the field and is no flood."""
    with pytest.raises(InvalidInput) as error:
        call()
    said = str(error.value)
    assert said.startswith(field_), said
    assert len(said.encode()) < 2_000


NO_META: tuple[tuple[dict[Any, Any], str], ...] = (
    ({"a\ud800": 1}, "header.meta"),
    ({"k": {"x": ["\udfff"]}}, "header.meta.k.x[0]"),
    ({"k" * 70_000: 1}, "header"),
    ({"k": "x" * 1_000_000}, "header"),
    ({1: 2}, "header.meta"),
    ({10**5_000: 2}, "header.meta"),
    ({"k": 2**64}, "header.meta.k"),
    ({"k": b"x"}, "header.meta.k"),
    ({"k" * 1_000_000: float("nan")}, "header.meta.kkk"),
    ({"tags": "not a list"}, "header.meta.tags"),
    ({"tags": ["t"] * 101}, "header.meta.tags"),
)


def test_meta_that_no_header_can_hold_is_refused(tested: BusUnderTest) -> None:
    for meta, name in NO_META:
        refused(partial(tested.bus.publish, {**LEAST, "meta": meta}, 1), name)
    unknown: dict[Any, Any] = {**LEAST, 10**5_000: 1}
    refused(partial(tested.bus.publish, unknown, 1), "header.an integer of")
    refused(partial(tested.bus.publish, {**LEAST, "\ud800": 1}, 1), "header.\\ud800: there is no")
    assert tested.events == 0


def test_what_is_not_there_is_said_by_its_name(tested: BusUnderTest) -> None:
    tested.bus.publish(LEAST, 1)
    tested.project()
    for name in NAMES:
        with pytest.raises(SessionNotFound):
            tested.bus.history("no" + name[:100])
        if name != "main":
            with pytest.raises(BranchNotFound):
                tested.bus.history("s", name)
