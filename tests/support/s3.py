"""A server that speaks the S3 protocol, on loopback, in a process of its own."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING, Any

import fsspec
from support.wait import until

if TYPE_CHECKING:
    from pathlib import Path


class S3Server:
    """moto's server: buckets in its memory, gone when it ends.

    `with S3Server(directory) as server:` starts and kills it.
    """

    def __init__(self, directory: Path, port: int = 0) -> None:
        self._log = directory / "s3.log"
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        self.port = until(self._port, what="an S3 server that listens")

    @property
    def options(self) -> dict[str, Any]:
        """Options by which fsspec finds the server."""
        return {
            "key": "test",
            "secret": "testing-secret",
            "endpoint_url": f"http://127.0.0.1:{self.port}",
        }

    def bucket(self) -> str:
        """Make a bucket that no other test uses, and return its name."""
        name = f"bucket-{uuid.uuid4().hex}"
        fsspec.filesystem("s3", **self.options).mkdir(name)
        return name

    def requests(self, verb: str) -> int:
        """Return how many requests of an HTTP verb the server has answered."""
        return len(re.findall(rf'"{verb} ', self._log.read_text()))

    def freeze(self) -> None:
        """Let the server answer nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let the server go on."""
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """Kill the server."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> S3Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _port(self) -> int:
        assert self._process.poll() is None, self._log.read_text()
        found = re.search(r"Running on http://127\.0\.0\.1:(\d+)", self._log.read_text())
        return int(found.group(1)) if found else 0
