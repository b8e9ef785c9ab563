"""Importing does no work: no environment, no writing, no sockets, processes or threads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PROBE = ROOT / "tests" / "support" / "import_probe.py"


def probe(root: Path, *packages: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-B", str(PROBE), str(root), *packages],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_importing_any_module_does_no_work() -> None:
    report = probe(ROOT, "eventstore", "projections", "consumers")
    assert report["faults"] == []
    assert {"eventstore.settings", "projections", "consumers"} <= set(report["modules"])
    assert "litellm" not in report["loaded"]


def test_the_base_import_loads_no_heavy_library() -> None:
    report = probe(ROOT, "eventstore", "projections")
    assert not {"litellm", "jinja2", "s3fs", "botocore"} & set(report["loaded"])


@pytest.mark.parametrize(
    ("deed", "said"),
    [
        ("import os; os.environ.get('REDIS_HOST')", "reads the environment: REDIS_HOST"),
        ("import os; os.getenv('REDIS_HOST')", "reads the environment: REDIS_HOST"),
        ("import os; 'REDIS_HOST' in os.environ", "reads the environment: REDIS_HOST"),
        ("import os; dict(os.environ)", "reads the environment: all of it"),
        ("from eventstore.settings import settings; settings()", "reads the environment"),
        ("open('left-behind', 'w').close()", "opens for writing: left-behind"),
        ("import os; os.close(os.open('left-behind', os.O_CREAT))", "opens for writing"),
        ("import socket; socket.socket().close()", "socket.__new__"),
        ("import subprocess; subprocess.run(['true'])", "subprocess.Popen"),
        (
            "from threading import *; Thread(target=Event().wait, daemon=True).start()",
            "thread Thread-1",
        ),
    ],
)
def test_the_probe_sees(
    deed: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    package = tmp_path / "planted"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "module.py").write_text(deed)
    report = probe(tmp_path, "planted")
    assert any(said in fault for fault in report["faults"]), report["faults"]
