"""What takes a process: the embedded store, signals, pipes, start-up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.embedded import Sandbox, kill
from support.program import clean_environment, run_program, start_program
from support.stores import open_store
from support.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.server import PrivateServer

HEAVY = {"litellm", "jinja2", "pandas", "numpy", "s3fs", "botocore"}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def environment(sandbox: Sandbox) -> dict[str, str]:
    return clean_environment(
        EVENTSTORE_HOME=str(sandbox.home.path), EVENTSTORE_METRICS__PORT="0", EVENTSTORE_MODE="test"
    )


def test_the_embedded_store_comes_up_is_looked_at_and_goes_down(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    env = environment(sandbox)
    url = run_program("up", "--background", "--stay", env=env, cwd=tmp_path).stdout.strip()
    assert url.startswith("unix://")
    ref = run_program("artifact", "publish", "s", '"hi"', env=env, cwd=tmp_path).stdout.strip()
    rows = json.loads(
        run_program("artifact", "search", "s", "--json", env=env, cwd=tmp_path).stdout
    )
    assert [(row["header"]["ref"], row["payload"]) for row in rows] == [(ref, "hi")]
    doctor = json.loads(run_program("doctor", "--json", env=env, cwd=tmp_path).stdout)
    checks = {check["name"]: check for check in doctor["checks"]}
    assert doctor["ok"]
    assert str(sandbox.server_pid()) in checks["home"]["detail"]
    assert {checks[name]["status"] for name in ("home", "disk", "owners", "payload write")} == {
        "ok"
    }
    again = run_program("up", "-d", "--stay", env=env, cwd=tmp_path)
    assert "up already" in again.stderr
    down = json.loads(run_program("down", "--json", env=env, cwd=tmp_path).stdout)
    assert len(down["done"]) == 1
    assert sandbox.server_pids() == []
    assert "nothing runs" in run_program("down", env=env, cwd=tmp_path).stdout


def test_home_is_an_option_too_and_nothing_is_made_to_look(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    env = clean_environment(EVENTSTORE_METRICS__PORT="0")
    home = str(sandbox.home.path)
    run_program("--home", home, "artifact", "publish", "s", "1", env=env, cwd=tmp_path)
    listed = run_program("--home", home, "session", "list", "--json", env=env, cwd=tmp_path)
    assert [row["session_id"] for row in json.loads(listed.stdout)] == ["s"]
    run_program("down", env=env, cwd=tmp_path)
    run_program("import", "missing.json", env=env, cwd=tmp_path, code=2)
    assert list(tmp_path.iterdir()) == []


def test_doctor_sees_what_a_kill_left(sandbox: Sandbox, tmp_path: Path) -> None:
    env = environment(sandbox)
    run_program("up", "-d", "--stay", env=env, cwd=tmp_path)
    kill(sandbox.supervisor_pid())
    found = json.loads(run_program("doctor", "--json", env=env, cwd=tmp_path).stdout)
    (home,) = (check for check in found["checks"] if check["name"] == "home")
    assert home["status"] == "warning"
    assert "without its supervisor" in home["detail"]
    assert home["remedy"]


def test_up_in_the_foreground_ends_on_ctrl_c(sandbox: Sandbox, tmp_path: Path) -> None:
    with start_program("up", "--stay", env=environment(sandbox), cwd=tmp_path) as up:
        sandbox.server_pid()
        up.send_signal(signal.SIGINT)
        _, log = up.communicate(timeout=60)
    assert up.returncode == 0, log
    assert sandbox.server_pids() == []


def test_up_has_nothing_to_do_for_a_configured_server(
    server: PrivateServer, tmp_path: Path
) -> None:
    env = clean_environment(REDIS_URL=server.url)
    assert "eventstore work" in run_program("up", env=env, cwd=tmp_path, code=2).stderr


def test_work_consumes_until_sigterm(server: PrivateServer, namespace: str, tmp_path: Path) -> None:
    env = server_environment(server, namespace, tmp_path)
    run_program("artifact", "publish", "s", "1", env=env, cwd=tmp_path)
    with start_program("work", "--only", "index", env=env, cwd=tmp_path) as work:

        def caught_up() -> set[str]:
            listed = run_program("projection", "list", "--json", env=env, cwd=tmp_path).stdout
            return {row["group"] for row in json.loads(listed) if row["lag_events"] == 0}

        assert until(caught_up, what="a group at the head") == {"index"}
        work.send_signal(signal.SIGTERM)
        _, log = work.communicate(timeout=60)
    assert work.returncode == 0, log
    refused = run_program("work", "--only", "nonsense", env=env, cwd=tmp_path, code=2)
    assert "timeline" in refused.stderr


def server_environment(server: PrivateServer, namespace: str, home: Path) -> dict[str, str]:
    return clean_environment(
        REDIS_URL=server.url,
        EVENTSTORE_STORE__NAMESPACE=namespace,
        EVENTSTORE_HOME=str(home / "home"),
        EVENTSTORE_METRICS__PORT="0",
    )


def test_tail_follows_until_ctrl_c(server: PrivateServer, namespace: str, tmp_path: Path) -> None:
    env = server_environment(server, namespace, tmp_path)
    run_program("artifact", "publish", "s", "1", env=env, cwd=tmp_path)
    tail = start_program("artifact", "tail", "--follow", "--json", env=env, cwd=tmp_path)
    with tail, open_store(server, namespace):
        assert tail.stdout is not None
        assert json.loads(tail.stdout.readline())["position"] == 1
        for position in (2, 3):
            run_program("artifact", "publish", "s", "1", env=env, cwd=tmp_path)
            assert json.loads(tail.stdout.readline())["position"] == position
        tail.send_signal(signal.SIGINT)
        rest, said = tail.communicate(timeout=60)
    assert (tail.returncode, rest, said) == (130, "", "")


def test_a_reader_that_stops_reading_is_no_fault(
    server: PrivateServer, namespace: str, tmp_path: Path
) -> None:
    env = server_environment(server, namespace, tmp_path)
    run_program("artifact", "publish", "s", "1", env=env, cwd=tmp_path)
    tail = start_program("artifact", "tail", "-f", env=env, cwd=tmp_path)
    with tail:
        assert tail.stdout is not None
        assert tail.stdout.readline()
        tail.stdout.close()
        run_program("artifact", "publish", "s", "2", env=env, cwd=tmp_path)
        assert tail.wait(timeout=60) == 141
        assert tail.stderr is not None
        assert tail.stderr.read() == ""


def test_a_wrong_command_line_is_code_2_and_leaves_stdout_empty(tmp_path: Path) -> None:
    done = run_program(
        "session", "list", "--nonsense", env=clean_environment(), cwd=tmp_path, code=2
    )
    assert done.stdout == ""
    assert "--nonsense" in done.stderr


def test_json_is_utf_8_whatever_the_locale_says(
    server: PrivateServer, namespace: str, tmp_path: Path
) -> None:
    env = server_environment(server, namespace, tmp_path) | {"PYTHONIOENCODING": "ascii"}
    shown = run_program("artifact", "publish", "Tromsø", "1", "--json", env=env, cwd=tmp_path)
    ref = json.loads(shown.stdout)["ref"]
    shown = run_program("artifact", "get", ref, "--json", env=env, cwd=tmp_path)
    assert json.loads(shown.stdout)["header"]["session_id"] == "Tromsø"
    name = os.fsdecode(b"no-text-\xff.json")
    refused = run_program("import", name, "--json", env=env, cwd=tmp_path, code=2)
    assert json.loads(refused.stdout)["error"]["message"].startswith("no-text-")
    assert "Traceback" not in refused.stderr


def test_a_wrong_setting_is_code_2_and_help_still_works(tmp_path: Path) -> None:
    env = clean_environment(EVENTSTORE_STORE__PARTITIONS="many")
    refused = run_program("session", "list", "--json", env=env, cwd=tmp_path, code=2)
    assert "store.partitions" in json.loads(refused.stdout)["error"]["message"]
    assert "Traceback" not in refused.stderr
    assert "session" in run_program("--help", env=env, cwd=tmp_path).stdout


def test_the_command_line_loads_no_heavy_library(tmp_path: Path) -> None:
    code = "import sys, consumers.cli; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    names = {name.partition(".")[0] for name in loaded.stdout.split()}
    assert "consumers" in names
    assert not names & HEAVY


def test_completion_knows_the_commands(tmp_path: Path) -> None:
    env = clean_environment(
        _EVENTSTORE_COMPLETE="complete_bash", COMP_WORDS="eventstore proj", COMP_CWORD="1"
    )
    code = "import sys; sys.argv[0] = 'eventstore'; from consumers.entry import main; main()"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        capture_output=True,
        text=True,
        env=env,
        cwd=tmp_path,
        check=False,
    )
    assert done.stdout.split() == ["projection"], done.stderr
