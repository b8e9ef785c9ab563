"""The sweep removes what no event names, and nothing else."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from support.consuming import drafts, publish, running, until_caught_up
from support.payloads import GROUP, payload_of, with_payloads
from support.stores import make_settings

from consumers.applying.sweep import sweep
from eventstore.consuming.access import StoreAccess
from eventstore.store import EventStore

if TYPE_CHECKING:
    from pathlib import Path

    from support.server import PrivateServer

    from eventstore.settings import AppSettings

DAY = 24 * 3600.0


def age_digests(root: Path, seconds: float) -> None:
    """Let every file kept under its content be so old."""
    for path in (root / "payloads").iterdir():
        then = path.stat().st_mtime - seconds
        os.utime(path, (then, then))


def run_sweep(settings: AppSettings) -> int:
    async def swept() -> int:
        access = StoreAccess(settings, 1)
        try:
            return await sweep(access)
        finally:
            await access.close()

    return asyncio.run(swept())


def write_stray(store: EventStore, value: str) -> Any:
    """Store a payload under its content and append no event that names it."""
    [draft] = drafts("s", 1, value)
    info = draft.event.payload
    assert info is not None
    store.parts.payloads.write_digest(info, draft.data)
    return partial(store.parts.payloads.exists_digest, info)


@pytest.mark.parametrize("partitions", [1, 4])
def test_only_old_files_that_no_event_names_are_swept(
    server: PrivateServer, namespace: str, tmp_path: Path, partitions: int
) -> None:
    root = tmp_path / "p"
    settings = with_payloads(make_settings(server, namespace, partitions, inline_limit=0), root)
    with EventStore(settings) as store:
        stray = write_stray(store, "stray")
        for n in range(8):
            store.append(f"s{n}", drafts(f"s{n}", 1, f"named {n}"))
        with running(settings, GROUP):
            until_caught_up(store, "payloads")
        assert run_sweep(settings) == 0
        assert stray()
        age_digests(root, DAY + 60)
        young = write_stray(store, "young")
        assert run_sweep(settings) == 1
        assert not stray()
        assert young()
        for n in range(8):
            [item] = store.read(f"s{n}")
            assert payload_of(store, item) == f"named {n}"


def test_nothing_is_swept_while_the_payload_group_is_behind(
    server: PrivateServer, namespace: str, tmp_path: Path
) -> None:
    root = tmp_path / "p"
    settings = with_payloads(make_settings(server, namespace, inline_limit=0), root)
    with EventStore(settings) as store:
        stray = write_stray(store, "stray")
        publish(store, "s", 3)
        age_digests(root, DAY + 60)
        assert run_sweep(settings) == 0
        assert stray()
        with running(settings, GROUP):
            until_caught_up(store, "payloads")
        assert run_sweep(settings) == 1
        assert not stray()


def test_nothing_is_swept_from_a_root_that_another_store_uses_too(
    server: PrivateServer, namespace: str, tmp_path: Path
) -> None:
    root = tmp_path / "p"
    own = with_payloads(make_settings(server, namespace, inline_limit=0), root)
    other = with_payloads(make_settings(server, f"{namespace}-2", inline_limit=0), root)
    with EventStore(own) as store, EventStore(other) as neighbour:
        publish(neighbour, "s", 2)
        publish(store, "s", 3)
        age_digests(root, DAY + 60)
        with running(own, GROUP):
            until_caught_up(store, "payloads")
        assert run_sweep(own) == 0
        assert [payload_of(neighbour, item) for item in neighbour.read("s")] == [
            {"n": 0},
            {"n": 1},
        ]
