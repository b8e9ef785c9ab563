"""TLS to the server: what is trusted is used, and what is not says what to set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.artifacts import artifacts
from support.tls import TlsFront, self_signed

from eventstore.errors import StoreUnreachable
from eventstore.settings import AppSettings
from eventstore.store import AsyncEventStore, EventStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.server import PrivateServer


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1, beside its key."""
    return self_signed(tmp_path)[0]


@pytest.fixture
def front(server: PrivateServer, authority: Path) -> Iterator[TlsFront]:
    with TlsFront(server.socket_path, authority, authority.with_suffix(".key")) as front:
        yield front


def settings(namespace: str, **redis: Any) -> AppSettings:
    return AppSettings(
        mode="test",
        redis={"connect_timeout": 1.0, **redis},
        store={"namespace": namespace, "publish_timeout": 0.1},
        payloads={"url": "memory://tls"},
    )


@pytest.mark.parametrize("how", ["url", "host"])
def test_a_trusted_server_is_used(
    front: TlsFront, authority: Path, namespace: str, how: str
) -> None:
    address: dict[str, Any] = {"url": f"rediss://127.0.0.1:{front.port}"}
    if how == "host":
        address = {"host": "127.0.0.1", "port": front.port, "tls": True}
    with EventStore(settings(namespace, **address, tls_ca_certs=authority)) as store:
        assert store.append("s", artifacts("s", 2))[-1].position == 2
        assert len(store.read("s")) == 2


@pytest.mark.anyio
async def test_a_trusted_server_is_used_by_asyncio(
    front: TlsFront, authority: Path, namespace: str
) -> None:
    chosen = settings(namespace, url=f"rediss://127.0.0.1:{front.port}", tls_ca_certs=authority)
    async with AsyncEventStore(chosen) as store:
        assert (await store.append("s", artifacts("s", 2)))[-1].position == 2


def test_a_certificate_of_an_unknown_authority(front: TlsFront, namespace: str) -> None:
    chosen = settings(namespace, url=f"rediss://127.0.0.1:{front.port}")
    with pytest.raises(StoreUnreachable, match=r"redis\.tls_ca_certs must name the CA"):
        EventStore(chosen).open()


def test_a_certificate_of_another_host(front: TlsFront, authority: Path, namespace: str) -> None:
    url = f"rediss://localhost:{front.port}"
    with pytest.raises(StoreUnreachable, match=r"name this host \(redis\.tls_check_hostname\)"):
        EventStore(settings(namespace, url=url, tls_ca_certs=authority)).open()
    lax = settings(namespace, url=url, tls_ca_certs=authority, tls_check_hostname=False)
    with EventStore(lax) as store:
        assert store.append("s", artifacts("s", 1))[0].position == 1


def test_a_file_that_is_not_there(front: TlsFront, namespace: str, tmp_path: Path) -> None:
    missing = tmp_path / "missing.crt"
    url = f"rediss://127.0.0.1:{front.port}"
    with pytest.raises(StoreUnreachable, match="tls_keyfile must name files"):
        EventStore(settings(namespace, url=url, tls_ca_certs=missing)).open()


def test_a_server_that_does_not_speak_tls(
    private_server: Callable[..., PrivateServer], authority: Path, namespace: str
) -> None:
    # It takes the greeting for the beginning of a command, and waits for the rest.
    plain = private_server(tcp=True)
    chosen = settings(namespace, url=f"rediss://127.0.0.1:{plain.port}", tls_ca_certs=authority)
    with pytest.raises(StoreUnreachable, match="redis:// instead of rediss://"):
        EventStore(chosen).open()


def test_a_server_that_speaks_nothing_else(front: TlsFront, namespace: str) -> None:
    chosen = settings(namespace, url=f"redis://127.0.0.1:{front.port}")
    with pytest.raises(StoreUnreachable, match="speaks TLS there: rediss://"):
        EventStore(chosen).open()
