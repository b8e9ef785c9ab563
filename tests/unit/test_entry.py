"""The command `eventstore` as a process, before the command line is there."""

from __future__ import annotations

import subprocess
import sys

INTERRUPTED_WHILE_IMPORTED = """
import os, signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "consumers.cli":
            os.kill(os.getpid(), signal.SIGINT)

from consumers.entry import main
sys.meta_path.insert(0, Interrupting())
main()
"""


def test_an_interrupt_before_the_command_line_is_there_is_no_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_WHILE_IMPORTED],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
