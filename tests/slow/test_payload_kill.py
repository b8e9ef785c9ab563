"""A writer killed anywhere leaves whole files only, and what it said is written is there.

Slow since it kills 40 real processes in the middle of writes of up to 4 MiB.
"""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support import payload_writer
from support.payload_writer import SESSION, payload_of
from support.wait import until

from eventstore.payload_store import PayloadStore

if TYPE_CHECKING:
    from pathlib import Path

ROUNDS = 20


def written(process: subprocess.Popen[str], count: int) -> list[tuple[int, str]]:
    """Return the first so many writes that a writer reported."""
    assert process.stdout is not None
    lines = [process.stdout.readline().split() for _ in range(count)]
    return [(int(number), ref) for number, ref in lines]


def start(url: str, seed: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, payload_writer.__file__, url, seed], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [1, 2])
def test_kill_9_in_the_middle_of_writes(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    url = f"file://{tmp_path}/root"
    reported: list[tuple[int, str]] = []
    for number in range(ROUNDS):
        # Two writers of the same payloads; every other round writes those of the one before.
        processes = [start(url, f"{seed}.{number // 2}") for _ in range(2)]
        for process in processes:
            reported += written(process, chance.randint(1, 12))
        if number % 2:
            until(lambda: any((tmp_path / "root").rglob(".*.part")), what="a write is under way")
        for process in processes:
            process.kill()
        for process in processes:
            with process:
                process.wait()
    store = PayloadStore(url)
    check_reported(store, reported)
    check_visible(store, tmp_path / "root")


def check_reported(store: PayloadStore, reported: list[tuple[int, str]]) -> None:
    """All that was said to be written is there and undamaged."""
    assert len(reported) >= ROUNDS * 2
    for number, ref in reported:
        info = payload_of(ref).info
        raw = store.read_digest(info) if number % 2 else store.read(SESSION, ref, info)
        assert len(raw) == info.size


def check_visible(store: PayloadStore, root: Path) -> None:
    """All that is visible is whole; parts are told apart by name, and the sweep removes them."""
    for path in (root / "artifacts").rglob("[!.]*.bin"):
        assert path.read_bytes() == payload_of(path.stem).data
    digests = store.digests(0)
    for digest in digests:
        assert hashlib.sha256((root / digest.file.path).read_bytes()).hexdigest() == digest.sha256
    assert digests
    parts = set(root.rglob(".*.part"))
    assert parts, "no writer was killed in the middle of a write"
    visible = {path for path in root.rglob("*") if path.is_file()} - parts
    assert store.delete_leftovers(0) == len(parts)
    assert {path for path in root.rglob("*") if path.is_file()} == visible
    assert store.usage().files == len(visible)
