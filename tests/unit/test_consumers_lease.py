"""A contender takes a lease by its own clock alone."""

from __future__ import annotations

from eventstore.consuming.lease import Watch


def test_a_free_lease_may_be_taken_at_once() -> None:
    watch = Watch(patience=6.0)
    watch.look("", 100.0)
    assert watch.may_take(100.0)


def test_a_lease_that_stands_still_may_be_taken_after_the_patience() -> None:
    watch = Watch(patience=6.0)
    watch.look("a:1", 100.0)
    assert not watch.may_take(100.0)
    watch.look("a:1", 105.9)
    assert not watch.may_take(105.9)
    watch.look("a:1", 106.0)
    assert watch.may_take(106.0)


def test_every_change_starts_the_patience_anew() -> None:
    watch = Watch(patience=6.0)
    watch.look("a:1", 100.0)
    watch.look("a:2", 105.0)
    assert not watch.may_take(106.0)
    watch.look("b:0", 110.9)
    assert not watch.may_take(116.0)
    watch.look("", 116.0)
    assert watch.may_take(116.0)
    watch.look("b:0", 117.0)
    assert not watch.may_take(118.0)


def test_a_contender_that_slept_looks_before_it_takes() -> None:
    watch = Watch(patience=6.0)
    watch.look("a:1", 100.0)
    watch.look("a:40", 500.0)
    assert not watch.may_take(500.0)
