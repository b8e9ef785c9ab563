"""TLS before a test server: certificates of the test's own, and a listener that takes TLS off."""

from __future__ import annotations

import datetime
import select
import socket
import ssl
import threading
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK = 1 << 16
_DAY = datetime.timedelta(days=1)


def self_signed(directory: Path, address: str = "127.0.0.1") -> tuple[Path, Path]:
    """Write a certificate for an address, which signs itself, and its key; return their paths."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test server")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _DAY)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(address))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certfile, keyfile = directory / "server.crt", directory / "server.key"
    certfile.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    keyfile.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certfile, keyfile


class TlsFront:
    """Listens with TLS on a loopback port and passes on to a unix socket, until it is left."""

    def __init__(self, upstream: Path, certfile: Path, keyfile: Path) -> None:
        self._upstream = upstream
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certfile, keyfile)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ends: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> TlsFront:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        for end in (self._listener, *self._ends):
            _shut(end)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _start(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._ends.append(client)
            self._start(self._serve, client)

    def _serve(self, raw: socket.socket) -> None:
        with raw, socket.socket(socket.AF_UNIX) as server:
            try:
                client = self._context.wrap_socket(raw, server_side=True)
            except (OSError, ssl.SSLError):
                return
            with client:
                self._ends += [client, server]
                server.connect(str(self._upstream))
                try:
                    _pump(client, server)
                except OSError:
                    # One side is gone; leaving closes the other.
                    return


def _pump(client: ssl.SSLSocket, server: socket.socket) -> None:
    while True:
        # What TLS has decoded already shows in no select.
        readable = [client] if client.pending() else select.select([client, server], [], [])[0]
        for source, target in ((client, server), (server, client)):
            if source in readable:
                data = source.recv(_CHUNK)
                if not data:
                    return
                target.sendall(data)


def _shut(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        # Not connected any more, which is what was wanted.
        return
