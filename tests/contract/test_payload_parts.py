"""Parts of files, and settled folders, are the same on a disk, in memory, and on S3."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

import fsspec
import pytest
from support.s3 import S3Server

from eventstore.payload_store import PayloadStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DATA = bytes(range(256)) * 40


class Place(NamedTuple):
    """Where a store is, and what it takes to get there."""

    url: str
    options: dict[str, Any]


@pytest.fixture(scope="module")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with S3Server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(params=["file", "memory", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "file":
        return Place(f"file://{tmp_path}/root", {})
    if request.param == "memory":
        return Place(f"memory://{uuid.uuid4().hex}", {})
    server: S3Server = request.getfixturevalue("s3_server")
    bucket = f"b{uuid.uuid4().hex}"
    fsspec.filesystem("s3", **server.options, use_listings_cache=False).mkdir(bucket)
    return Place(f"s3://{bucket}/root", server.options)


@pytest.mark.parametrize(
    ("start", "end"), [(0, 8), (0, len(DATA)), (255, 257), (8191, 10240), (10000, 99999)]
)
def test_a_part_is_what_the_file_has_there(place: Place, start: int, end: int) -> None:
    files = PayloadStore(place.url, place.options).files
    files.put("index/a", DATA)
    assert files.part("index/a", start, end) == DATA[start:end]


def test_a_part_of_no_file_is_an_error(place: Place) -> None:
    files = PayloadStore(place.url, place.options).files
    files.put("index/a", DATA)
    with pytest.raises(FileNotFoundError):
        files.part("index/b", 0, 8)


def test_a_settled_folder_holds_what_it_did(place: Place) -> None:
    files = PayloadStore(place.url, place.options).files
    files.put("index/0/a", DATA)
    files.settle("index/0")
    assert files.get("index/0/a") == DATA
