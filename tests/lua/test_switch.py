"""switch.lua: the new generation is live for all at once, at the same place of the log, or not.

And what apply.lua leaves out while a generation is being built.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from support.lua_run import LuaRun

GROUP, SHADOW, DROP = "index", "index@g2", "index@drop1"
START = "1:0:0000000000000000"


def chain_at(position: int, history: str = "0") -> str:
    return history + f"{position:015x}"


def checkpoint(generation: int, position: int, history: str = "0") -> str:
    return f"{generation}:{position}:{chain_at(position, history)}"


def standing(lua: LuaRun, live: str | None, shadow: str | None, head: int = 5) -> None:
    """Fill the log up to `head`, set both checkpoints, and give the rebuild's lease to `tok`."""
    for position in range(1, head + 1):
        lua.client.xadd(lua.keys.stream, {"chain": chain_at(position)}, id=f"0-{position}")
    lua.set_hash(lua.keys.meta, {"head": head, "chain": chain_at(head)})
    for field, value in ((GROUP, live), (SHADOW, shadow)):
        if value is not None:
            lua.set_hash(lua.keys.checkpoints, {field: value})
    lua.client.set(lua.keys.lease(SHADOW), "tok:7")


def switch(lua: LuaRun, rebuilt: str, token: str = "tok", outgoing: int = 1) -> list[Any]:
    keys = lua.keys
    own = [keys.lease(SHADOW), keys.meta, keys.stream, keys.checkpoints]
    return lua.run("switch", own, [token, GROUP, SHADOW, DROP, outgoing, rebuilt])


def checkpoints(lua: LuaRun) -> dict[str, str]:
    return lua.hash(lua.keys.checkpoints)


@pytest.mark.parametrize("position", [3, 5])
def test_level_checkpoints_are_switched_in_one_go(lua: LuaRun, position: int) -> None:
    live, rebuilt = checkpoint(1, position), checkpoint(2, position)
    standing(lua, live, rebuilt)
    assert switch(lua, rebuilt) == ["ok"]
    assert checkpoints(lua) == {GROUP: rebuilt, DROP: live}


def test_a_group_that_consumed_nothing_is_switched_at_the_start(lua: LuaRun) -> None:
    rebuilt = START.replace("1:", "2:", 1)
    standing(lua, None, rebuilt)
    assert switch(lua, rebuilt) == ["ok"]
    assert checkpoints(lua) == {GROUP: rebuilt, DROP: START}


def test_a_call_sent_again_is_answered_and_not_made_again(lua: LuaRun) -> None:
    rebuilt = checkpoint(2, 3)
    standing(lua, checkpoint(1, 3), rebuilt)
    switch(lua, rebuilt)
    lua.set_hash(lua.keys.checkpoints, {GROUP: checkpoint(2, 4)})
    before = lua.snapshot()
    assert switch(lua, rebuilt) == ["ok"]
    assert lua.snapshot() == before


@pytest.mark.parametrize("live", [checkpoint(1, 4), checkpoint(1, 2), None])
def test_a_live_checkpoint_elsewhere_is_told_and_nothing_written(
    lua: LuaRun, live: str | None
) -> None:
    standing(lua, live, checkpoint(2, 3))
    before = lua.snapshot()
    assert switch(lua, checkpoint(2, 3)) == ["behind", live or START]
    assert lua.snapshot() == before


@pytest.mark.parametrize("held", [None, "other:7", "to:7", "tok", "x:tok:7"])
def test_without_the_lease_nothing_is_written(lua: LuaRun, held: str | None) -> None:
    standing(lua, checkpoint(1, 3), checkpoint(2, 3))
    lua.client.unlink(lua.keys.lease(SHADOW))
    if held is not None:
        lua.client.set(lua.keys.lease(SHADOW), held)
    before = lua.snapshot()
    assert switch(lua, checkpoint(2, 3)) == ["fenced"]
    assert lua.snapshot() == before


@pytest.mark.parametrize("shadow", [checkpoint(2, 2), checkpoint(2, 3, "f"), None])
def test_a_shadow_that_is_not_as_it_was_left_is_told(lua: LuaRun, shadow: str | None) -> None:
    standing(lua, checkpoint(1, 3), shadow)
    before = lua.snapshot()
    assert switch(lua, checkpoint(2, 3)) == ["moved", shadow or ""]
    assert lua.snapshot() == before


@pytest.mark.parametrize("live", [checkpoint(3, 3), checkpoint(2, 3), checkpoint(10, 3)])
def test_an_older_generation_never_comes_back(lua: LuaRun, live: str) -> None:
    standing(lua, live, checkpoint(2, 3))
    before = lua.snapshot()
    assert switch(lua, checkpoint(2, 3), outgoing=int(live.split(":")[0])) == ["outdated", live]
    assert switch(lua, checkpoint(2, 3), outgoing=1) == ["outdated", live]
    assert lua.snapshot() == before


@pytest.mark.parametrize(
    "live",
    [checkpoint(1, 9), checkpoint(1, 3, "f"), checkpoint(1, 5, "f"), checkpoint(1, 4, "f")],
    ids=["beyond the head", "another chain", "another chain at the head", "elsewhere as well"],
)
def test_a_live_checkpoint_that_the_log_contradicts_is_replaced(lua: LuaRun, live: str) -> None:
    rebuilt = checkpoint(2, 5)
    standing(lua, live, rebuilt)
    assert switch(lua, rebuilt) == ["ok"]
    assert checkpoints(lua) == {GROUP: rebuilt, DROP: live}


def test_one_contradicted_checkpoint_is_not_replaced_by_another(lua: LuaRun) -> None:
    standing(lua, checkpoint(1, 9), checkpoint(2, 4, "f"))
    assert switch(lua, checkpoint(2, 4, "f")) == ["behind", checkpoint(1, 9)]


def test_a_trimmed_entry_contradicts_nothing(lua: LuaRun) -> None:
    standing(lua, checkpoint(1, 2, "f"), checkpoint(2, 5))
    lua.client.xtrim(lua.keys.stream, minid="0-4", approximate=False)
    assert switch(lua, checkpoint(2, 5)) == ["behind", checkpoint(1, 2, "f")]


def test_a_generation_being_built_is_shown_to_nobody(lua: LuaRun) -> None:
    standing(lua, checkpoint(1, 5), checkpoint(2, 0))
    keys = lua.keys
    own = [keys.lease(SHADOW), keys.stream, keys.checkpoints, keys.progress(SHADOW)]
    args = ["tok", SHADOW, "", checkpoint(2, 0), checkpoint(2, 3), 3, chain_at(3)]
    assert lua.run("apply", own, args) == ["ok"]
    assert checkpoints(lua)[SHADOW] == checkpoint(2, 3)
    assert lua.client.exists(keys.progress(SHADOW)) == 0
    assert lua.client.xinfo_groups(keys.stream) == []
