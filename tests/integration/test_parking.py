"""An ordered group parks what it cannot handle, once, and goes on with everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.consuming import (
    at,
    counting_group,
    running,
    until_caught_up,
)
from support.parking import (
    PICKY,
    append_picky,
    assert_all_but_the_poison,
    left_out,
    missing,
    parked_of,
    trying,
)
from support.proxy import LossyProxy
from support.stores import make_settings, open_store
from support.wait import until

from consumers.monitoring.health import Verdict
from eventstore.consuming.membership import Slot
from eventstore.errors import PayloadStoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from support.server import PrivateServer

    from eventstore.codec import Recorded
    from eventstore.consuming.access import StoreAccess
    from eventstore.keys import Keys
    from projections.base import Write


@pytest.mark.parametrize("poison", [(0,), (299,), (7, 8, 150, 299)])
def test_a_poisonous_event_is_parked_and_the_rest_takes_effect_in_order(
    server: PrivateServer, namespace: str, poison: Sequence[int]
) -> None:
    settings = trying(make_settings(server, namespace), 3)
    with open_store(server, namespace) as store:
        refs = append_picky(store, "s", 300, poison)
        with running(settings, PICKY) as worker:
            until_caught_up(store)
            refs += append_picky(store, "s", 20)
            until_caught_up(store)
            status = worker.slots[Slot("counting", 0)].status
            until(lambda: status.error is None)
            assert status.total_failures >= 3 * len(poison)
        assert_all_but_the_poison(store, "s", refs)
        found = parked_of(store, "counting")
        log = store.read("s")
        assert [item.position for item in found] == [n + 1 for n in poison]
        for item in found:
            recorded = log[item.position - 1]
            assert (item.ref, item.chain) == (recorded.event.ref, recorded.chain)
            assert (item.session_id, item.kind, item.attempts) == ("s", "artifact.published", 3)
            assert item.error == (
                f"ValueError: password=********** cannot be folded at {item.position}"
            )
            assert "in fold" in item.traceback
            assert "abcdefgh123" not in item.traceback
        assert missing(store, "s") == {"counting": len(poison)}
        assert missing(store, "t") == {}


def test_nothing_is_parked_twice_by_a_group_that_starts_over(
    server: PrivateServer, namespace: str
) -> None:
    settings = trying(make_settings(server, namespace), 1)
    with open_store(server, namespace) as store:
        append_picky(store, "s", 10, (3, 5))
        with running(settings, PICKY):
            until_caught_up(store)
        [keys] = store.parts.log.partitions
        client = server.client()
        client.hdel(keys.checkpoints, "counting")
        with client, running(settings, PICKY):
            until_caught_up(store)
            assert client.hlen(keys.parked("counting").items) == 2
        assert [item.position for item in parked_of(store, "counting")] == [4, 6]
        assert left_out(store, "counting") == [4, 6]
        assert missing(store, "s") == {"counting": 2}


def test_a_session_is_missing_only_what_is_its_own(server: PrivateServer, namespace: str) -> None:
    settings = trying(make_settings(server, namespace), 1)
    with open_store(server, namespace) as store:
        for session in ("a", "a:b", "a;", "é"):
            append_picky(store, session, 3, (0, 1) if session == "a" else (2,))
        append_picky(store, "b", 3)
        with running(settings, PICKY):
            until_caught_up(store)
        counts = {name: missing(store, name) for name in ("a", "a:b", "a;", "é", "b")}
    assert counts == {
        "a": {"counting": 2},
        **{name: {"counting": 1} for name in ("a:b", "a;", "é")},
        "b": {},
    }


class Faulty:
    """The counting group, which throws a fault of its choice at the start of a batch."""

    name = "counting"

    def __init__(self, access: StoreAccess, fault: Callable[[], Exception | None], parks: bool):
        self.parks = parks
        self._fault = fault
        self._inner = counting_group(access)

    async def writes(
        self, events: Sequence[Recorded], generation: int, keys: Keys
    ) -> Sequence[Write]:
        error = self._fault()
        if error is not None:
            raise error
        return await self._inner.writes(events, generation, keys)


@pytest.mark.parametrize(
    ("error", "parks", "verdict"),
    [
        (PayloadStoreError("it is down"), True, Verdict.PAYLOADS),
        (ZeroDivisionError("a defect"), False, Verdict.DEFECT),
    ],
    ids=["what is around the event is away", "a group that must have every event"],
)
def test_what_must_not_be_parked_is_waited_for(
    server: PrivateServer, namespace: str, error: Exception, parks: bool, verdict: Verdict
) -> None:
    faults: list[Exception | None] = [error]
    groups = {"counting": lambda access: Faulty(access, lambda: faults[-1], parks)}
    with open_store(server, namespace) as store:
        refs = append_picky(store, "s", 20)
        with running(trying(make_settings(server, namespace), 1), groups) as worker:
            status = worker.slots[Slot("counting", 0)].status
            until(lambda: status.failures >= 4, what="several tries")
            assert status.verdict is verdict
            assert at(store).position == 0
            faults.append(None)
            until_caught_up(store)
        assert parked_of(store, "counting") == []
        assert_all_but_the_poison(store, "s", refs)


@pytest.mark.parametrize("nth", [1, 2, 3, 5])
def test_a_parking_whose_reply_is_lost_happens_once(
    server: PrivateServer, namespace: str, nth: int
) -> None:
    settings = trying(make_settings(server, namespace), 1)
    with (
        LossyProxy(server.socket_path) as proxy,
        open_store(server, namespace) as store,
    ):
        refs = append_picky(store, "s", 6, (0, 1, 3, 5))
        proxy.lose_reply("apply", nth)
        with running(proxy.settings(settings), PICKY):
            until_caught_up(store)
        assert proxy.lost == 1
        assert [item.position for item in parked_of(store, "counting")] == [1, 2, 4, 6]
        assert missing(store, "s") == {"counting": 4}
        assert_all_but_the_poison(store, "s", refs)
