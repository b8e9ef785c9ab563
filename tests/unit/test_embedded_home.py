"""The data directory is found, created and refused as documented."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from eventstore.embedded import filesystems
from eventstore.embedded.filesystems import filesystem_type
from eventstore.embedded.home import locate, open_home
from eventstore.errors import EmbeddedError

MOUNTINFO = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:25 / /home rw shared:5 - nfs4 server:/export rw
31 30 254:1 / /home/ann/local rw shared:6 master:2 - xfs /dev/vdb rw
32 22 0:26 / /media/my\\040disk rw - fuse.sshfs host: rw
33 22 0:27 / /tmp rw - tmpfs tmpfs rw
34 22 0:28 / /tmp rw - 9p share rw
"""


class TestLocate:
    def test_the_configured_directory_wins(self, tmp_path: Path) -> None:
        (tmp_path / ".eventstore").mkdir()
        assert locate(tmp_path / "elsewhere", tmp_path) == tmp_path / "elsewhere"

    def test_the_nearest_parent_that_has_one(self, tmp_path: Path) -> None:
        deep = tmp_path / "a" / "b" / "c"
        deep.mkdir(parents=True)
        (tmp_path / ".eventstore").mkdir()
        assert locate(None, deep) == tmp_path / ".eventstore"
        (tmp_path / "a" / "b" / ".eventstore").mkdir()
        assert locate(None, deep) == tmp_path / "a" / "b" / ".eventstore"

    def test_a_file_of_that_name_is_passed_over(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        (tmp_path / ".eventstore").mkdir()
        (tmp_path / "a" / ".eventstore").touch()
        assert locate(None, tmp_path / "a") == tmp_path / ".eventstore"

    def test_else_the_working_directory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert locate(None) == tmp_path / ".eventstore"
        assert not (tmp_path / ".eventstore").exists()

    def test_a_relative_one_is_relative_to_the_working_directory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert locate(Path("x")) == tmp_path / "x"
        monkeypatch.setenv("HOME", str(tmp_path))
        assert locate(Path("~/x")) == tmp_path / "x"


class TestOpenHome:
    def test_created_private_and_said_once(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.WARNING):
            home = open_home(tmp_path / "a" / ".eventstore")
            assert open_home(tmp_path / "a" / ".eventstore") == home
        assert [record.getMessage() for record in caplog.records] == [
            f"created the data directory {home.path}"
        ]
        for directory in (home.path, home.data, home.payloads):
            assert directory.stat().st_mode & 0o777 == 0o700
        assert (home.path / ".gitignore").read_text() == "*\n"

    def test_one_directory_by_two_names_is_one_home(self, tmp_path: Path) -> None:
        home = open_home(tmp_path / "real")
        (tmp_path / "link").symlink_to(tmp_path / "real")
        assert open_home(tmp_path / "link") == home

    def test_a_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(EmbeddedError, match=r"file is not a directory.*EVENTSTORE_HOME"):
            open_home(tmp_path / "file")

    def test_a_path_below_a_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(EmbeddedError, match="cannot create the data directory"):
            open_home(tmp_path / "file" / "home")

    def test_a_directory_that_others_can_write_is_refused(self, tmp_path: Path) -> None:
        open_home(tmp_path / "home")
        (tmp_path / "home").chmod(0o770)
        with pytest.raises(EmbeddedError, match="can be written by other users"):
            open_home(tmp_path / "home")

    def test_a_directory_of_another_user_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        open_home(tmp_path / "home")
        other = os.geteuid() + 1
        monkeypatch.setattr(os, "geteuid", lambda: other)
        with pytest.raises(EmbeddedError, match=f"not to uid {other}"):
            open_home(tmp_path / "home")

    def test_a_network_file_system_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        table = tmp_path / "mountinfo"
        table.write_text(f"30 22 0:25 / {tmp_path} rw - nfs4 server:/export rw\n")
        monkeypatch.setattr(filesystems, "MOUNT_TABLE", table)
        with pytest.raises(EmbeddedError, match=r"network file system \(nfs4\).*REDIS_URL"):
            open_home(tmp_path / "home")

    def test_every_part_has_a_path_of_its_own(self, tmp_path: Path) -> None:
        home = open_home(tmp_path / "home")
        parts = {
            name: getattr(home, name)
            for name, member in vars(type(home)).items()
            if isinstance(member, property)
        }
        assert len(set(parts.values())) == len(parts)
        assert all(path.parent == home.path for path in parts.values())


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv/data", "ext4"),
        ("/home/ann/store", "nfs4"),
        ("/home/ann/local/store", "xfs"),
        ("/homework", "ext4"),
        ("/media/my disk/store", "fuse.sshfs"),
        ("/tmp/store", "9p"),
    ],
)
def test_the_deepest_and_latest_mount_counts(path: str, kind: str) -> None:
    assert filesystem_type(Path(path), MOUNTINFO) == kind


def test_no_mount_matches() -> None:
    assert filesystem_type(Path("/srv"), "") is None
