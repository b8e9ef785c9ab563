"""The command line as a test types it, in this process: arguments in, what was written out."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from support.consuming import running
from support.stores import make_settings
from typer.testing import CliRunner

from consumers.cli import app
from consumers.working.groups import known_groups

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.server import PrivateServer
    from typer.testing import Result


class Terminal:
    """Runs commands against one namespace of a server; payloads lie in this process's memory.

    `settings` are what the environment of the commands says, for stores of the test's own.
    """

    def __init__(
        self, server: PrivateServer, namespace: str, partitions: int = 1, **store: Any
    ) -> None:
        self.settings = make_settings(server, namespace, partitions, **store)
        self._environment = {
            "REDIS_URL": server.url,
            "EVENTSTORE_MODE": "test",
            "EVENTSTORE_STORE__NAMESPACE": namespace,
            "EVENTSTORE_STORE__PARTITIONS": str(partitions),
            "EVENTSTORE_PAYLOADS__URL": f"memory://{namespace}",
            **{f"EVENTSTORE_STORE__{name.upper()}": str(value) for name, value in store.items()},
        }

    def run(self, *arguments: str, code: int = 0, stdin: str | bytes | None = None) -> Result:
        """Run a command and return what it wrote; its exit code must be `code`."""
        result = CliRunner().invoke(app, arguments, input=stdin, env=self._environment)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, f"{result.exit_code}: {result.stdout}{result.stderr}"
        return result

    def json(self, *arguments: str, code: int = 0) -> Any:
        """Run a command with --json and return its one document."""
        return json.loads(self.run(*arguments, "--json", code=code).stdout)

    @contextmanager
    def working(self) -> Iterator[Terminal]:
        """Have a worker for all groups meanwhile."""
        with running(self.settings, known_groups()):
            yield self
