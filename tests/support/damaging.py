"""Homes of an embedded store whose files are damaged, and the ways to damage them."""

from __future__ import annotations

import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from support.artifacts import artifacts
from support.consuming import running, until_caught_up
from support.payloads import with_payloads
from support.server import PrivateServer, short_dir
from support.stores import make_settings
from support.wait import until

from consumers.supervision.server import ServerKeeper
from consumers.working.groups import select_groups
from eventstore.embedded import Home, open_home
from eventstore.embedded.append_only import DIRECTORY, MANIFEST
from eventstore.embedded.options import SupervisorOptions
from eventstore.embedded.sockets import socket_path, socket_url
from eventstore.settings import AppSettings
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import TracebackType
    from typing import Literal, TypeAlias

    from eventstore.codec import Recorded

Damaging: TypeAlias = "Callable[[Path], object]"
Journal: TypeAlias = "Literal['whole', 'short', 'none']"
NAMESPACE = "es"
SESSION = "a"
EVENTS = 45
# So many are appended at once.
BATCH = 5
# Of them all, those that the shorter of the two journals holds.
JOURNALLED = 40


@dataclass
class Filled:
    """What a server wrote, to be copied into homes: its files, two journals, and the events.

    When the context ends, the homes are removed.
    """

    root: Path
    events: list[Any]
    homes: list[Path] = field(default_factory=list)

    @classmethod
    def write(cls, root: Path) -> Filled:
        """Have a server of its own write it below `root`."""
        payloads = root / "payloads"
        server = PrivateServer(short_dir(), "--appendonly", "yes", "--appendfsync", "always")
        try:
            settings = with_payloads(make_settings(server.start(), NAMESPACE), payloads)
            with EventStore(settings) as store:
                for _ in range(0, JOURNALLED, BATCH):
                    store.append(SESSION, artifacts(SESSION, BATCH))
                journal(settings, store)
                shutil.copytree(payloads, root / "short")
                store.append(SESSION, artifacts(SESSION, EVENTS - JOURNALLED))
                events = facts(store.read(SESSION))
                shutil.copytree(server.directory / DIRECTORY, root / DIRECTORY)
                journal(settings, store)
        finally:
            server.close()
        payloads.rename(root / "whole")
        return cls(root, events)

    def copy(self, journal: Journal) -> DamagedHome:
        """Return a home with a copy of the server's files, and of one of the journals."""
        self.homes.append(short_dir())
        home = DamagedHome(open_home(self.homes[-1] / "home"))
        shutil.copytree(self.root / DIRECTORY, home.append_only)
        if journal != "none":
            shutil.copytree(self.root / journal, home.home.payloads, dirs_exist_ok=True)
        return home

    def __enter__(self) -> Filled:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for directory in self.homes:
            shutil.rmtree(directory)


def journal(settings: AppSettings, store: EventStore) -> None:
    """Have what there is journalled, and its payloads stored."""
    chosen = select_groups(["journal", "payloads"])
    with running(settings, chosen):
        for group in chosen:
            until_caught_up(store, group)


class DamagedHome:
    """A home whose server is kept by this process, so that no test waits for a supervisor's."""

    def __init__(self, home: Home) -> None:
        self.home = home

    @property
    def settings(self) -> AppSettings:
        """Settings as a worker of the home has them, or a program with its REDIS_URL."""
        return AppSettings(
            mode="test",
            home=self.home.path,
            redis={"url": socket_url(socket_path(self.home))},
            store={"namespace": NAMESPACE, "lease_seconds": 0.2},
        )

    @property
    def append_only(self) -> Path:
        """Where the server has its append-only files."""
        return self.home.data / DIRECTORY

    def damage(self, damaging: Damaging) -> dict[str, bytes]:
        """Damage the append-only files; return what they are then, by name."""
        damaging(self.append_only)
        return contents(self.append_only)

    @contextmanager
    def served(self) -> Iterator[None]:
        """Have a server meanwhile, kept as a supervisor does."""
        keeper = ServerKeeper(self.home, SupervisorOptions(min_free_bytes=0))

        def ready() -> bool:
            keeper.tick(time.monotonic())
            return keeper.ready

        try:
            until(ready, what="a server")
            yield
        finally:
            keeper.stop()

    def read(self) -> list[Any]:
        """Open the store on a running server, and return what there is."""
        with EventStore(self.settings) as store:
            return facts(store.read(SESSION))

    def kept(self) -> list[dict[str, bytes]]:
        """Return what is kept of damaged append-only files, the last damage last."""
        if not self.home.damaged.exists():
            return []
        return [contents(each / DIRECTORY) for each in sorted(self.home.damaged.iterdir())]


def contents(directory: Path) -> dict[str, bytes]:
    """Return the files of a directory."""
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def part(directory: Path, kind: str) -> Path:
    """Return the one file of a kind: `base.rdb` or `incr.aof`."""
    (found,) = directory.glob(f"*.{kind}")
    return found


def blank(at: int, count: int = 100) -> Damaging:
    """Return a damage that makes bytes of the increment zero; `at` below zero is from its end."""

    def damaging(directory: Path) -> None:
        path = part(directory, "incr.aof")
        content = bytearray(path.read_bytes())
        start = at % len(content)
        content[start : start + count] = bytes(min(count, len(content) - start))
        path.write_bytes(content)

    return damaging


def before(position: int) -> Damaging:
    """Return a damage in the append of an event."""
    sign = f"\r\n0-{position}\r\n".encode()

    def damaging(directory: Path) -> None:
        blank(part(directory, "incr.aof").read_bytes().index(sign) - 60, 20)(directory)

    return damaging


def longer(directory: Path) -> None:
    """Make a length in the middle of the increment so large that the file seems to end in it."""
    path = part(directory, "incr.aof")
    content = path.read_bytes()
    at = content.index(b"$4\r\nXADD", len(content) // 3)
    path.write_bytes(content[:at] + b"$499999999" + content[at + 2 :])


def torn(directory: Path) -> None:
    """Leave the first half of one more command at the end, as a power loss does."""
    with part(directory, "incr.aof").open("ab") as file:
        file.write(b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$9\r\nhal")


def base_cut(directory: Path) -> None:
    """Take the end of the base away."""
    path = part(directory, "base.rdb")
    path.write_bytes(path.read_bytes()[:-20])


def base_changed(directory: Path) -> None:
    """Change the checksum of the base."""
    path = part(directory, "base.rdb")
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def gone(name: str) -> Damaging:
    """Return a damage that removes the base, the increment or the manifest."""

    def damaging(directory: Path) -> None:
        (path,) = directory.glob(f"*{name}")
        path.unlink()

    return damaging


def manifest_changed(directory: Path) -> None:
    """Write something else over the manifest."""
    (directory / MANIFEST).write_text("garbage\n")


def facts(events: list[Recorded]) -> list[Any]:
    """Return what must come back of events: places, chains and contents."""
    return [(each.position, each.seq, each.chain, each.event) for each in events]


WHOLE_BEFORE: dict[str, Damaging] = {
    "zeros in the middle": before(20),
    "a length that reaches beyond the end": longer,
    "zeros at the end": blank(-30),
}
NOTHING_WHOLE: dict[str, Damaging] = {
    "nothing but zeros": blank(0, 1 << 30),
    "a cut base": base_cut,
    "a changed base": base_changed,
    "no base": gone("base.rdb"),
    "no increment": gone("incr.aof"),
    "no manifest": gone("manifest"),
    "another manifest": manifest_changed,
}
DAMAGES = {**WHOLE_BEFORE, **NOTHING_WHOLE}
