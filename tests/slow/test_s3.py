"""Payloads on S3: many at once, over a fork, and with a server that is slow, frozen or gone.

Slow since the server, a process of its own, is loaded, frozen and killed; payloads are large.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from support import payload_writer
from support.consuming import COUNTING, publish, running, until_caught_up
from support.payload_writer import SESSION, payload_of
from support.payloads import GROUP
from support.s3 import S3Server
from support.stores import make_settings
from support.wait import until

from eventstore.bus import EventBus
from eventstore.consuming.membership import Slot
from eventstore.errors import PayloadMissing, PayloadStoreError, SettingsError
from eventstore.payload_store import PayloadStore
from eventstore.payloads import EncodedPayload, encode_payload, form_of
from eventstore.refs import derived_ref
from eventstore.settings_storage import PayloadSettings
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.server import PrivateServer

    from eventstore.settings import AppSettings

TIMEOUT = 1.0


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A server that no test stops."""
    with S3Server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def own_s3(tmp_path: Path) -> Iterator[S3Server]:
    """A server of the test's own, to be frozen and killed."""
    with S3Server(tmp_path) as server:
        yield server


def store_on(server: S3Server, timeout: float = 60.0) -> PayloadStore:
    return PayloadStore(f"s3://{server.bucket()}/root", server.options, timeout=timeout)


def settings_on(
    s3: S3Server, server: PrivateServer, namespace: str, timeout: float = 60.0
) -> AppSettings:
    payloads = PayloadSettings(
        url=f"s3://{s3.bucket()}", storage_options=s3.options, timeout=timeout
    )
    settings = make_settings(server, namespace, inline_limit=20_000, lease_seconds=0.5)
    return settings.model_copy(update={"payloads": payloads})


def encoded(payload: Any) -> EncodedPayload:
    return encode_payload(payload, form_of(payload, None), 2048)


def test_many_at_once_are_all_there(s3: S3Server) -> None:
    store = store_on(s3)
    items = {derived_ref(str(n)): encoded({"n": n, "pad": "x" * (n * 10)}) for n in range(300)}

    def write(ref: str) -> str:
        item = items[ref]
        store.write_digest(item.info, item.data)
        return store.write("s", ref, item.info, item.data)

    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(write, items))) == len(items)
        raw = list(pool.map(lambda ref: store.read("s", ref, items[ref].info), items))
    assert [json.loads(each)["n"] for each in raw] == list(range(300))
    assert store.usage().files == 2 * len(items)


@pytest.mark.parametrize("size", [0, 64 * 2**20, 120 * 2**20])
def test_a_payload_of_any_size_comes_back(s3: S3Server, size: int) -> None:
    store = store_on(s3)
    raw = random.Random(size).randbytes(size)
    item = encode_payload(raw, "bin", sys.maxsize)
    store.write_digest(item.info, item.data)
    assert store.read_digest(item.info) == raw


def test_listing_asks_for_no_file_by_itself(s3: S3Server) -> None:
    store = store_on(s3)
    for n in range(30):
        item = encoded(f"payload {n}")
        store.write_digest(item.info, item.data)
    before = s3.requests("HEAD")
    assert store.usage().files == 30
    assert len(store.digests(0)) == 30
    assert s3.requests("HEAD") - before <= 2, "at most one a listing that found nothing"


def test_a_forked_child_and_its_parent_both_go_on(s3: S3Server) -> None:
    store = store_on(s3)
    item = encoded("of both")
    store.write("s", derived_ref("parent"), item.info, item.data)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            assert store.read("s", derived_ref("parent"), item.info) == b"of both"
            store.write("s", derived_ref("child"), item.info, item.data)
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert store.read("s", derived_ref("child"), item.info) == b"of both"
    assert store.usage().files == 2


def test_a_frozen_server_is_an_error_and_then_it_is_not(own_s3: S3Server) -> None:
    store = store_on(own_s3, TIMEOUT)
    item = encoded("late")
    own_s3.freeze()
    for call in (
        lambda: store.write_digest(item.info, item.data),
        lambda: store.read_digest(item.info),
        lambda: store.exists_digest(item.info),
        store.usage,
    ):
        with pytest.raises(PayloadStoreError, match=r"no answer within 1 s; see whether it is"):
            call()
    own_s3.thaw()
    store.write_digest(item.info, item.data)
    assert store.read_digest(item.info) == b"late"


