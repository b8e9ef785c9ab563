"""Payloads of 64 MiB, on both forms of the bus: to the store and back, in bounded memory.

Slow because of their size. Memory is that of a process that does nothing else.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from support.consuming import running, until_caught_up
from support.event_files import exported, load, write_lines
from support.large_payload_program import HEADER, payload_of
from support.payloads import GROUP, with_payloads
from support.payloads import payload_of as payload_in_file
from support.program import clean_environment
from support.s3 import S3Server
from support.stores import make_settings

from eventstore.bus import EventBus
from eventstore.errors import InvalidEvent
from eventstore.settings_storage import PayloadSettings
from eventstore.store import EventStore

if TYPE_CHECKING:
    from support.server import PrivateServer

    from eventstore.settings import AppSettings

SIZE: Final = 64 * 1024 * 1024
# Where it goes over a wire, byte by byte through a server in Python.
SOME: Final = SIZE // 4
# docs/operations.md says so.
MOST_MEMORY: Final = 4 * SIZE
PROGRAM: Final = Path(__file__).parents[1] / "support" / "large_payload_program.py"


@pytest.fixture
def settings(server: PrivateServer, namespace: str, tmp_path: Path) -> AppSettings:
    """Settings of a store that takes payloads of 64 MiB and no larger ones, in files."""
    return with_payloads(make_settings(server, namespace, max_payload_bytes=SIZE), tmp_path / "p")


def publish_and_read(settings: AppSettings, place: dict[str, Any], *arguments: str) -> str:
    """Have a program publish a payload and read it back; return its ref, its memory checked."""
    url = settings.redis.url
    assert url is not None
    sections = {
        "mode": "test",
        "redis": {"url": url.get_secret_value()},
        "store": settings.store.model_dump(),
        "payloads": place,
    }
    done = run([sys.executable, str(PROGRAM), json.dumps(sections), *arguments])
    assert done["publish"] < MOST_MEMORY, done
    assert done["get"] < MOST_MEMORY, done
    return str(done["ref"])


def run(command: list[str]) -> Any:
    """Run a program to its end; return the JSON that it wrote."""
    env = clean_environment(PYTHONPATH=str(PROGRAM.parents[1]))
    done = subprocess.run(
        command, env=env, capture_output=True, encoding="utf-8", timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("twin", "form"),
    [("blocking", "text"), ("blocking", "json"), ("asyncio", "bytes"), ("asyncio", "random")],
)
def test_a_large_payload_comes_back_in_bounded_memory(
    settings: AppSettings, twin: str, form: str
) -> None:
    ref = publish_and_read(settings, {"url": settings.payloads.url}, twin, form, str(SIZE))
    with EventStore(settings) as store, running(settings, GROUP):
        until_caught_up(store, "payloads")
        (recorded,) = store.read(HEADER["session_id"])
        info = recorded.event.payload
        assert info is not None
        assert (recorded.event.ref, info.size) == (ref, SIZE)
        assert info.place == ("digest" if form == "random" else "buffer")
        found = payload_in_file(store, recorded)
    assert form == "random" or found == payload_of(form, SIZE)


@pytest.mark.timeout(240)
def test_one_that_nothing_compresses_goes_to_an_object_store_and_through_an_export(
    settings: AppSettings, server: PrivateServer, namespace: str, tmp_path: Path
) -> None:
    with S3Server(tmp_path) as s3:
        place: dict[str, Any] = {
            "url": f"s3://{s3.bucket()}/root",
            "storage_options": s3.options,
            "timeout": 100,
        }
        ref = publish_and_read(settings, place, "asyncio", "random", str(SOME))
        settings = settings.model_copy(update={"payloads": PayloadSettings(**place)})
        with EventStore(settings) as source:
            lines = exported(source)
    target = with_payloads(make_settings(server, f"{namespace}-to"), tmp_path / "to")
    with EventStore(target) as store:
        load(store, write_lines(tmp_path / "lines", lines))
        assert exported(store) == lines
        assert len(EventBus(store).get(ref).payload) == SOME


@pytest.mark.timeout(240)
@pytest.mark.parametrize("form", ["bytes", "text", "json"])
def test_one_byte_more_is_refused_before_anything_is_written(
    settings: AppSettings, tmp_path: Path, form: str
) -> None:
    with EventStore(settings) as store:
        with pytest.raises(InvalidEvent, match=f"^payload: has {SIZE + 1} bytes, more than"):
            EventBus(store).publish(HEADER, payload_of(form, SIZE + 1))
        assert [head.position for head in store.head()] == [0]
    assert not (tmp_path / "p").exists()
