"""Damaged data of an embedded store is kept aside; the store comes back, or says what is lost."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from support import damaging
from support.artifacts import artifacts
from support.damaging import DAMAGES, EVENTS, JOURNALLED, SESSION, Filled, facts
from typer.testing import CliRunner

from consumers.cli import app
from consumers.monitoring.diagnosis import examine_home
from eventstore.embedded import accept_damage, read_damage
from eventstore.embedded.append_only import DIRECTORY
from eventstore.errors import DataLost
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.damaging import DamagedHome

NAMED = ("zeros in the middle", "no manifest")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    with Filled.write(tmp_path_factory.mktemp("filled")) as filled:
        yield filled


@pytest.mark.parametrize("name", NAMED)
def test_what_the_journal_holds_comes_back_and_the_damaged_files_are_kept(
    filled: Filled,
    caplog: pytest.LogCaptureFixture,
    name: str,
) -> None:
    home = filled.copy("whole")
    damaged = home.damage(DAMAGES[name])
    with home.served():
        assert home.read() == filled.events
        with EventStore(home.settings) as store:
            store.append(SESSION, artifacts(SESSION, 1))
    assert home.kept() == [damaged]
    damage = read_damage(home.home)
    assert damage is not None
    said = [line.getMessage() for line in caplog.records if line.levelno == logging.WARNING]
    assert any("IS DAMAGED" in line and damage.where in line for line in said)
    assert any("back from the journal" in line or "from its journal" in line for line in said)
    # It goes on from the new files, and the note does no harm.
    with home.served():
        assert home.read()[:-1] == filled.events
    assert len(home.kept()) == 1


def test_without_a_journal_what_is_whole_is_kept_and_the_loss_is_known_to_the_event(
    filled: Filled,
) -> None:
    home = filled.copy("none")
    home.damage(damaging.before(20))
    with home.served():
        with pytest.raises(DataLost, match="30 acknowledged events are lost") as caught:
            home.read()
        lost = caught.value
        with pytest.raises(DataLost):
            home.read()
        assert (lost.partition, lost.held, lost.found) == (0, EVENTS, 15)
        assert str(lost.directories[0]) in str(lost)
        assert "eventstore repair --accept-loss" in str(lost)
        accepted = accept_damage(home.home)
        assert accepted is not None
        assert (lost.directories[0] / "accepted.json").exists()
        assert home.read() == filled.events[:15]


def test_a_journal_that_does_not_reach_is_put_back_and_the_rest_is_said_to_be_lost(
    filled: Filled,
) -> None:
    home = filled.copy("short")
    home.damage(damaging.before(20))
    with home.served():
        with pytest.raises(DataLost) as caught:
            home.read()
        assert (caught.value.held, caught.value.found) == (EVENTS, JOURNALLED)
        accept_damage(home.home)
        assert home.read() == filled.events[:JOURNALLED]


def test_a_store_of_which_nothing_is_left_is_not_begun_anew_silently(
    filled: Filled,
) -> None:
    home = filled.copy("none")
    damaged = home.damage(DAMAGES["a changed base"])
    with home.served():
        with pytest.raises(DataLost, match="no journal of it"):
            home.read()
        # Nor by whoever comes next.
        with pytest.raises(DataLost) as caught:
            home.read()
        assert caught.value.partition is None
        assert home.kept() == [damaged]
        accept_damage(home.home)
        assert home.read() == []


def test_a_program_that_had_it_open_goes_on_with_what_came_back(filled: Filled) -> None:
    home = filled.copy("whole")
    with EventStore(home.settings) as store:
        with home.served():
            assert len(store.read(SESSION)) == EVENTS
        home.damage(DAMAGES["no manifest"])
        with home.served():
            (row,) = store.append(SESSION, artifacts(SESSION, 1))
            assert row.position == EVENTS + 1
            assert facts(store.read(SESSION))[:-1] == filled.events


def test_an_end_that_was_not_written_is_cut_off_and_nothing_is_moved(
    filled: Filled,
    caplog: pytest.LogCaptureFixture,
) -> None:
    home = filled.copy("none")
    home.damage(damaging.torn)
    with home.served():
        assert home.read() == filled.events
    assert home.kept() == []
    assert "was never acknowledged" in caplog.text


def test_the_files_put_back_whole_are_taken_as_they_are(filled: Filled) -> None:
    home = filled.copy("none")
    home.damage(damaging.before(20))
    with home.served(), pytest.raises(DataLost):
        home.read()
    damage = read_damage(home.home)
    assert damage is not None
    home.home.data.rename(home.home.path / "cut")
    damage.directories[0].rename(home.home.data)
    for path in (filled.root / DIRECTORY).iterdir():
        (home.append_only / path.name).write_bytes(path.read_bytes())
    with home.served():
        assert home.read() == filled.events


def test_what_a_second_damage_leaves_is_held_to_what_the_first_one_noted(
    filled: Filled,
) -> None:
    home = filled.copy("none")
    home.damage(damaging.before(20))
    with home.served():
        pass
    home.damage(damaging.before(10))
    with home.served():
        with pytest.raises(DataLost) as caught:
            home.read()
        assert (caught.value.held, caught.value.found) == (EVENTS, 5)
        assert len(caught.value.directories) == len(home.kept()) == 2


def test_the_command_line_says_what_is_lost_and_goes_on_when_told_to(
    filled: Filled,
) -> None:
    home = filled.copy("none")
    refused = typed(home, "repair", "--accept-loss")
    assert (refused.exit_code, "files were damaged" in refused.stderr) == (2, True)
    home.damage(damaging.before(20))
    with home.served():
        told = typed(home, "session", "list")
        assert (told.exit_code, "--accept-loss" in told.stderr) == (5, True)
        (row,) = json.loads(typed(home, "repair", "--json").stdout)
        assert (row["log"]["position"], "held events up to 45" in row["problem"]) == (15, True)
        assert "--accept-loss" in row["remedy"]
        (data,) = [each for each in examine_home(home.home.path) if each.name == "data"]
        assert (data.status, str(home.home.damaged) in data.detail) == ("warning", True)
        assert typed(home, "repair", "--accept-loss", "--keep", "stream").exit_code == 2
        done = json.loads(typed(home, "repair", "--accept-loss", "--json").stdout)
        assert done["directories"] == [str(each) for each in home.home.damaged.iterdir()]
        assert len(home.read()) == 15


def typed(home: DamagedHome, *arguments: str) -> Any:
    """Run a command with the address and the data directory in its environment."""
    url = home.settings.redis.url
    assert url is not None
    environment = {
        "REDIS_URL": url.get_secret_value(),
        "EVENTSTORE_HOME": str(home.home.path),
        "EVENTSTORE_MODE": "test",
    }
    return CliRunner().invoke(app, arguments, env=environment)
