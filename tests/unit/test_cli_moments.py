"""Moments as people type them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from consumers.cli.moments import parse_moment
from eventstore.errors import InvalidInput

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("30s", "2026-03-10T11:59:30.000Z"),
        ("15m", "2026-03-10T11:45:00.000Z"),
        ("2h", "2026-03-10T10:00:00.000Z"),
        ("3d", "2026-03-07T12:00:00.000Z"),
        ("1w", "2026-03-03T12:00:00.000Z"),
        ("2026-03-01T00:00:00Z", "2026-03-01T00:00:00.000Z"),
        (" 2026-03-01T01:00:00+01:00 ", "2026-03-01T00:00:00.000Z"),
    ],
)
def test_a_moment(text: str, moment: str) -> None:
    assert parse_moment(text, "--since", NOW) == moment


def test_no_moment_stays_none() -> None:
    assert parse_moment(None, "--since") is None


@pytest.mark.parametrize("text", ["", "15", "m", "-5m", "yesterday", "2026-03-01", "9" * 9 + "w"])
def test_what_is_no_moment_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidInput, match="--since"):
        parse_moment(text, "--since", NOW)
