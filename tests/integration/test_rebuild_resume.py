"""A rebuild that was cut short is completed or given up, and never done by two at once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from support.applying import apply_all
from support.consuming import publish
from support.rebuilding import INDEX, Site, abort, told
from support.wait import until

from consumers.rebuild.run import Stage, Step
from eventstore.chain import GENESIS
from eventstore.errors import Diverged, NotCaughtUp, RebuildRefused
from projections.registry import PROJECTIONS, projection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.server import PrivateServer

GROUPS = {each.name for each in PROJECTIONS}


@pytest.fixture
def site(server: PrivateServer, namespace: str) -> Iterator[Site]:
    with told(server, namespace) as site:
        yield site


@pytest.fixture
def four(server: PrivateServer, namespace: str) -> Iterator[Site]:
    """A store of four partitions."""
    with told(server, namespace, 4, sessions=12) as site:
        yield site


@pytest.mark.parametrize("stage", Stage)
def test_a_rebuild_cut_short_goes_on_where_it_was(site: Site, stage: Stage) -> None:
    site.cut_short(stage)
    publish(site.store, "s", 50)
    apply_all(site.store, PROJECTIONS)
    (done,) = site.rebuild()
    assert (done.generation, done.verified.is_equal) == (2, True)
    assert done.resumed == (stage is not Stage.MEASURE)
    assert done.verified.position == site.head
    assert set(site.checkpoints()) == GROUPS
    assert not site.written(1)


def test_partitions_that_are_done_are_not_done_again(four: Site) -> None:
    four.cut_short(Stage.BUILD, 2)
    found = four.rebuild()
    assert [(each.partition, each.generation) for each in found] == [(2, 2), (3, 2)]
    assert all(each.resumed and each.verified.is_equal for each in found)
    assert four.generations() == [2, 2, 2, 2]
    assert [each.partition for each in four.rebuild()] == [0, 1, 2, 3]


def test_what_was_given_up_is_dropped_and_its_number_not_used_again(site: Site) -> None:
    assert abort(site.settings, INDEX) is None
    site.cut_short(Stage.BUILD)
    assert abort(site.settings, INDEX) == len(site.written(1))
    assert not site.written(2)
    assert site.generations() == [1]
    # What is left where the giving up is killed.
    site.client.hset(site.keys.projection(2).index("s"), "late", "x")
    (done,) = site.rebuild()
    assert (done.generation, done.resumed, done.verified.is_equal) == (3, False, True)
    assert not site.written(2)
    assert set(site.checkpoints()) == GROUPS


def test_giving_up_that_was_killed_half_way_counts(site: Site) -> None:
    """The marker is there, and what was built as well."""
    site.cut_short(Stage.BUILD)
    site.client.hset(site.keys.checkpoints, "index@drop2", f"2:0:{GENESIS}")
    (done,) = site.rebuild()
    assert (done.generation, done.resumed, done.verified.is_equal) == (3, False, True)
    assert not site.written(2)
    assert not any(name.startswith("index@drop") for name in site.checkpoints())


def test_one_partition_is_given_up_and_the_others_completed(four: Site) -> None:
    four.cut_short(Stage.BUILD, 1, only=1)
    four.cut_short(Stage.BUILD, 2, only=2)
    assert abort(four.settings, INDEX, partition=1) is not None
    found = four.rebuild()
    assert [each.partition for each in found] == [0, 1, 2, 3]
    assert all(each.verified.is_equal for each in found)
    assert all(generation >= 2 for generation in four.generations())
    assert all(set(four.checkpoints(p)) <= GROUPS for p in range(4))


def test_a_running_rebuild_is_not_joined_by_another(site: Site) -> None:
    done, lease = threading.Event(), site.keys.lease("index@g2")

    def beat() -> None:
        count = 0
        while not done.wait(0.01):
            site.client.set(lease, f"other:{count}")
            count += 1

    beating = threading.Thread(target=beat)
    beating.start()
    try:
        until(lambda: site.client.exists(lease), what="another rebuild")
        with pytest.raises(RebuildRefused, match="another rebuild of 'index' is under way"):
            site.rebuild()
    finally:
        done.set()
        beating.join()
    assert site.generations() == [1]


def test_a_rebuild_that_was_overtaken_writes_no_more(site: Site) -> None:
    """The first is frozen within a stage; another one waits its lease out and completes it."""
    publish(site.store, "s", 1200)
    apply_all(site.store, PROJECTIONS)
    completed: list[bool] = []
    models: list[dict[str, bytes | None]] = []

    def complete() -> None:
        completed.extend(each.verified.is_equal for each in site.rebuild())
        models.append(site.everything())

    def freeze(step: Step) -> None:
        if step.stage is Stage.BUILD and not completed:
            other = threading.Thread(target=complete)
            other.start()
            other.join()

    with pytest.raises(RebuildRefused, match="took this one over"):
        site.rebuild(INDEX, freeze)
    assert completed == [True]
    assert site.everything() == models[0]


def test_what_a_running_rebuild_makes_can_be_given_up(site: Site) -> None:
    publish(site.store, "s", 1200)
    apply_all(site.store, PROJECTIONS)
    dropped: list[int | None] = []

    def give_up(step: Step) -> None:
        if step.stage is Stage.BUILD and not dropped:
            other = threading.Thread(target=lambda: dropped.append(abort(site.settings, INDEX)))
            other.start()
            other.join()

    with pytest.raises(RebuildRefused, match="took this one over"):
        site.rebuild(INDEX, give_up)
    assert dropped[0]
    assert site.generations() == [1]
    assert not site.written(2)
    assert site.rebuild()[0].generation == 3


def test_what_was_built_from_another_history_is_not_completed(site: Site) -> None:
    site.client.hset(site.keys.checkpoints, "index@g2", f"2:3:{'a' * 16}")
    with pytest.raises(Diverged, match="give it up with --abort"):
        site.rebuild()
    assert abort(site.settings, INDEX) == 0
    assert site.rebuild()[0].verified.is_equal


def test_a_live_group_behind_what_was_built_is_told(site: Site) -> None:
    site.cut_short(Stage.BUILD)
    site.client.hset(site.keys.checkpoints, "index", f"1:0:{GENESIS}")
    with pytest.raises(NotCaughtUp, match="index"):
        site.rebuild()
    apply_all(site.store, [INDEX])
    (done,) = site.rebuild()
    assert (done.resumed, done.verified.is_equal) == (True, True)


def test_projections_are_rebuilt_beside_one_another(site: Site) -> None:
    site.cut_short(Stage.BUILD)
    (other,) = site.rebuild(projection("timeline"))
    assert (other.generation, other.resumed, other.verified.is_equal) == (2, False, True)
    (done,) = site.rebuild()
    assert (done.generation, done.resumed, done.verified.is_equal) == (2, True, True)
