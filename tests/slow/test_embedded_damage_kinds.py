"""Every damage to the files of an embedded store, and a kill -9 at every step of moving them aside.

Slow because each damage starts servers of its own, and each step has a process that is killed.
"""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest
from support.damaging import DAMAGES, EVENTS, NOTHING_WHOLE, Filled, contents

from consumers.supervision.mending import make_ready
from eventstore.embedded import accept_damage, read_damage
from eventstore.embedded.damage import set_aside
from eventstore.errors import DataLost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    with Filled.write(tmp_path_factory.mktemp("filled")) as filled:
        yield filled


@pytest.mark.parametrize("name", DAMAGES)
def test_what_the_journal_holds_comes_back(filled: Filled, name: str) -> None:
    home = filled.copy("whole")
    damaged = home.damage(DAMAGES[name])
    with home.served():
        assert home.read() == filled.events
    assert home.kept() == [damaged]


@pytest.mark.parametrize("name", NOTHING_WHOLE)
def test_a_store_of_which_nothing_is_left_is_not_begun_anew_silently(
    filled: Filled, name: str
) -> None:
    home = filled.copy("none")
    damaged = home.damage(DAMAGES[name])
    with home.served(), pytest.raises(DataLost, match="no journal of it"):
        home.read()
    assert home.kept() == [damaged]
    # Nor after another start.
    with home.served():
        with pytest.raises(DataLost):
            home.read()
        accept_damage(home.home)
        assert home.read() == []


def test_a_set_aside_that_is_killed_at_any_step_is_completed_by_the_next_start(
    filled: Filled,
) -> None:
    steps = 0
    for kill_at in range(1, 500):
        home = filled.copy("none")
        damaged = home.damage(DAMAGES["zeros in the middle"])
        if not killed(kill_at, partial(set_aside, home.home, "damaged")):
            break
        steps += 1
        make_ready(home.home)
        if read_damage(home.home) is None:
            # Nothing was moved: the server finds the damage again.
            assert contents(home.append_only) == damaged
            set_aside(home.home, "damaged")
        found = read_damage(home.home)
        assert found is not None
        assert list(found.ends.values()) == [EVENTS]
        assert home.kept() == [damaged]
        assert not home.home.data_ready.exists()
    assert steps > 20


def killed(at: int, work: Callable[[], object]) -> bool:
    """Do work in a child that is killed at its n-th use of a file; return whether it was."""
    child = os.fork()
    if child == 0:
        count = 0

        def count_and_kill(event: str, _: object) -> None:
            nonlocal count
            if event == "open" or event.startswith(("os.", "shutil.")):
                count += 1
                if count == at:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count_and_kill)
        work()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)