def test_a_server_that_is_gone_is_an_error_with_a_remedy(own_s3: S3Server) -> None:
    store = store_on(own_s3)
    item = encoded("never")
    store.write_digest(item.info, item.data)
    own_s3.close()
    for call in (
        lambda: store.write("s", derived_ref("x"), item.info, item.data),
        lambda: store.read_digest(item.info),
        lambda: store.exists_digest(item.info),
        lambda: store.claim("0" * 32),
        store.claimants,
        store.usage,
    ):
        with pytest.raises(PayloadStoreError, match="see whether the payload store is reachable"):
            call()


def test_a_bucket_that_is_not_there_is_no_empty_store(s3: S3Server) -> None:
    store = PayloadStore("s3://no-such-bucket/root", s3.options)
    item = encoded("never")
    for call in (
        lambda: store.write_digest(item.info, item.data),
        lambda: store.read_digest(item.info),
        store.usage,
    ):
        with pytest.raises(PayloadStoreError, match="create the bucket"):
            call()


def test_credentials_that_are_missing_are_named(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    store = PayloadStore(f"s3://{s3.bucket()}", {"endpoint_url": s3.options["endpoint_url"]})
    with pytest.raises(PayloadStoreError, match=r"payloads\.storage_options, or AWS_ACCESS_KEY_ID"):
        store.usage()


@pytest.mark.parametrize("url", ["s3://", "s3:///"])
def test_a_url_without_a_bucket_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="names no bucket"):
        PayloadStore(url)


def test_a_writer_that_is_killed_leaves_whole_files_only(s3: S3Server) -> None:
    url = f"s3://{s3.bucket()}/root"
    command = [sys.executable, payload_writer.__file__, url]
    store = PayloadStore(url, s3.options)
    written: list[tuple[int, str]] = []

    def read(number: int, ref: str) -> bytes:
        info = payload_of(ref).info
        return store.read_digest(info) if number % 2 else store.read(SESSION, ref, info)

    for seed in range(5):
        arguments = [*command, str(seed), json.dumps(s3.options)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(random.Random(seed).randint(1, 12)):
                shown, ref = process.stdout.readline().split()
                written.append((int(shown), ref))
            process.kill()
        following = written[-1][0] + 1
        try:
            # The one that it was at when it was killed: whole or not at all.
            read(following, derived_ref(str(seed), str(following)))
        except PayloadMissing:
            continue
    assert len(written) >= 5
    for number, ref in written:
        assert len(read(number, ref)) == payload_of(ref).info.size


def test_the_payload_group_moves_payloads_to_s3(
    s3: S3Server, server: PrivateServer, namespace: str
) -> None:
    settings = settings_on(s3, server, namespace)
    given = [{"n": n, "pad": "é" * (n * 100)} for n in range(150)] + [b"\x00" * 30_000]
    with running(settings, GROUP), EventStore(settings) as store:
        bus = EventBus(store)
        with bus.bind(session_id="s/../s", agent_id="a"):
            refs = [row.ref for row in bus.publish_many(({"type": "t"}, each) for each in given)]
        until_caught_up(store, "payloads")
        assert [bus.get(ref)[1] for ref in refs] == given
        assert store.parts.payloads.usage().files == len(given)
        bus.close()


def test_a_frozen_server_delays_payloads_and_nothing_else(
    own_s3: S3Server, server: PrivateServer, namespace: str
) -> None:
    settings = settings_on(own_s3, server, namespace, TIMEOUT)
    with running(settings, {**COUNTING, **GROUP}) as worker, EventStore(settings) as store:
        # A store begins only where it can be seen that no journal of another one is there.
        publish(store, "s", 1)
        until_caught_up(store, "counting")
        until_caught_up(store, "payloads")
        own_s3.freeze()
        refs = publish(store, "s", 20, {"some": "payload"})
        until_caught_up(store, "counting")
        status = worker.slots[Slot("payloads", 0)].status
        until(lambda: status.error is not None, what="a fault that is seen")
        assert status.position == 1
        assert store.get(refs[0]).event.payload is not None
        own_s3.thaw()
        until_caught_up(store, "payloads")
        assert store.parts.payloads.usage().files == 21
