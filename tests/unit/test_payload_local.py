"""The payload store on a disk: durable, whole, and clear about what went wrong."""

from __future__ import annotations

import errno
import importlib
import os
import stat
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from eventstore.errors import PayloadMissing, PayloadStoreError, SettingsError
from eventstore.payload_store import EventPayload, PayloadStore
from eventstore.payloads import encode_payload
from eventstore.refs import derived_ref

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

REF = derived_ref("local")
ITEM = encode_payload("payload", "text", 2048)


def write(store: PayloadStore, session_id: str = "s") -> str:
    return store.write(session_id, REF, ITEM.info, ITEM.data)


def names_below(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_a_file_is_fsynced_then_renamed_then_its_directories_are_fsynced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deeds: list[tuple[str, int]] = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(descriptor: int) -> None:
        status = os.fstat(descriptor)
        deeds.append(("folder" if stat.S_ISDIR(status.st_mode) else "file", status.st_ino))
        fsync(descriptor)

    def noted_replace(source: Path, target: Path) -> None:
        deeds.append(("rename", source.stat().st_ino))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    store = PayloadStore(f"file://{tmp_path}/root")
    target = tmp_path / "root" / write(store)
    file = target.stat().st_ino
    folder = target.parent.stat().st_ino
    assert deeds[-3:] == [("file", file), ("rename", file), ("folder", folder)]
    above = [path.stat().st_ino for path in list(target.parents)[1:5]]
    assert {inode for _, inode in deeds[:-3]} == set(above), "new directories' entries, to the root"


def test_of_several_files_each_is_fsynced_then_renamed_and_each_folder_fsynced_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deeds: list[tuple[str, int]] = []
    fsync, replace = os.fsync, os.replace
    store = PayloadStore(f"file://{tmp_path}")
    sessions = ("s", "t", "s")
    for session in sessions:
        write(store, session)

    def noted_fsync(descriptor: int) -> None:
        deeds.append(("fsync", os.fstat(descriptor).st_ino))
        fsync(descriptor)

    def noted_replace(source: Path, target: Path) -> None:
        deeds.append(("rename", source.stat().st_ino))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    refs = [derived_ref(str(number)) for number in range(3)]
    payloads = [
        EventPayload(session, ref, ITEM.info, ITEM.data)
        for session, ref in zip(sessions, refs, strict=True)
    ]
    paths = [tmp_path / name for name in store.write_many(payloads)]
    files = [path.stat().st_ino for path in paths]
    folders = {path.parent.stat().st_ino for path in paths}
    assert deeds[:6] == [deed for file in files for deed in (("fsync", file), ("rename", file))]
    assert sorted(deeds[6:]) == sorted(("fsync", folder) for folder in folders)


def test_a_disk_that_hangs_fails_a_write_in_time(tmp_path: Path) -> None:
    store = PayloadStore(f"file://{tmp_path}", timeout=0.1)
    write(store)
    gate, fsync = threading.Event(), os.fsync

    def hanging(descriptor: int) -> None:
        gate.wait()
        fsync(descriptor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", hanging)
        with pytest.raises(PayloadStoreError, match=r"no answer within 0\.1 s; see whether"):
            write(store)
        gate.set()
    assert write(store) in names_below(tmp_path)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_write_that_fails_half_way_leaves_nothing_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    store = PayloadStore(f"file://{tmp_path}")

    def failing(descriptor: int) -> None:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing)
        with pytest.raises(PayloadStoreError) as caught:
            write(store)
    assert names_below(tmp_path) == set()
    remedy = {
        errno.ENOSPC: "free space on its disk",
        errno.EDQUOT: "raise the quota",
        errno.EIO: "check the disk",
    }
    message = str(caught.value)
    assert message.startswith(f"writing file://{tmp_path}/artifacts/s/payloads/{REF}.txt: ")
    assert remedy[code] in message
    assert write(store) in names_below(tmp_path)


@pytest.mark.parametrize("doing", [write, lambda store: store.read("s", REF, ITEM.info)])
def test_a_root_that_is_not_there_is_no_new_root_and_no_lost_payload(
    tmp_path: Path, doing: Callable[[PayloadStore], object]
) -> None:
    store = PayloadStore(f"file://{tmp_path}/not-mounted/payloads")
    with pytest.raises(PayloadStoreError, match="mount its disk"):
        doing(store)
    assert not (tmp_path / "not-mounted").exists()


def test_in_a_root_that_is_there_an_unwritten_payload_is_missing(tmp_path: Path) -> None:
    with pytest.raises(PayloadMissing):
        PayloadStore(f"file://{tmp_path}").read("s", REF, ITEM.info)


def test_a_file_in_the_place_of_a_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "artifacts").touch()
    store = PayloadStore(f"file://{tmp_path}")
    with pytest.raises(PayloadStoreError, match="a file is in the place of a directory"):
        write(store)
    with pytest.raises(PayloadStoreError, match="a file is in the place of a directory"):
        store.read("s", REF, ITEM.info)


