"""A backup as docs/operations.md has it: files copied while the store is in use, journal first."""

from __future__ import annotations

import os
import re
import shutil
import threading
from typing import TYPE_CHECKING

from support.consuming import at, drafts, running
from support.full import SmallStore
from support.wait import until

from consumers.working.groups import known_groups
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.server import PrivateServer

EVENTS = 200


def produce(site: SmallStore, over: threading.Event) -> None:
    """Append payloads of each size, one after the other, until told to stop."""
    with EventStore(site.settings) as store:
        number = 0
        while not over.is_set():
            number += 1
            site.append(store, "s", drafts("s", 1, os.urandom(number % 4 * 2_000 + 1)))


def copy_tree(source: Path, target: Path, without: tuple[str, ...] = ()) -> int:
    """Copy the files of a tree that changes, but for what is not whole yet; return how many."""
    tops = [top for top in source.iterdir() if top.name not in without]
    found = (path for top in tops for path in (top, *top.rglob("*")))
    files = [path for path in found if path.is_file() and path.name[0] != "."]
    for path in files:
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    return len(files)


def test_what_is_copied_in_use_is_restored_whole(
    private_server: Callable[..., PrivateServer], namespace: str, tmp_path: Path
) -> None:
    live, copy = tmp_path / "live", tmp_path / "copy"
    site = SmallStore(private_server(), namespace, live, inline_limit=5_000)
    over = threading.Event()
    producer = threading.Thread(target=produce, args=(site, over))
    with running(site.settings, known_groups()):
        producer.start()
        try:
            with EventStore(site.settings) as store:
                until(lambda: at(store, "journal").position > EVENTS, what="events to back up")
                copied = copy_tree(live / "journal", copy / "journal")
                journalled = at(store, "journal").position
                # Payloads of these events waited in the server when the copy began.
                until(lambda: at(store, "payloads").position >= journalled, what="their payloads")
                copied += copy_tree(live, copy, without=("journal", "index"))
        finally:
            over.set()
            producer.join()
    assert copied > EVENTS
    back = SmallStore(private_server(), namespace, copy, is_new=False, inline_limit=5_000)
    with EventStore(back.settings) as store:
        [partition] = store.restore(None).partitions
        assert partition.position > EVENTS
        assert partition.missing_payloads == 0
    back.acknowledged = [told for told in site.acknowledged if told.position <= partition.position]
    with running(back.settings, known_groups()):
        back.until_drained()
    # Payloads of events that came after the journal's copy are over.
    over_there = {told.ref for told in site.acknowledged if told.position > partition.position}
    wrong = back.problems(caught_up=True)
    assert [each for each in wrong if not _is_left_over(each, over_there)] == []


def _is_left_over(problem: str, refs: set[str]) -> bool:
    found = re.fullmatch(r"file artifacts/s/payloads/(\w+)\.\S+ belongs to no event", problem)
    return found is not None and found[1] in refs
