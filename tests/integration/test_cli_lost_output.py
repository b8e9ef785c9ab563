"""A full disk, a closed stdout and a reader that left: an exit code and a line, no traceback."""

from __future__ import annotations

import os
import subprocess
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from support.artifacts import artifacts
from support.program import COMMAND, clean_environment
from support.stores import open_store

if TYPE_CHECKING:
    from support.server import PrivateServer

FULL: Final = Path("/dev/full")
_SECONDS: Final = 60.0


@pytest.fixture
def environment(server: PrivateServer, namespace: str, tmp_path: Path) -> dict[str, str]:
    """The environment of a program on a store that has one artifact."""
    env = clean_environment(
        REDIS_URL=server.url,
        EVENTSTORE_STORE__NAMESPACE=namespace,
        EVENTSTORE_PAYLOADS__URL=str(tmp_path / "payloads"),
    )
    with open_store(server, namespace) as store:
        store.append("s", artifacts("s", 1))
    return env


def run(*arguments: str, env: dict[str, str], stdout: int | None) -> tuple[int, str]:
    """Run a command whose stdout is this descriptor, None for a closed one; (code, stderr)."""
    closing_it = ["sh", "-c", 'exec "$@" >&-', "sh"] if stdout is None else []
    done = subprocess.run(
        [*closing_it, *COMMAND, *arguments],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        timeout=_SECONDS,
        check=False,
    )
    return done.returncode, done.stderr


def nobody_reads() -> int:
    """Return the writing end of a pipe whose reading end is closed."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


TAIL: Final = ("artifact", "tail", "s")
HELP: Final = ("session", "--help")
TABLE: Final = ("session", "list")


@pytest.mark.parametrize("arguments", [HELP, TABLE, (*TAIL, "--json")], ids=" ".join)
def test_a_full_disk_is_said_and_is_code_74(
    environment: dict[str, str], arguments: tuple[str, ...]
) -> None:
    with FULL.open("wb") as full:
        code, said = run(*arguments, env=environment, stdout=full.fileno())
    assert said == ("eventstore: stdout: No space left on device; what was written is not whole\n")
    assert code == 74


@pytest.mark.parametrize("arguments", [HELP, TABLE], ids=" ".join)
def test_a_reader_that_left_is_code_141_without_a_word(
    environment: dict[str, str], arguments: tuple[str, ...]
) -> None:
    with closing(os.fdopen(nobody_reads(), "wb")) as pipe:
        assert run(*arguments, env=environment, stdout=pipe.fileno()) == (141, "")


def test_a_closed_stdout_is_said(environment: dict[str, str]) -> None:
    code, said = run(*TAIL, env=environment, stdout=None)
    assert (code, said.count("\n")) == (74, 1)
    assert "Bad file descriptor" in said


def test_an_error_is_said_although_its_document_cannot_be_written(
    environment: dict[str, str],
) -> None:
    with FULL.open("wb") as full:
        code, said = run("session", "show", "none", "--json", env=environment, stdout=full.fileno())
    assert code == 74
    assert "no session 'none'" in said


def test_a_note_that_nobody_reads_does_no_harm(environment: dict[str, str]) -> None:
    with FULL.open("wb") as full:
        done = subprocess.run(
            [*COMMAND, "session", "show", "none"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=full,
            timeout=_SECONDS,
            check=False,
        )
    assert (done.returncode, done.stdout) == (1, b"")
