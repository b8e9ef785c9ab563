"""What a client says about its supervisor is what the supervisor hears."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from consumers.__main__ import parse_up, up
from eventstore.embedded.options import SupervisorOptions

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "options",
    [
        SupervisorOptions(),
        SupervisorOptions(
            linger=0.25,
            stay=True,
            worker_command=("worker", "--only", "index", "-x"),
            maxmemory=1 << 30,
            min_free_bytes=0,
        ),
    ],
)
def test_options_survive_the_command_line(options: SupervisorOptions, tmp_path: Path) -> None:
    assert parse_up(["--home", str(tmp_path), *options.arguments()]) == (tmp_path, options)


def test_the_defaults_of_the_command_are_those_of_the_options() -> None:
    assert parse_up([]) == (None, SupervisorOptions())


def test_a_home_that_cannot_be_used_ends_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    assert up(["--home", str(tmp_path / "file")]) == 1
    assert "is not a directory" in caplog.text
