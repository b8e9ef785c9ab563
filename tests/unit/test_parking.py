"""Whose fault a failure is, what is kept of it, and when an event is given up."""

from __future__ import annotations

import pytest
import redis.exceptions
from support.consuming import drafts

from eventstore.codec import Recorded
from eventstore.errors import (
    CommandFailed,
    Conflict,
    Diverged,
    EventStoreError,
    InvalidInput,
    NotCaughtUp,
    PayloadDamaged,
    PayloadMissing,
    PayloadStoreError,
    PluginError,
    StoreFull,
    StoreUnreachable,
    UndecodableEvent,
    WriteRefused,
)
from eventstore.keys import Keys
from eventstore.parking.blame import MAX_ERROR, MAX_TRACEBACK, describe, is_events_own
from eventstore.parking.record import decode_parked, encode_parked, parked
from eventstore.parking.trial import Trial
from eventstore.redaction import Redactor
from eventstore.settings_models import ConsumingSettings


@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError("x"),
        KeyError("x"),
        OSError("x"),
        PayloadMissing("x"),
        PayloadDamaged("x"),
        PluginError("p", "s", "x"),
        WriteRefused("x"),
        InvalidInput("x"),
        Conflict("lane", 1, 2),
        redis.exceptions.ResponseError("WRONGTYPE x"),
    ],
)
def test_what_the_same_event_would_meet_again_is_its_own_fault(error: Exception) -> None:
    assert is_events_own(error)


@pytest.mark.parametrize(
    "error",
    [
        StoreUnreachable("x"),
        StoreFull("x"),
        PayloadStoreError("x"),
        NotCaughtUp("index", 1, 2, 3.0),
        UndecodableEvent("x"),
        Diverged("x"),
        CommandFailed("x"),
        EventStoreError("x"),
        MemoryError(),
        redis.exceptions.ConnectionError("x"),
        redis.exceptions.TimeoutError("x"),
        redis.exceptions.OutOfMemoryError("x"),
        redis.exceptions.ReadOnlyError("x"),
        KeyboardInterrupt(),
    ],
)
def test_what_is_around_the_event_is_not_its_fault(error: BaseException) -> None:
    assert not is_events_own(error)


def test_a_fault_is_kept_without_secrets_and_bounded() -> None:
    def fail(api_key: str) -> None:
        raise ValueError(f"api_key={api_key} is refused by sk-abcdefgh1234, \ud800" + "x" * 40_000)

    with pytest.raises(ValueError, match="refused") as caught:
        fail("hunter2-hunter2")
    fault = describe(caught.value, Redactor(["hunter2-hunter2"]))
    assert fault.error.startswith("ValueError: api_key=**********")
    for text, most in ((fault.error, MAX_ERROR), (fault.traceback, MAX_TRACEBACK)):
        assert len(text) <= most
        assert "hunter2" not in text
        assert "sk-abc" not in text
    assert fault.error.encode()


def test_a_record_reads_back() -> None:
    event = event_at(7)
    fault = describe(ZeroDivisionError("a defect"), Redactor())
    item = parked(event, fault, 5)
    assert decode_parked(encode_parked(item)) == item
    assert (item.position, item.ref, item.attempts) == (7, event.event.ref, 5)
    assert item.error == "ZeroDivisionError: a defect"


def test_members_of_sessions_never_meet() -> None:
    keys = Keys("n", 0).parked("g")
    low, high = keys.of_session("a")
    inside = [keys.in_session("a", 1), keys.in_session("a", 2**60)]
    outside = [keys.in_session(name, 1) for name in ("a:b", "a;", "ab", "", "A", "a\x00", "aé")]
    assert all(low[1:] <= member < high[1:] for member in inside)
    assert not any(low[1:] <= member < high[1:] for member in outside)


def event_at(position: int) -> Recorded:
    [draft] = drafts("s", 1)
    digest, chain = draft.digest.hex(), "0" * 16
    return Recorded(draft.event, 0, position, position - 1, position - 1, 0, digest, chain)


class TestTrial:
    settings = ConsumingSettings(attempts=3)

    def test_a_batch_is_taken_apart_and_never_given_up(self) -> None:
        trial = Trial(self.settings)
        assert trial.limit(0, 500) == 500
        assert not trial.failed([event_at(n) for n in range(1, 6)])
        assert [trial.limit(after, 500) for after in (0, 4, 5)] == [1, 1, 500]
        assert trial.tries == 0

    def test_one_event_is_given_up_after_its_tries(self) -> None:
        trial = Trial(self.settings)
        assert [trial.failed([event_at(4)]) for _ in range(3)] == [False, False, True]
        assert trial.tries == 3

    def test_tries_are_of_one_event(self) -> None:
        trial = Trial(self.settings)
        trial.failed([event_at(4)])
        trial.failed([event_at(4)])
        assert not trial.failed([event_at(5)])
        assert trial.tries == 1
        trial.passed()
        assert trial.tries == 0

    def test_the_pause_grows_with_the_tries_of_an_event(self) -> None:
        trial = Trial(ConsumingSettings(attempts=9, first_retry_seconds=2, longest_retry_seconds=9))
        for least, most in ((1, 2), (2, 4), (4, 8), (4.5, 9)):
            trial.failed([event_at(1)])
            assert least <= trial.pause(99) <= most
        trial.passed()
        assert trial.pause(1) <= 0.05
