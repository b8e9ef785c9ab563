"""A worker's HTTP server: what it refuses, what it bounds, and where it listens."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
from support.monitored import Monitored, monitored
from support.stores import make_settings
from support.wait import until

from consumers.monitoring.http import MAX_CONNECTIONS, MAX_HEAD_BYTES
from eventstore.settings_models import MetricsSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.server import PrivateServer

    from eventstore.settings import AppSettings


@pytest.fixture
def settings(server: PrivateServer, namespace: str) -> AppSettings:
    made = make_settings(server, namespace, lease_seconds=0.5)
    return made.model_copy(update={"metrics": MetricsSettings(port=0)})


@pytest.fixture
def served(settings: AppSettings, tmp_path: Path) -> Iterator[Monitored]:
    with monitored(settings, tmp_path / "metrics") as served:
        yield served


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/", "GET", 404),
        ("/metrics/x", "GET", 404),
        ("/metrics", "POST", 405),
        ("/readyz", "HEAD", 405),
        ("/metrics?name[]=up", "GET", 200),
    ],
)
def test_other_requests_are_refused(served: Monitored, path: str, method: str, status: int) -> None:
    found, headers, _ = served.get(path, method)
    assert found == status
    assert headers.get("Allow") == ("GET" if status == 405 else None)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"GET /metrics\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"x" * (MAX_HEAD_BYTES + 1) + b"\r\n\r\n",
    ],
)
def test_what_is_no_request_is_answered_with_400(served: Monitored, request_bytes: bytes) -> None:
    with socket.create_connection((served.host, served.port), timeout=60) as connection:
        connection.sendall(request_bytes)
        assert connection.recv(1024).startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_silent_clients_are_bounded_and_hold_up_nobody(served: Monitored) -> None:
    silent = [socket.create_connection((served.host, served.port)) for _ in range(3)]
    assert served.get("/healthz")[0] == 200
    silent += [socket.create_connection((served.host, served.port)) for _ in range(MAX_CONNECTIONS)]
    until(lambda: served.get("/healthz")[0] == 503, what="a bound")
    for connection in silent:
        connection.close()
    until(lambda: served.get("/healthz")[0] == 200, what="places again")


def test_a_taken_port_is_not_the_end(
    settings: AppSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        taken = settings.model_copy(update={"metrics": MetricsSettings(port=port)})
        with monitored(taken, tmp_path / "metrics") as served:
            assert served.port != port
            assert served.get("/healthz")[0] == 200
    assert f"port {port} is taken" in caplog.text
    assert not (tmp_path / "metrics").exists()
