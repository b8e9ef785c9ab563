"""Event time: UTC with milliseconds and a Z, whatever form it was given in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore import current_timestamp
from eventstore.errors import InvalidEvent
from eventstore.times import from_milliseconds, parse_timestamp, to_milliseconds

# Bounds are naive: hypothesis puts the zones to them. A day is left for the offset.
FIRST, LAST = datetime(1, 1, 2), datetime(9999, 12, 30)  # noqa: DTZ001
moments = st.datetimes(FIRST, LAST, timezones=st.timezones() | st.just(UTC))


def test_now() -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    text = current_timestamp()
    assert parse_timestamp(text) == text
    assert before <= datetime.fromisoformat(text) <= datetime.now(UTC)


def test_now_does_not_go_back() -> None:
    texts = [current_timestamp() for _ in range(5000)]
    assert all(one <= other for one, other in pairwise(texts))


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_milliseconds_come_back(milliseconds: int) -> None:
    text = from_milliseconds(milliseconds)
    assert to_milliseconds(text) == milliseconds
    assert parse_timestamp(text) == text


@given(moments)
def test_any_aware_moment_is_kept_to_the_millisecond(moment: datetime) -> None:
    for given_as in (moment, moment.isoformat()):
        text = parse_timestamp(given_as)
        assert len(text) == 24
        assert timedelta(0) <= moment - datetime.fromisoformat(text) < timedelta(milliseconds=1)


@given(moments, moments)
def test_texts_sort_as_moments_do(one: datetime, other: datetime) -> None:
    texts = parse_timestamp(one), parse_timestamp(other)
    assert (texts[0] < texts[1]) == (to_milliseconds(texts[0]) < to_milliseconds(texts[1]))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("2026-01-01", "has no offset"),
        ("2026-01-01T00:00:00", "has no offset"),
        (datetime(2026, 1, 1), "has no offset"),  # noqa: DTZ001  # the fault
        ("2026-13-01T00:00:00Z", "is not an ISO-8601 time"),
        ("", "is not an ISO-8601 time"),
        ("now", "is not an ISO-8601 time"),
        ("\uff12\uff10\uff12\uff16-01-01T00:00:00.000Z", "is not an ISO-8601 time"),
        (1_767_225_600, "is text or datetime, not int"),
        (None, "is text or datetime, not NoneType"),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))), "outside the years"),
    ],
)
def test_what_is_no_moment_is_refused_by_its_field(value: Any, said: str) -> None:
    with pytest.raises(InvalidEvent, match=f"^since: .*{said}"):
        parse_timestamp(value, "since")
