"""Log files: whole lines, set aside when large, by several processes at once, after any fault."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from eventstore.logs_files import RotatingFile

if TYPE_CHECKING:
    from collections.abc import Callable


def read_all(path: Path) -> list[str]:
    """Return the lines of a log and of its files set aside, oldest file first."""
    old = sorted(path.parent.glob(f"{path.name}.*"), key=lambda each: -int(each.suffix[1:]))
    return [line for file in [*old, path] for line in file.read_text().splitlines()]


def write(file: RotatingFile, *lines: str) -> None:
    for line in lines:
        file.write(f"{line}\n".encode())
        file.rotate_if_due()


def test_nothing_is_there_before_the_first_line(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path / "logs" / "main.log", 100, 2)
    file.rotate_if_due()
    file.close()
    assert list(tmp_path.iterdir()) == []


def test_a_large_file_is_set_aside_and_so_many_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "main.log"
    file = RotatingFile(path, 30, 2)
    write(file, *(f"line {number:04}" for number in range(8)))
    assert path.read_text().split("\n") == ["line 0006", "line 0007", ""]
    assert Path(f"{path}.1").read_text().split("\n") == ["line 0003", "line 0004", "line 0005", ""]
    assert Path(f"{path}.2").read_text().split("\n") == ["line 0000", "line 0001", "line 0002", ""]
    write(file, "line 0008")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["main.log.1", "main.log.2"]
    assert read_all_kept(path) == [f"line {number:04}" for number in range(3, 9)]


def read_all_kept(path: Path) -> list[str]:
    path.touch()
    return read_all(path)


def test_a_gap_left_by_a_killed_rotation_costs_no_file(tmp_path: Path) -> None:
    path = tmp_path / "main.log"
    Path(f"{path}.2").write_text("older\n")
    Path(f"{path}.3").write_text("oldest\n")
    write(RotatingFile(path, 1, 3), "new")
    assert read_all_kept(path) == ["oldest", "older", "new"]


@pytest.mark.parametrize("change", [Path.unlink, lambda path: path.rename(f"{path}.9")])
def test_a_file_that_was_taken_away_is_made_anew(
    tmp_path: Path, change: Callable[[Path], object]
) -> None:
    path = tmp_path / "main.log"
    file = RotatingFile(path, 1000, 2)
    write(file, "one")
    change(path)
    write(file, "two")
    assert path.read_text() == "two\n"


def test_a_line_that_was_cut_short_is_ended_first(tmp_path: Path) -> None:
    path = tmp_path / "main.log"
    path.write_text('{"cut')
    write(RotatingFile(path, 1000, 2), "whole")
    assert path.read_text() == '{"cut\nwhole\n'


def test_a_full_disk_is_an_error_and_the_next_line_is_tried(tmp_path: Path) -> None:
    path = tmp_path / "main.log"
    path.symlink_to("/dev/full")
    file = RotatingFile(path, 1000, 2)
    for _ in range(2):
        with pytest.raises(OSError, match="No space left"):
            write(file, "lost")
    path.unlink()
    write(file, "kept")
    assert path.read_text() == "kept\n"


def test_whoever_rotates_for_ever_holds_up_no_line(tmp_path: Path) -> None:
    path = tmp_path / "main.log"
    path.touch()
    program = f"import fcntl; f = open({str(path)!r}, 'ab'); fcntl.lockf(f, fcntl.LOCK_EX); "
    frozen = subprocess.Popen(
        [sys.executable, "-c", program + "print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with frozen:
        assert frozen.stdout is not None
        frozen.stdout.readline()
        file = RotatingFile(path, 1, 2)
        write(file, "one", "two")
        assert path.read_text() == "one\ntwo\n"
        frozen.kill()
    write(file, "three")
    assert Path(f"{path}.1").read_text() == "one\ntwo\nthree\n"


def test_the_lock_of_a_rotation_ends_with_it(tmp_path: Path) -> None:
    path = tmp_path / "main.log"
    write(RotatingFile(path, 1, 2), "one")
    program = (
        f"import fcntl; fcntl.lockf(open({f'{path}.1'!r}, 'ab'), {fcntl.LOCK_EX | fcntl.LOCK_NB})"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def write_many(path: Path, gate: int, name: str) -> None:
    file = RotatingFile(path, 2000, 1000)
    os.read(gate, 1)
    for number in range(400):
        write(file, json.dumps({"by": name, "n": number, "pad": "x" * (number % 50)}))


def test_processes_that_write_and_rotate_one_file_lose_and_mix_no_line(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "main.log"
    gate, opener = os.pipe()
    children = []
    for name in "abcd":
        children.append(os.fork())
        if children[-1] == 0:
            status = 1
            try:
                write_many(path, gate, name)
                status = 0
            finally:
                os._exit(status)
    os.write(opener, b"1234")
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0, 0]
    os.close(gate)
    os.close(opener)
    lines = [json.loads(line) for line in read_all_kept(path)]
    for name in "abcd":
        assert sorted(line["n"] for line in lines if line["by"] == name) == list(range(400))
    assert len(lines) == 1600
    assert len(list(path.parent.iterdir())) > 10


def test_a_forked_child_goes_on_in_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "main.log"
    file = RotatingFile(path, 1000, 2)
    write(file, "parent")
    child = os.fork()
    if child == 0:
        write(file, "child")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    write(file, "parent again")
    assert path.read_text() == "parent\nchild\nparent again\n"
