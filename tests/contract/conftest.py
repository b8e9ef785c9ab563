"""Fixtures of the suites that run on both forms of the bus, and on every payload store."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from anyio.from_thread import start_blocking_portal
from support.buses import BusUnderTest
from support.parking import trying
from support.payload_places import DriverPlace, FilePlace
from support.s3 import S3Server
from support.sessions import Clients
from support.stores import make_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from anyio.from_thread import BlockingPortal
    from support.payload_places import Place
    from support.server import PrivateServer

    from eventstore.bus import EventBus
    from eventstore.payload_store import PayloadStore


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    """An event loop in a thread of its own."""
    with start_blocking_portal("asyncio") as opened:
        yield opened


@pytest.fixture(params=[("blocking", 1), ("asyncio", 4)], ids=["blocking-1", "asyncio-4"])
def tested(
    request: pytest.FixtureRequest, server: PrivateServer, namespace: str
) -> Iterator[BusUnderTest]:
    """A bus of either form on a store of the test's own, with 1 and with 4 partitions."""
    form, partitions = request.param
    portal = request.getfixturevalue("portal") if form == "asyncio" else None
    settings = make_settings(server, namespace, partitions, read_timeout=5.0)
    under_test = BusUnderTest(settings, portal)
    try:
        yield under_test
    finally:
        under_test.close()


@pytest.fixture
def clients(tested: BusUnderTest) -> Iterator[Clients]:
    """Clients of the store whose sessions are of the same form as its bus."""
    made = Clients(tested)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(params=[("blocking", 1), ("asyncio", 4)], ids=["blocking-1", "asyncio-4"])
def thrice(
    request: pytest.FixtureRequest, server: PrivateServer, namespace: str
) -> Iterator[BusUnderTest]:
    """As `tested`, and what cannot be handled is tried three times, almost without pauses."""
    form, partitions = request.param
    portal = request.getfixturevalue("portal") if form == "asyncio" else None
    under_test = BusUnderTest(trying(make_settings(server, namespace, partitions), 3), portal)
    try:
        yield under_test
    finally:
        under_test.close()


@pytest.fixture
def bus(tested: BusUnderTest) -> EventBus:
    """The bus alone; the asyncio form is awaited behind the same methods."""
    return tested.bus


@pytest.fixture(scope="package")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A server that speaks the S3 protocol."""
    with S3Server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(params=["file", "memory", "s3"])
def file_place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty place for the files of a payload store, of each kind."""
    return _place(request, tmp_path)


@pytest.fixture(params=["file", "memory", "s3", "driver"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty place for payloads, of each kind."""
    return _place(request, tmp_path)


def _place(request: pytest.FixtureRequest, folder: Path) -> Place:
    if request.param == "file":
        return FilePlace(f"file://{folder}/root")
    if request.param == "memory":
        return FilePlace(f"memory://{uuid.uuid4().hex}")
    if request.param == "driver":
        return DriverPlace(uuid.uuid4().hex)
    server: S3Server = request.getfixturevalue("s3_server")
    return FilePlace(f"s3://{server.bucket()}/some/root", server.options)


@pytest.fixture
def files(file_place: Place) -> PayloadStore:
    """A payload store over files."""
    return file_place.store()


@pytest.fixture
def store(place: Place) -> PayloadStore:
    """A payload store."""
    return place.store()
