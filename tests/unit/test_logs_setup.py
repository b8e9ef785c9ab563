"""Logging in a process of its own: what the first use sets up, and what it leaves alone."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from eventstore.settings_sources import ALIASES, PREFIX

LOG = Path("logs", "main.log")


def run(directory: Path, program: str, **settings: str) -> str:
    """Run a program and return what it wrote to standard error; it must end well."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=directory,
        env=environment(**settings),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    return done.stderr


def environment(**settings: str) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(PREFIX) and name not in ALIASES
    }
    prefixed = {f"EVENTSTORE_LOGGING__{name.upper()}": value for name, value in settings.items()}
    return {**kept, **prefixed}


def lines(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / LOG).read_text().splitlines()]


def test_importing_opens_nothing_and_loads_no_console(tmp_path: Path) -> None:
    program = """
import logging, sys
from eventstore import logger
from eventstore.logs import logger as same
assert logger is same
assert "rich" not in sys.modules
assert logging.getLogger().handlers == []
"""
    assert run(tmp_path, program) == ""
    assert list(tmp_path.iterdir()) == []


def test_the_first_use_writes_the_file_and_the_console(tmp_path: Path) -> None:
    program = """
from eventstore import logger
logger.info({"message": "Tool executed", "tool_name": "get_weather", "text": "a\\x1b[31m\\nb"})
logger.debug("too low")
try:
    {}["missing"]
except KeyError:
    logger.exception("it failed")
"""
    shown = run(tmp_path, program).splitlines()
    first, second = lines(tmp_path)
    assert (first["message"], first["tool_name"]) == ("Tool executed", "get_weather")
    assert second["exception"]["type"] == "KeyError"
    assert shown[0].startswith(first["ts"])
    assert shown[0].endswith(
        r'INFO    __main__: Tool executed  tool_name=get_weather text="a\u001b[31m\nb"'
    )
    assert shown[1].endswith("ERROR   __main__: it failed")
    assert shown[-1] == "    KeyError: 'missing'"


def test_long_lines_are_not_wrapped_on_the_console(tmp_path: Path) -> None:
    program = "from eventstore import logger; logger.info('word ' * 200)"
    assert len(run(tmp_path, program).splitlines()) == 1


def test_a_terminal_has_colours(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    program = "from eventstore import logger; logger.warning('look')"
    env = {**environment(), "TERM": "xterm"}
    subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=env, stderr=theirs, check=True
    )
    os.close(theirs)
    shown = os.read(ours, 4096).decode()
    os.close(ours)
    assert "\x1b[" in shown
    assert "look" in shown
    assert "\x1b" not in (tmp_path / LOG).read_text()


def test_the_console_can_be_left_out(tmp_path: Path) -> None:
    program = """
import sys
from eventstore import logger
logger.info("hello")
assert "rich" not in sys.modules
"""
    assert run(tmp_path, program, console="false") == ""
    assert lines(tmp_path)[0]["message"] == "hello"


@pytest.mark.parametrize("closing", ["sys.stderr.close()", "sys.stderr = None"])
def test_a_closed_console_is_no_error(tmp_path: Path, closing: str) -> None:
    program = f"""
import os, sys
from eventstore import logger
{closing}
logger.info("hello")
sys.stderr = open(os.devnull, "w")
"""
    run(tmp_path, program)
    assert lines(tmp_path)[0]["message"] == "hello"


def test_a_program_that_set_up_logging_keeps_its_console_and_its_levels(tmp_path: Path) -> None:
    program = """
import logging
logging.basicConfig(level=logging.ERROR, format="mine: %(message)s")
from eventstore import logger
logger.info({"message": "ours", "token": "hunter2"})
logging.getLogger("theirs").warning("too low for the root logger")
logging.getLogger("theirs").error("theirs")
"""
    assert run(tmp_path, program) == "mine: ours token=**********\nmine: theirs\n"
    assert [line["message"] for line in lines(tmp_path)] == ["ours", "theirs"]


def test_a_program_that_did_not_has_every_logger_in_the_file(tmp_path: Path) -> None:
    program = """
import logging
from eventstore import logger
logger.info("ours")
logging.getLogger("theirs").info("theirs")
logging.getLogger("theirs").debug("too low")
"""
    run(tmp_path, program)
    assert [line["message"] for line in lines(tmp_path)] == ["ours", "theirs"]


def test_files_are_set_aside_by_size_and_so_many_are_kept(tmp_path: Path) -> None:
    program = """
from eventstore import logger
for number in range(200):
    logger.info({"message": "m", "number": number})
"""
    run(tmp_path, program, max_bytes="2048", keep="3", console="false")
    names = sorted(path.name for path in (tmp_path / "logs").iterdir())
    assert names[-3:] == ["main.log.1", "main.log.2", "main.log.3"]
    kept = [
        json.loads(line)["number"]
        for path in sorted((tmp_path / "logs").iterdir(), key=lambda path: path.suffix)
        for line in path.read_text().splitlines()
    ]
    assert sorted(kept) == list(range(200 - len(kept), 200))


def test_processes_of_one_directory_mix_no_lines(tmp_path: Path) -> None:
    program = """
from eventstore import logger
from concurrent.futures import ThreadPoolExecutor
def log(n):
    logger.info({"message": "m", "n": n, "pad": "é" * (n % 300)})
with ThreadPoolExecutor(4) as pool:
    list(pool.map(log, range(300)))
"""
    env = environment(console="false")
    command = [sys.executable, "-c", program]
    processes = [subprocess.Popen(command, cwd=tmp_path, env=env) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    found: dict[int, list[int]] = {}
    for line in lines(tmp_path):
        assert line["pad"] == "é" * (line["n"] % 300)
        found.setdefault(line["pid"], []).append(line["n"])
    assert {pid: sorted(numbers) for pid, numbers in found.items()} == {
        process.pid: list(range(300)) for process in processes
    }


def test_a_forked_child_logs_under_its_own_process_id(tmp_path: Path) -> None:
    program = """
import os
from eventstore import logger
logger.info("parent")
child = os.fork()
if child == 0:
    logger.info("child")
    os._exit(0)
os.waitpid(child, 0)
logger.info("parent")
"""
    run(tmp_path, program, console="false")
    first, second, third = lines(tmp_path)
    assert [first["message"], second["message"], third["message"]] == ["parent", "child", "parent"]
    assert first["pid"] == third["pid"] != second["pid"]
