"""The blocking and the asyncio form of a class have the same methods, and say the same."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

import pytest

import eventstore
from eventstore import (
    AsyncEventBus,
    AsyncEventStore,
    EventBus,
    EventStore,
    async_overrides,
    overrides,
)
from eventstore.async_bus_branches import AsyncBusBranches
from eventstore.async_effects import AsyncSideEffects
from eventstore.bus_branches import BusBranches
from eventstore.effects import SideEffects
from eventstore.store_recovery import AsyncStoreRecovery, StoreRecovery

if TYPE_CHECKING:
    from collections.abc import Callable

TWINS = [
    (EventBus, AsyncEventBus),
    (BusBranches, AsyncBusBranches),
    (EventStore, AsyncEventStore),
    (StoreRecovery, AsyncStoreRecovery),
    (SideEffects, AsyncSideEffects),
]
# These return a twin of their own in either form; everything else is the same type.
OTHER_RESULT = {"compete", "redis", "subscribe"}
NOT_AWAITED = {"bind", "compete", "redis", "subscribe"}


def public(cls: object) -> dict[str, Any]:
    return {name: member for name, member in vars(cls).items() if not name.startswith("_")}


@pytest.mark.parametrize(("blocking", "asyncio"), TWINS)
def test_twins_have_the_same_methods(blocking: type, asyncio: type) -> None:
    assert list(public(blocking)) == list(public(asyncio))


@pytest.mark.parametrize(("blocking", "asyncio"), TWINS)
def test_twins_take_and_return_the_same(blocking: type, asyncio: type) -> None:
    for name, member in public(blocking).items():
        twin = public(asyncio)[name]
        if inspect.isfunction(member):
            assert signature(name, member) == signature(name, twin), name
            assert inspect.iscoroutinefunction(twin) == (name not in NOT_AWAITED), name
        else:
            assert name in OTHER_RESULT
            assert isinstance(twin, property)


def signature(name: str, function: Callable[..., Any]) -> inspect.Signature:
    """Return what a function takes, and what it returns if that is the same in both forms."""
    found = inspect.signature(function)
    return found.replace(return_annotation=None) if name in OTHER_RESULT else found


@pytest.mark.parametrize(("blocking", "asyncio"), TWINS)
def test_twins_are_described_alike(blocking: type, asyncio: type) -> None:
    for name, member in public(blocking).items():
        assert first_clause(member) == first_clause(public(asyncio)[name]), name


def first_clause(member: object) -> str:
    """Return a docstring up to where the blocking form may say more."""
    text = inspect.getdoc(member)
    assert text
    return re.split(r"[;.\n]", text)[0]


def test_overrides_are_the_same_functions() -> None:
    names = [name for name, member in public(overrides).items() if inspect.isfunction(member)]
    ours = [name for name in names if public(overrides)[name].__module__ == overrides.__name__]
    assert ours == ["write_override", "read_override", "override_history", "effective_agent"]
    for name in ours:
        blocking, twin = getattr(overrides, name), getattr(async_overrides, f"async_{name}")
        assert inspect.iscoroutinefunction(twin)
        assert getattr(eventstore, twin.__name__) is twin
        assert first_clause(blocking) == first_clause(twin)
        taken = [
            [(each.name, each.kind, each.default) for each in found.parameters.values()]
            for found in (inspect.signature(blocking), inspect.signature(twin))
        ]
        assert taken[0] == taken[1]


def test_both_can_be_used_in_a_with_block() -> None:
    for blocking, asyncio in ((EventBus, AsyncEventBus), (EventStore, AsyncEventStore)):
        assert {"__enter__", "__exit__"} <= vars(blocking).keys()
        assert {"__aenter__", "__aexit__"} <= vars(asyncio).keys()
