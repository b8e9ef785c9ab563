"""Starting a supervisor in the background, detached from the program that needs it."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from eventstore.embedded import logs
from eventstore.errors import EmbeddedError

if TYPE_CHECKING:
    from eventstore.embedded.home import Home
    from eventstore.embedded.options import SupervisorOptions


def spawn_supervisor(home: Home, options: SupervisorOptions) -> subprocess.Popen[bytes]:
    """Run `python -m consumers up` for a home, in a session of its own, and return at once.

    It inherits the working directory and the environment, by which its worker finds the same
    configuration, and no descriptor. Raises `EmbeddedError` if it cannot be run at all.
    """
    if not sys.executable:
        raise EmbeddedError(
            "this program does not know its Python interpreter (sys.executable), so it cannot "
            f"start the store; run `eventstore up --home {home.path}` first"
        )
    logs.rotate(home.supervisor_log)
    # -P: a `consumers` package in the working directory is the application's, not this one.
    command = [sys.executable, "-P", "-m", "consumers", "up", "--home", str(home.path)]
    try:
        with home.supervisor_log.open("ab") as log:
            process = subprocess.Popen(
                [*command, *options.arguments()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
    except OSError as error:
        raise EmbeddedError(
            f"cannot run {sys.executable} to start the store: {error.strerror}; "
            f"run `eventstore up --home {home.path}` first"
        ) from error
    # It outlives this call, perhaps this program; should it end first, it is to leave no zombie.
    threading.Thread(target=process.wait, name="supervisor-reaper", daemon=True).start()
    return process
