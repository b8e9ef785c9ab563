"""Every file of recorded runs that there is: in once, out equal, and with the known numbers.

Slow: all 160 runs pass through the whole store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.recorded_runs import check_numbers, check_round_trip
from support.tau_data import recorded_files
from support.terminal import Terminal

if TYPE_CHECKING:
    from pathlib import Path

    from support.server import PrivateServer


@pytest.mark.parametrize("path", recorded_files(), ids=lambda path: path.stem)
def test_recorded_runs_come_back_equal_and_scored(
    server: PrivateServer, namespace: str, path: Path, tmp_path: Path
) -> None:
    with Terminal(server, namespace, read_timeout=60.0).working() as terminal:
        check_round_trip(terminal, path, tmp_path)
        check_numbers(terminal, path)
