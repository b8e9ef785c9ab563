"""Many producers of one session: the numbers are dense, every answer is true, nothing is lost."""

from __future__ import annotations

import multiprocessing
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING

import anyio
import pytest
from support.appending import append_alone
from support.artifacts import artifact
from support.stores import make_settings, open_store

from eventstore.store import AsyncEventStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from support.server import PrivateServer

    from eventstore.commands import Appended
    from eventstore.store import EventStore

PROCESSES = 8
BATCHES = 12


def assert_dense(store: EventStore, answers: Sequence[Sequence[Appended]]) -> None:
    """Fail unless the log holds exactly what was answered, batches whole, numbers dense."""
    log = store.read("s")
    count = sum(len(batch) for batch in answers)
    assert [found.seq for found in log] == list(range(count))
    assert [found.index for found in log] == list(range(count))
    positions = [found.position for found in log]
    assert positions == list(range(positions[0], positions[0] + count))
    told = {row.ref: (row.position, row.seq, row.step_idx) for batch in answers for row in batch}
    held = {found.event.ref: (found.position, found.seq, found.index) for found in log}
    assert told == held
    for batch in answers:
        assert all(after.seq == before.seq + 1 for before, after in pairwise(batch))


@pytest.mark.parametrize("partitions", [1, 4])
def test_processes_append_to_one_session(
    server: PrivateServer, namespace: str, partitions: int
) -> None:
    settings = make_settings(server, namespace, partitions)
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(PROCESSES, context) as pool:
        ready = manager.Barrier(PROCESSES)
        runs = [
            pool.submit(append_alone, settings, ready, f"p{number}", BATCHES)
            for number in range(PROCESSES)
        ]
        answers = [batch for run in runs for batch in run.result(timeout=50)]
    with open_store(server, namespace, partitions) as store:
        assert_dense(store, answers)


def test_threads_share_a_store(server: PrivateServer, namespace: str) -> None:
    start = threading.Barrier(PROCESSES)
    with open_store(server, namespace) as store, ThreadPoolExecutor(PROCESSES) as pool:

        def append(number: int) -> list[list[Appended]]:
            start.wait()
            return [store.append("s", [artifact("s", [number, n])]) for n in range(BATCHES)]

        answers = [batch for batches in pool.map(append, range(PROCESSES)) for batch in batches]
        assert_dense(store, answers)
        last = max(row.position for batch in answers for row in batch)
        assert store.parts.log.acknowledged(0) == last


@pytest.mark.anyio
async def test_tasks_share_a_store(server: PrivateServer, namespace: str) -> None:
    answers: list[list[Appended]] = []
    async with AsyncEventStore(make_settings(server, namespace)) as store:

        async def append(number: int) -> None:
            items = [artifact("s", [number, n]) for n in range(BATCHES)]
            answers.extend([await store.append("s", [item]) for item in items])

        async with anyio.create_task_group() as tasks:
            for number in range(PROCESSES):
                tasks.start_soon(append, number)
    with open_store(server, namespace) as same:
        assert_dense(same, answers)
