"""A server that says it is of another version, for a server that no package brings any more."""

from __future__ import annotations

import shutil
import socket
import threading
from typing import TYPE_CHECKING

import hiredis
from support.server import short_dir

if TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK = 1 << 16


class OldServer:
    """Answers INFO as a server of a version would, anything else with OK, on a unix socket.

    `asked` are the commands that it got. It stores nothing.
    """

    def __init__(self, version: str) -> None:
        self.asked: list[bytes] = []
        self._info = f"redis_version:{version}\r\nrun_id:{'a' * 40}\r\nrole:master\r\n".encode()
        self._directory = short_dir()
        self._path = self._directory / "old.sock"
        self._listener = socket.socket(socket.AF_UNIX)
        self._clients: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        """URL of the socket."""
        return f"unix://{self._path}"

    def __enter__(self) -> OldServer:
        self._listener.bind(str(self._path))
        self._listener.listen()
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        for end in (self._listener, *self._clients):
            _shut(end)
        for thread in self._threads:
            thread.join()
        self._listener.close()
        shutil.rmtree(self._directory)

    def _start(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._clients.append(client)
            self._start(lambda client=client: self._serve(client))  # type: ignore[misc]

    def _serve(self, client: socket.socket) -> None:
        commands = hiredis.Reader()
        with client:
            while data := client.recv(_CHUNK):
                commands.feed(data)
                while (command := commands.gets()) is not False:
                    self.asked.append(command[0])
                    client.sendall(self._answer(command[0]))

    def _answer(self, name: bytes) -> bytes:
        if name.upper() == b"PING":
            return b"+PONG\r\n"
        if name.upper() == b"INFO":
            return b"$%d\r\n%s\r\n" % (len(self._info), self._info)
        return b"+OK\r\n"


def _shut(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        # Not connected any more, which is what was wanted.
        return