def test_a_directory_in_the_place_of_a_file_is_named(tmp_path: Path) -> None:
    store = PayloadStore(f"file://{tmp_path}")
    (tmp_path / write(store)).unlink()
    (tmp_path / write(store)).unlink()
    (tmp_path / "artifacts" / "s" / "payloads" / f"{REF}.txt").mkdir()
    for attempt in (write, lambda store: store.read("s", REF, ITEM.info)):
        with pytest.raises(PayloadStoreError, match="a directory is in the place of a file"):
            attempt(store)


def test_a_removed_session_directory_is_made_again(tmp_path: Path) -> None:
    store = PayloadStore(f"file://{tmp_path}")
    path = tmp_path / write(store)
    path.unlink()
    path.parent.rmdir()
    with pytest.raises(PayloadStoreError):
        write(store)
    assert (tmp_path / write(store)).read_bytes() == b"payload"


def test_unfinished_files_are_neither_counted_nor_listed_but_swept_by_age(tmp_path: Path) -> None:
    store = PayloadStore(f"file://{tmp_path}")
    path = write(store)
    store.write_digest(ITEM.info, ITEM.data)
    finished = names_below(tmp_path)
    parts = [
        (tmp_path / path).with_name(f".{REF}.txt.99-00ff.part"),
        tmp_path / "payloads" / f".sha256-{ITEM.info.sha256}.txt.99-00ff.part",
    ]
    for part in parts:
        part.write_bytes(b"pay")
    os.utime(parts[0], (0, 0))
    assert store.usage().files == len(store.digests(0)) + 1 == 2
    assert store.delete_leftovers(3600) == 1
    assert not parts[0].exists()
    assert store.delete_leftovers(0) == 1
    assert names_below(tmp_path) == finished


def test_the_sweep_goes_by_the_time_of_the_last_write(tmp_path: Path) -> None:
    store = PayloadStore(f"file://{tmp_path}")
    path = store.write_digest(ITEM.info, ITEM.data)
    os.utime(tmp_path / path, (1_000_000, 1_000_000))
    [listed] = store.digests(86_400)
    assert (listed.sha256, listed.file.modified) == (ITEM.info.sha256, 1_000_000)
    store.write_digest(ITEM.info, ITEM.data)
    assert store.digests(86_400) == []
    assert not store.delete_digest(listed)


@pytest.mark.parametrize("prefix", ["file://", "local://", ""])
def test_a_directory_is_named_in_several_ways(tmp_path: Path, prefix: str) -> None:
    write(PayloadStore(f"{prefix}{tmp_path}/a%20b"))
    assert (tmp_path / "a%20b" / "artifacts" / "s" / "payloads" / f"{REF}.txt").is_file()


@pytest.mark.parametrize("url", ["", "file://"])
def test_a_url_without_a_directory_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match=r"payloads\.url"):
        PayloadStore(url)


def test_options_that_a_disk_does_not_take_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"payloads\.storage_options.*auto_mkdir"):
        PayloadStore("file:///tmp/x", {"auto_mkdir": True})


@pytest.mark.parametrize("protocol", ["sftp", "ftp", "http", "simplecache::s3", "nonsense"])
def test_a_filesystem_that_shows_parts_is_refused(protocol: str) -> None:
    with pytest.raises(SettingsError, match="whole or not at all"):
        PayloadStore(f"{protocol}://host/path")


def test_a_missing_driver_is_named_at_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    # Another test of this process may have had it loaded.
    registry = importlib.import_module("fsspec.registry")
    monkeypatch.delitem(registry._registry, "s3", raising=False)
    store = PayloadStore("s3://bucket/prefix", {"anon": True})
    with pytest.raises(SettingsError, match=r"install eventstore\[s3\]"):
        write(store)
