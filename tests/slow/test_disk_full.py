"""A disk that is full delays what has to be written to it, tears nothing, and is used again.

Slow because a disk is filled, and faults are seen at a worker's own pace. It is a real file system,
of 1 MiB in memory; only where this user may not mount one is there nothing to fill.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from support.consuming import COUNTING, at, drafts, publish, until_caught_up
from support.monitored import monitored, samples
from support.payloads import GROUP, payload_of
from support.server import short_dir
from support.stores import make_settings
from support.wait import until

from consumers.applying.journal_group import JournalHandler
from eventstore.bus import EventBus
from eventstore.errors import PayloadStoreError, Unavailable
from eventstore.journal import Journal
from eventstore.payload_local import PART_SUFFIX
from eventstore.settings_models import MetricsSettings
from eventstore.settings_storage import JournalSettings, PayloadSettings
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.server import PrivateServer

    from eventstore.settings import AppSettings

GROUPS = {**COUNTING, **GROUP, "journal": JournalHandler}
PAGE = 4096
# So many pages are left for the first files: a batch of the payload group is cut in its middle.
LEFT = 6


@pytest.fixture
def disk() -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = short_dir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        folder.rmdir()
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


@pytest.fixture(params=["journal elsewhere", "journal beside"])
def settings(
    request: pytest.FixtureRequest, server: PrivateServer, namespace: str, disk: Path
) -> AppSettings:
    made = make_settings(
        server, namespace, lease_seconds=0.5, inline_limit=5000, publish_timeout=2.0
    )
    parts: dict[str, object] = {
        "metrics": MetricsSettings(port=0),
        "payloads": PayloadSettings(url=f"file://{disk}/root"),
    }
    if request.param == "journal elsewhere":
        parts["journal"] = JournalSettings(url=f"memory://{namespace}")
    return made.model_copy(update=parts)


def fill(disk: Path) -> Path:
    """Fill a disk but for some pages; return the file that does."""
    ballast = disk / "ballast"
    free = os.statvfs(disk).f_bavail
    ballast.write_bytes(bytes(free * PAGE))
    with pytest.raises(OSError, match="No space left"):
        (disk / "more").write_bytes(bytes(PAGE))
    os.truncate(ballast, ballast.stat().st_size - LEFT * PAGE)
    return ballast


def check_whole(store: EventStore, disk: Path) -> None:
    """Assert that what is on the disk is whole: each payload that is there, and nothing half."""
    assert not list(disk.rglob(f"*{PART_SUFFIX}"))
    payloads = store.parts.payloads
    for item in store.read("s"):
        ref, info = item.event.ref, item.event.payload
        assert info is not None
        if payloads.exists("s", ref, info):
            payloads.read("s", ref, info)
    uuid = store.open().uuid
    journal = Journal(payloads, uuid)
    assert [entry[0] for entry in journal.entries(0)] == [
        f"0-{position}".encode() for position in range(1, journal.end(0).position + 1)
    ]


def test_a_full_disk_delays_what_is_written_to_it_and_nothing_else(
    settings: AppSettings, disk: Path, tmp_path: Path
) -> None:
    beside = settings.journal.url is None
    small, large = [os.urandom(1000).hex()], [os.urandom(9000).hex()]
    with (
        EventStore(settings) as store,
        monitored(settings, tmp_path / "metrics", GROUPS) as served,
    ):
        publish(store, "s", 5, small)
        for group in GROUPS:
            until_caught_up(store, group)
        until(lambda: served.readiness() == (200, []), what="readiness")
        ballast = fill(disk)
        publish(store, "s", 40, small)
        found = served.until_found("payloads/0")
        assert "No space left on device" in found["problem"]
        assert "free space on its disk" in found["problem"]
        publish(store, "s", 40, small)
        until_caught_up(store)
        if beside:
            served.until_found("journal/0")
        else:
            until_caught_up(store, "journal")
        assert at(store, "payloads").position < 85
        assert samples(served.metrics()["eventstore_payload_waiting_bytes"])[()] > 0
        with pytest.raises(PayloadStoreError, match="free space") as refused:
            store.append("s", drafts("s", 1, large))
        assert isinstance(refused.value, Unavailable)
        # What is not on the disk yet is read from where it waits.
        bus, refs = EventBus(store), [item.event.ref for item in store.read("s")]
        assert [bus.get(ref)[1] for ref in refs] == [small] * 85
        check_whole(store, disk)
        ballast.unlink()
        for group in GROUPS:
            until_caught_up(store, group)
        until(lambda: served.readiness() == (200, []), what="readiness again")
        assert samples(served.metrics()["eventstore_payload_waiting_bytes"])[()] == 0
        store.append("s", drafts("s", 1, large))
        until_caught_up(store, "payloads")
        found_again = [payload_of(store, item) for item in store.read("s")]
        assert found_again == [*[small] * 85, large]
        check_whole(store, disk)
