"""A server that speaks the S3 protocol on loopback, for one benchmark; the dev extra brings it."""

from __future__ import annotations

import contextlib
import importlib.util
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import fsspec

from eventstore.errors import EmbeddedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODULES: Final = ("moto", "s3fs", "flask")
_START_SECONDS: Final = 60.0


class S3Place:
    """A bucket of a server: its URL, and the options by which fsspec finds it."""

    def __init__(self, port: int, bucket: str) -> None:
        self.url = f"s3://{bucket}"
        self.options: dict[str, Any] = {
            "key": "bench",
            "secret": "bench-secret",
            "endpoint_url": f"http://127.0.0.1:{port}",
        }


@contextlib.contextmanager
def running_s3(directory: Path) -> Iterator[S3Place]:
    """Start a server with a bucket in its memory; end it after. Its log is in `directory`.

    Raises `EmbeddedError` if it is not installed or does not start.
    """
    missing = [name for name in MODULES if importlib.util.find_spec(name) is None]
    if missing:
        raise EmbeddedError(
            f"S3 is measured on moto's server, and {', '.join(missing)} is not installed; "
            "install the extra `dev`, or leave S3 out with `--places file`"
        )
    path = directory / "s3.log"
    with path.open("wb") as log:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        place = S3Place(_port(process, path), "bench")
        fsspec.filesystem("s3", **place.options).mkdir("bench")
        yield place
    finally:
        process.kill()
        process.wait()


def _port(process: subprocess.Popen[bytes], path: Path) -> int:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        found = re.search(r"Running on http://127\.0\.0\.1:(\d+)", path.read_text())
        if found:
            return int(found[1])
        if process.poll() is not None or time.monotonic() > deadline:
            raise EmbeddedError(f"the S3 server does not start: {path.read_text()[-500:]}")
        time.sleep(0.02)
