"""`eventstore artifact amend`, and `artifact get --original`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.terminal import Terminal

if TYPE_CHECKING:
    from pathlib import Path

    from support.server import PrivateServer

REF = "0123456789abcdef" * 2


def test_a_correction_is_shown_and_the_original_is_kept(
    server: PrivateServer, namespace: str, tmp_path: Path
) -> None:
    terminal = Terminal(server, namespace)
    ref = terminal.run("artifact", "publish", "s", '{"score": 0.1}').stdout.strip()
    header = '{"meta": {"tags": ["checked"]}, "role": "judge"}'
    amend = ("artifact", "amend", ref, "--header", header, "--agent", "editor", "--reason", "typo")
    row = terminal.json(*amend, "--ref", REF)
    assert row == {"ref": REF, "position": 2, "seq": 1, "step_idx": 0}
    assert terminal.run(*amend, "--ref", REF).stdout == f"{REF}\n"
    file = tmp_path / "payload"
    file.write_bytes(b"\x00\x01")
    terminal.run("artifact", "amend", ref, "--file", str(file), "--as", "bytes")
    assert terminal.run("artifact", "get", ref, "--raw").stdout_bytes == b"\x00\x01"
    found = terminal.json("artifact", "get", ref)["header"]
    assert (found["role"], found["meta"]["tags"]) == ("judge", ["checked"])
    original = terminal.json("artifact", "get", ref, "--original")
    assert original["payload"] == {"score": 0.1}
    assert "amended" not in original["header"]


def test_what_cannot_be_amended_is_refused(server: PrivateServer, namespace: str) -> None:
    terminal = Terminal(server, namespace)
    ref = terminal.run("artifact", "publish", "s", "1").stdout.strip()
    terminal.run("artifact", "amend", ref, code=2)
    terminal.run("artifact", "amend", ref, "--header", '{"type": "x"}', code=2)
    terminal.run("artifact", "amend", ref, "--header", "[]", code=2)
    terminal.run("artifact", "amend", REF, "2", code=1)
    assert len(terminal.json("artifact", "tail")) == 1
