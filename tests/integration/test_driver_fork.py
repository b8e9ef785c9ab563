"""A payload driver holds connections: a forked child makes a driver of its own, with its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest
from support.server import short_dir
from support.wait import until

from eventstore.payload_driver_keeper import DriverKeeper
from eventstore.payload_store import PayloadStore
from eventstore.payloads import encode_payload
from eventstore.refs import generate_ref

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ITEM = encode_payload("text", "text", 100)
HELD = "held"


class Peer:
    """Who drivers connect to: notes which process says something on which connection.

    What is written for the session `held` is answered once `answering` is set.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.heard: list[tuple[int, int]] = []
        self.holding = threading.Event()
        self.answering = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def processes(self) -> list[set[int]]:
        """Return who spoke on each connection, in the order of the first words."""
        found: dict[int, set[int]] = {}
        for connection, pid in self.heard:
            found.setdefault(connection, set()).add(pid)
        return list(found.values())

    def close(self) -> None:
        self.answering.set()
        # A blocked accept ends by this, not by closing.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._connections.append(connection)
                number = len(self._connections)
                thread = threading.Thread(target=self._serve, args=(connection, number))
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with connection, connection.makefile("rw") as lines:
            for line in lines:
                pid, session = line.split()
                self.heard.append((number, int(pid)))
                if session == HELD:
                    self.holding.set()
                    self.answering.wait()
                lines.write("kept\n")
                lines.flush()


class Connected:
    """A driver with one connection, which one thread at a time uses."""

    def __init__(self, path: str) -> None:
        self._lock = threading.Lock()
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._lines = self._socket.makefile("rw")
        self._kept: dict[tuple[str, str], bytes] = {}

    def write_payload(
        self, session_id: str, ref: str, payload: bytes, mime: str, header: Any
    ) -> None:
        with self._lock:
            self._lines.write(f"{os.getpid()} {session_id}\n")
            self._lines.flush()
            if self._lines.readline() != "kept\n":
                raise ConnectionResetError("the place is gone")
        self._kept[session_id, ref] = payload

    def read_payload(self, session_id: str, ref: str, mime: str) -> bytes | None:
        return self._kept.get((session_id, ref))

    def close(self) -> None:
        self._lines.close()
        self._socket.close()


@pytest.fixture
def peer() -> Iterator[Peer]:
    folder = short_dir()
    peer = Peer(folder / "peer")
    yield peer
    peer.close()
    shutil.rmtree(folder)


def test_a_child_uses_a_driver_of_its_own_whatever_its_parents_does_at_the_fork(
    peer: Peer,
) -> None:
    made: list[Connected] = []

    def make(path: str) -> Connected:
        made.append(Connected(path))
        return made[-1]

    keeper = DriverKeeper(make, "connected", {"path": str(peer.path)}, 60.0)
    store = PayloadStore("memory://journal", keeper=keeper)
    ref = generate_ref()
    store.write("s", ref, ITEM.info, ITEM.data)
    # The parent's driver is in a call, and its lock taken, at the moment of the fork.
    busy = threading.Thread(target=store.write, args=(HELD, ref, ITEM.info, ITEM.data))
    busy.start()
    until(peer.holding.is_set, what="a call under way")
    child = os.fork()
    if not child:
        code = 1
        try:
            own = generate_ref()
            assert not store.exists("s", ref, ITEM.info)
            store.write("s", own, ITEM.info, ITEM.data)
            assert store.read("s", own, ITEM.info) == b"text"
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert peer.processes() == [{os.getpid()}, {child}]
    peer.answering.set()
    busy.join()
    store.write("s", generate_ref(), ITEM.info, ITEM.data)
    assert store.read("s", ref, ITEM.info) == b"text"
    assert peer.processes() == [{os.getpid()}, {child}]
    [driver] = made
    driver.close()
