"""`scripts/run` as a newcomer types it: everything from one command, and nothing twice.

Slow: it starts the whole store, and imports all recorded runs that there are.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest
from support.embedded import Sandbox
from support.program import clean_environment, run_program
from support.tau_data import ROOT, recorded_files, records_of
from support.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUN = ROOT / "scripts" / "run"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def run(sandbox: Sandbox, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(RUN), *arguments],
        env=environment(sandbox),
        cwd=sandbox.directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, f"{done.returncode}: {done.stdout}{done.stderr}"
    return done


def environment(sandbox: Sandbox) -> dict[str, str]:
    return clean_environment(
        EVENTSTORE_HOME=str(sandbox.home.path), EVENTSTORE_METRICS__PORT="0", COLUMNS="160"
    )


@pytest.mark.parametrize("path", recorded_files(), ids=lambda path: path.stem)
def test_it_shows_the_store_and_a_second_run_adds_nothing(sandbox: Sandbox, path: Path) -> None:
    records = records_of(path)
    first = run(sandbox, str(path)).stdout
    total = re.search(r"^([\d,]+) events in ([\d,]+) sessions", first, re.MULTILINE)
    assert total is not None
    assert int(total[2].replace(",", "")) == len(records) + 1
    for said in (
        "Timeline of sample/",
        "careful  11 steps, forked from main at step 4",
        "names its assumption",
        "import.tau_bench",
        "unscored as failures",
        "artifacts:headers",
        "Payload store: ",
        "all 6 groups have caught up",
    ):
        assert said in first
    lags = re.findall(r"^ (\w+) +\d+ +[\d,]+ +[\d,]+ +([\d,]+) +([\d.]+) *$", first, re.MULTILINE)
    assert {group for group, *_ in lags} == {
        *("index", "timeline", "branch", "evaluation", "payloads", "journal"),
    }
    assert {(events, seconds) for _, events, seconds in lags} == {("0", "0.0")}
    assert re.search(r"sample run: \d+ events added", first)

    second = run(sandbox, str(path)).stdout
    assert "sample run: 0 events added" in second
    assert re.search(rf"import: {len(records)} runs of 1 files, ([\d,]+) events, 0 added", second)
    assert f"{total[1]} events in" in second

    env = environment(sandbox)
    found = json.loads(
        run_program("eval", "aggregate", "--json", env=env, cwd=sandbox.directory).stdout
    )
    assert found["count"] == len(records)
    if len(records) == 160:
        assert found["pass_hat_k_unscored_as_failures"] == pytest.approx(
            [0.36875, 0.2375, 0.19375, 0.175]
        )
    verified = run_program("projection", "verify", "--json", env=env, cwd=sandbox.directory)
    assert all(row["equal"] for row in json.loads(verified.stdout))


def test_a_bad_file_is_code_2_and_nothing_of_it_is_there(sandbox: Sandbox) -> None:
    bad = sandbox.directory / "bad.json"
    bad.write_text('[{"task_id": ')
    done = run(sandbox, "bad.json", code=2)
    assert "bad.json: byte 13" in done.stderr
    assert "Traceback" not in done.stderr
    listed = run_program(
        "session", "list", "--json", env=environment(sandbox), cwd=sandbox.directory
    )
    assert [row["session_id"][:7] for row in json.loads(listed.stdout)] == ["sample/"]


def test_stay_serves_on_until_ctrl_c(sandbox: Sandbox) -> None:
    with subprocess.Popen(
        [str(RUN), "--stay"],
        env=environment(sandbox),
        cwd=sandbox.directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        shown = ""
        while "all 6 groups have caught up" not in shown:
            line = process.stdout.readline()
            assert line, f"ended early: {shown}{process.stderr and process.stderr.read()}"
            shown += line
        address = re.search(r"Metrics: (http://\S+)", shown)
        assert address is not None
        with urlopen(address[1], timeout=60) as answer:
            assert b"eventstore_projection_lag_events" in answer.read()
        until(lambda: sandbox.status().in_use, what="the program to hold the store open")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
    assert sandbox.server_pids(), "the store lingers for the next program"


def test_a_store_that_nobody_consumes_fails_loudly(sandbox: Sandbox) -> None:
    with sandbox.store():
        sandbox.store().ensure()
        done = subprocess.run(
            [str(RUN)],
            env={**environment(sandbox), "EVENTSTORE_STORE__READ_TIMEOUT": "0.3"},
            cwd=sandbox.directory,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 3, done.stdout + done.stderr
    assert "is a worker running?" in done.stderr
