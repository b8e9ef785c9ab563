"""A small HTTP server for a worker's /metrics, /healthz and /readyz.

GET only, one request a connection, bounded in bytes, seconds and connections; no library that
would serve more than is needed.
"""

from __future__ import annotations

import errno
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import anyio
from anyio.abc import SocketAttribute

from consumers.guard import contained

if TYPE_CHECKING:
    from anyio.abc import ByteStream, SocketStream
    from anyio.streams.stapled import MultiListener

MAX_HEAD_BYTES: Final = 8192
MAX_CONNECTIONS: Final = 16
_SECONDS: Final = 10.0
_PORTS_TRIED: Final = 50
_REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
_logger = logging.getLogger(__name__)


class Response(NamedTuple):
    """An answer: status, media type and body."""

    status: int
    media_type: str
    body: bytes

    def encode(self) -> bytes:
        """Return the answer as it goes over the wire."""
        head = (
            f"HTTP/1.1 {self.status} {_REASONS[self.status]}\r\n"
            f"Content-Type: {self.media_type}\r\n"
            f"Content-Length: {len(self.body)}\r\n"
            "Cache-Control: no-store\r\n"
            "Connection: close\r\n"
        )
        allow = "Allow: GET\r\n" if self.status == 405 else ""
        return f"{head}{allow}\r\n".encode("latin-1") + self.body


Route: TypeAlias = Callable[[], Awaitable[Response]]


def text(status: int, body: str) -> Response:
    """Return a plain text answer."""
    return Response(status, "text/plain; charset=utf-8", f"{body}\n".encode())


def document(status: int, value: object) -> Response:
    """Return a JSON answer."""
    return Response(status, "application/json", json.dumps(value, indent=2).encode() + b"\n")


async def listen(host: str, port: int) -> MultiListener[SocketStream]:
    """Return a listener on a TCP port; if it is taken, on the next free one, and say so.

    `port` 0 is any free one. Raises `OSError` if the host cannot be listened on.
    """
    for candidate in range(port, min(port + _PORTS_TRIED, 65536)):
        try:
            listener = await anyio.create_tcp_listener(local_host=host, local_port=candidate)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            if candidate != port:
                _logger.warning("port %d is taken; listening on %d", port, candidate)
            return listener
    _logger.warning("ports %d and up are taken; listening on any free one", port)
    return await anyio.create_tcp_listener(local_host=host, local_port=0)


def address_of(listener: MultiListener[SocketStream]) -> str:
    """Return host:port that a listener is bound to."""
    address = listener.listeners[0].extra(SocketAttribute.local_address)
    assert isinstance(address, tuple)
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def serve(listener: MultiListener[SocketStream], routes: Mapping[str, Route]) -> None:
    """Answer requests by path until cancelled."""
    places = anyio.Semaphore(MAX_CONNECTIONS)

    async def handle(stream: SocketStream) -> None:
        async with stream:
            with anyio.move_on_after(_SECONDS):
                try:
                    if places.value == 0:
                        response = text(503, "too many connections at once; try again")
                    else:
                        async with places:
                            response = await _answer(stream, routes)
                    await stream.send(response.encode())
                except (anyio.BrokenResourceError, anyio.EndOfStream):
                    _logger.debug("a client left before it had its answer")

    await listener.serve(handle)


async def _answer(stream: ByteStream, routes: Mapping[str, Route]) -> Response:
    head = await _read_head(stream)
    if head is None:
        return text(400, f"a request has at most {MAX_HEAD_BYTES} bytes")
    words = head.partition(b"\r\n")[0].decode("latin-1").split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        return text(400, "this speaks HTTP/1.1")
    method, target, _ = words
    route = routes.get(target.partition("?")[0])
    if route is None:
        return text(404, f"there are {', '.join(routes)}")
    if method != "GET":
        return text(405, "GET only")
    # A defect here must not end the worker that is being looked at.
    answer = await contained(route, target)
    return answer or text(500, "a defect; the worker's log has the traceback")


async def _read_head(stream: ByteStream) -> bytes | None:
    """Return the request up to its empty line, None if it is too long."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += await stream.receive(MAX_HEAD_BYTES)
        if len(head) > MAX_HEAD_BYTES:
            return None
    return head
