"""A proxy before a server that can lose the reply to a script call, and point at another server.

The call is executed and its reply thrown away with the connection: the caller cannot know
whether it happened.
"""

from __future__ import annotations

import select
import shutil
import socket
import threading
from typing import TYPE_CHECKING, Any

import hiredis
from support.server import short_dir

from eventstore.scripts import script

if TYPE_CHECKING:
    from pathlib import Path

    from eventstore.settings import AppSettings

_CHUNK = 1 << 16


class LossyProxy:
    """A unix socket that passes everything on to `upstream`, but for the replies to lose.

    `with LossyProxy(server.socket_path) as proxy:`; `lost` counts the replies lost so far.
    """

    def __init__(self, upstream: Path) -> None:
        self.upstream = upstream
        self.lost = 0
        self._directory = short_dir()
        self._path = self._directory / "p.sock"
        self._listener = socket.socket(socket.AF_UNIX)
        self._threads: list[threading.Thread] = []
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._script = ""
        self._countdown = 0
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """URL of the proxy's socket."""
        return f"unix://{self._path}"

    def settings(self, settings: AppSettings) -> AppSettings:
        """Return settings that lead through this proxy."""
        redis = settings.redis.model_validate({"url": self.url})
        return settings.model_copy(update={"redis": redis})

    def lose_reply(self, name: str, nth: int = 1) -> None:
        """Lose the reply to the n-th call of a script from now on, and cut its connection.

        A name in capitals is that of a command.
        """
        with self._lock:
            self._script, self._countdown = name, nth

    def cut(self) -> None:
        """Cut all connections."""
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            for end in pair:
                _shut(end)

    def __enter__(self) -> LossyProxy:
        self._listener.bind(str(self._path))
        self._listener.listen()
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        _shut(self._listener)
        self.cut()
        for thread in self._threads:
            thread.join()
        self._listener.close()
        shutil.rmtree(self._directory)

    def _start(self, target: Any, *args: Any) -> None:
        thread = threading.Thread(target=target, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server:
            try:
                server.connect(str(self.upstream))
            except OSError:
                return
            pair = (client, server)
            with self._lock:
                self._pairs.add(pair)
            try:
                self._pump(client, server)
            except OSError:
                # One side is gone; leaving closes the other.
                return
            finally:
                with self._lock:
                    self._pairs.discard(pair)

    def _pump(self, client: socket.socket, server: socket.socket) -> None:
        commands = hiredis.Reader()
        watched = False
        while True:
            readable, _, _ = select.select([client, server], [], [])
            if server in readable:
                reply = server.recv(_CHUNK)
                if not reply or (watched and self._loses(reply)):
                    return
                client.sendall(reply)
                watched = False
            if client in readable:
                data = client.recv(_CHUNK)
                if not data:
                    return
                commands.feed(data)
                while (command := commands.gets()) is not False:
                    watched = self._is_watched(command)
                server.sendall(data)

    def _is_watched(self, command: list[bytes]) -> bool:
        with self._lock:
            if not self._script or self._script.isupper():
                return command[0] == self._script.encode()
            if command[0] not in (b"EVAL", b"EVALSHA"):
                return False
            wanted = script(self._script)
            return command[1] in (wanted.sha.encode(), wanted.source.encode())

    def _loses(self, reply: bytes) -> bool:
        if reply.startswith(b"-NOSCRIPT"):
            return False
        with self._lock:
            self._countdown -= 1
            if self._countdown != 0:
                return False
            self._script = ""
            self.lost += 1
            return True


def _shut(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        # Not connected any more, which is what was wanted.
        return
