"""An import that is killed or interrupted halfway: what is in is whole, and again completes it."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest
from support.event_files import exported, lines_of_steps, load, write_lines
from support.program import clean_environment, start_program
from support.stores import open_store
from support.wait import until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from support.server import PrivateServer

    from eventstore.store import EventStore

WINDOW = 500


@pytest.fixture
def target(server: PrivateServer, namespace: str) -> Iterator[EventStore]:
    with open_store(server, f"{namespace}-to") as store:
        yield store


@pytest.fixture
def lines(server: PrivateServer, namespace: str) -> list[bytes]:
    with open_store(server, f"{namespace}-from") as store:
        return lines_of_steps(store, 1_200)


def end_halfway(
    target: EventStore, server: PrivateServer, lines: list[bytes], folder: Path, how: signal.Signals
) -> tuple[subprocess.Popen[str], Any]:
    """Import from a pipe that gives a window and a half, and end the program once one is in."""
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    env = clean_environment(
        REDIS_URL=server.url,
        EVENTSTORE_STORE__NAMESPACE=target.parts.settings.store.namespace,
        EVENTSTORE_PAYLOADS__URL=str(folder / "payloads"),
    )
    program = start_program("import", str(pipe), "--format", "jsonl", env=env, cwd=folder)
    with program, pipe.open("wb") as file:
        file.writelines(lines[: WINDOW * 3 // 2])
        file.flush()
        until(lambda: target.head()[0].position >= WINDOW, timeout=60, what="a window is in")
        program.send_signal(how)
        said = program.communicate(timeout=60)
    return program, said


def test_a_killed_import_is_completed(
    target: EventStore, server: PrivateServer, lines: list[bytes], tmp_path: Path
) -> None:
    end_halfway(target, server, lines, tmp_path, signal.SIGKILL)
    assert exported(target) == lines[:WINDOW]
    loaded = load(target, write_lines(tmp_path / "all", lines))
    assert (loaded.added, loaded.known) == (len(lines) - WINDOW, WINDOW)
    assert exported(target) == lines


def test_an_interrupted_import_says_how_far_it_came(
    target: EventStore, server: PrivateServer, lines: list[bytes], tmp_path: Path
) -> None:
    program, (out, said) = end_halfway(target, server, lines, tmp_path, signal.SIGINT)
    assert (program.returncode, out) == (130, "")
    assert said == (
        f"stopped after {WINDOW} events, {WINDOW} of them added; "
        "the same import again completes it\n"
    )
