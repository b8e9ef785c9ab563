"""Processes that make side effects, forked on demand so that they start at once.

    python effect_program.py SETTINGS FILE

SETTINGS is a JSON object of the settings' sections. A line read is a JSON list of orders, each a
list of keys; as many children are forked, which make a strict effect under each key of their
order. Making one writes `made KEY PID` to FILE; under a key that begins with `die` its maker then
kills itself, as kill -9 does. What came of each is written as `WHAT KEY PID RESULT`. A line is
answered by the process ids of the children, and by `done` when all of them have ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from functools import partial
from typing import Any

from eventstore import EffectRefused, EventBus, EventStore, SideEffects
from eventstore.settings import AppSettings


def write(path: str, *words: object) -> None:
    """Write a line, whole and behind all that were written before."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, (" ".join(map(str, words)) + "\n").encode())
    os.close(file)


def make(path: str, key: str) -> Any:
    """The effect: a line outside of the store."""
    write(path, "made", key, os.getpid())
    if key.startswith("die"):
        os.kill(os.getpid(), signal.SIGKILL)
    return {"by": os.getpid()}


def carry_out(settings: AppSettings, path: str, keys: list[str]) -> None:
    """Make an effect under each key, and say what came of it."""
    with EventBus(EventStore(settings)) as bus:
        effects = SideEffects(bus, "s", agent_id=f"agent-{os.getpid()}")
        for key in keys:
            try:
                outcome = effects.run("make", partial(make, path, key), key=key)
            except EffectRefused as error:
                write(path, type(error).__name__, key, os.getpid(), error.call_ref)
            else:
                what = "executed" if outcome.executed else "answered"
                write(path, what, key, os.getpid(), outcome.result["by"])


def say(line: str) -> None:
    """Answer an order."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    settings, path = AppSettings(**json.loads(sys.argv[1])), sys.argv[2]
    for line in sys.stdin:
        children = []
        for keys in json.loads(line):
            child = os.fork()
            if child == 0:
                carry_out(settings, path, keys)
                os._exit(0)
            children.append(child)
        say(json.dumps(children))
        for child in children:
            os.waitpid(child, 0)
        say("done")


if __name__ == "__main__":
    main()
