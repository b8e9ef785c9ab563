"""Side effects of many processes at once, some of which are killed in them.

Slow because each process opens a store of its own.
"""

from __future__ import annotations

import os
import random
import signal
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

import pytest
from support.effect_process import Makers, Said, makers
from support.stores import make_settings, open_store
from support.wait import until

from eventstore import EffectUnanswered, EventBus, SideEffects

if TYPE_CHECKING:
    from pathlib import Path

    from support.server import PrivateServer

ROUNDS: Final = 4
MAKERS: Final = 6
KEYS: Final = 60


def of_key(said: list[Said], key: str) -> dict[str, list[Said]]:
    """Return what was said of a key, by what happened."""
    found: dict[str, list[Said]] = {}
    for each in said:
        if each.key == key:
            found.setdefault(each.what, []).append(each)
    return found


def _has_said(program: Makers, lines: int) -> bool:
    return len(program.said()) >= lines


def test_of_sixteen_processes_one_makes_it(
    server: PrivateServer, namespace: str, tmp_path: Path
) -> None:
    settings = make_settings(server, namespace)
    with open_store(server, namespace), makers(settings, tmp_path / "made") as program:
        program.start([["order-17", "order-18"]] * 16)
        said = program.wait()
        program.start([["order-17", "order-18"]] * 2)
        program.wait()
        later = program.said()[len(said) :]
    for key in ("order-17", "order-18"):
        found = of_key(said, key)
        assert len(found["made"]) == 1
        [executed] = found["executed"]
        answers = found.get("answered", []) + found.get("EffectUnanswered", [])
        assert len({each.pid for each in answers} | {executed.pid}) == 16
        assert {each.about for each in found.get("answered", [])} <= {executed.about}
        assert [each.about for each in of_key(later, key)["answered"]] == [executed.about] * 2


def test_who_is_killed_in_it_leaves_an_unanswered_call(
    server: PrivateServer, namespace: str, tmp_path: Path
) -> None:
    settings = make_settings(server, namespace)
    with open_store(server, namespace) as store, makers(settings, tmp_path / "made") as program:
        program.start([["die-1"]])
        program.wait()
        program.start([["die-1"]])
        said = of_key(program.wait(), "die-1")
        [made], [refused] = said["made"], said["EffectUnanswered"]
        assert "executed" not in said
        bus = EventBus(store)
        [row] = bus.effects("s")
        assert (row.key, row.status, row.agent_id) == ("die-1", "unanswered", f"agent-{made.pid}")
        assert refused.about == row.ref
        effects = SideEffects(bus, "s", agent_id="operator")
        with pytest.raises(EffectUnanswered, match=row.ref):
            effects.run("make", lambda: "again", key="die-1")
        assert effects.run("make", lambda: "again", key="die-1", retry_after=0).attempt == 2


def test_whoever_is_killed_when_none_is_made_twice(
    server: PrivateServer, namespace: str, tmp_path: Path
) -> None:
    settings = make_settings(server, namespace)
    chance = random.Random(7)
    keys = [f"key-{n}" for n in range(KEYS)]
    with open_store(server, namespace) as store, makers(settings, tmp_path / "made") as program:
        for _ in range(ROUNDS):
            before = len(program.said())
            children = program.start([chance.sample(keys, KEYS) for _ in range(MAKERS)])
            goal = before + chance.randint(1, KEYS)
            until(partial(_has_said, program, goal), what="effects that are made")
            for child in children[: MAKERS // 2]:
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            program.wait()
        said = program.said()
        rows = EventBus(store).effects("s")
    made = [each.key for each in said if each.what == "made"]
    assert len(set(made)) == len(made)
    # None was made that the log does not know, and each is answered, or said to be unanswered.
    calls = {row.key: row for row in rows}
    assert len(calls) == len(rows) == KEYS
    assert set(made) <= set(calls)
    assert {key for key in calls if key not in made} <= {
        row.key for row in rows if row.status == "unanswered"
    }
    assert all(row.attempt == 1 for row in rows)
