"""A server listens in its home, or, if that is too deep, at one recorded place elsewhere."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

import pytest
import redis
from support.server import short_dir

from eventstore.embedded.home import open_home
from eventstore.embedded.sockets import (
    MAX_PATH_BYTES,
    claim_socket_path,
    socket_path,
    socket_url,
)
from eventstore.errors import EmbeddedError

if TYPE_CHECKING:
    from pathlib import Path

    from eventstore.embedded.home import Home


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = short_dir()
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    return directory


@pytest.fixture
def deep_home(tmp_path: Path) -> Home:
    return open_home(tmp_path / ("d" * MAX_PATH_BYTES) / ".eventstore")


def test_a_short_path_is_in_the_home(short: Path) -> None:
    home = open_home(short / "home")
    assert socket_path(home) == claim_socket_path(home) == home.path / "server.sock"


def test_the_limit_is_counted_in_bytes(short: Path) -> None:
    fixed = len(os.fsencode(short / "x" / "server.sock")) - 1
    fits = open_home(short / ("x" * (MAX_PATH_BYTES - fixed)))
    assert socket_path(fits).parent == fits.path
    assert len(os.fsencode(socket_path(fits))) == MAX_PATH_BYTES
    over = open_home(short / ("x" * (MAX_PATH_BYTES - fixed - 1) + "é"))
    assert socket_path(over).parent != over.path


def test_a_deep_home_uses_the_runtime_directory(
    short: Path, deep_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    path = claim_socket_path(deep_home)
    assert path.parent == short / "eventstore"
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert len(os.fsencode(path)) <= MAX_PATH_BYTES


def test_without_a_runtime_directory_it_uses_a_private_one_in_tmp(
    short: Path, deep_home: Home
) -> None:
    path = claim_socket_path(deep_home)
    assert path.parent == short / f"eventstore-{os.geteuid()}"
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_where_the_server_listens_does_not_depend_on_who_asks(
    short: Path, deep_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed = claim_socket_path(deep_home)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short / "login-session"))
    assert socket_path(deep_home) == claimed


def test_two_deep_homes_have_two_sockets(short: Path, deep_home: Home, tmp_path: Path) -> None:
    other = open_home(tmp_path / ("e" * MAX_PATH_BYTES) / ".eventstore")
    assert claim_socket_path(deep_home) != claim_socket_path(other)


@pytest.mark.parametrize("trap", ["open", "link", "file"])
def test_a_directory_that_another_may_have_laid_out_is_refused(
    short: Path, deep_home: Home, trap: str
) -> None:
    squatted = short / f"eventstore-{os.geteuid()}"
    if trap == "open":
        squatted.mkdir()
        squatted.chmod(0o755)
    elif trap == "link":
        (short / "elsewhere").mkdir(mode=0o700)
        squatted.symlink_to(short / "elsewhere")
    else:
        squatted.touch()
    with pytest.raises(EmbeddedError, match=r"eventstore-\d+"):
        claim_socket_path(deep_home)


def test_a_runtime_directory_that_is_too_deep_is_refused(
    deep_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep_home.path))
    with pytest.raises(EmbeddedError, match="over 100 bytes"):
        claim_socket_path(deep_home)


@pytest.mark.parametrize("name", ["plain", "with blank", "100%", "q?x=1#y", "é"])
def test_redis_py_reads_the_path_back_from_the_url(name: str, tmp_path: Path) -> None:
    path = tmp_path / name / "server.sock"
    with redis.Redis.from_url(socket_url(path)) as client:
        assert client.connection_pool.connection_kwargs["path"] == str(path)
