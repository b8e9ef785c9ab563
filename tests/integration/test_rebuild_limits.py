"""What a rebuild does on a server without room, and for a group that the log contradicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest
from support.applying import apply_all
from support.consuming import publish, running, until_caught_up
from support.rebuilding import INDEX, Site, told
from support.stores import make_settings, open_store

from consumers.rebuild.run import Stage
from consumers.working.groups import known_groups
from eventstore.consuming.access import StoreAccess
from eventstore.consuming.hold import Hold
from eventstore.consuming.lease import BEATS_PER_LEASE, PATIENCE_LEASES
from eventstore.errors import Diverged, RebuildRefused
from projections.registry import PROJECTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from support.server import PrivateServer

    from consumers.rebuild.run import Step

EVENTS = 2000


def fill_to(server: PrivateServer, share: float) -> None:
    """Set the limit of a server so that what it uses is a share of it."""
    with server.client() as client:
        used: Any = client.info("memory")["used_memory"]
        client.config_set("maxmemory", int(used / share))


def free(server: PrivateServer) -> None:
    with server.client() as client:
        client.config_set("maxmemory", 0)


def test_a_server_without_room_is_left_as_it_is(
    private_server: Callable[..., PrivateServer], namespace: str
) -> None:
    server = private_server()
    with told(server, namespace) as site:
        publish(site.store, "s", EVENTS)
        apply_all(site.store, PROJECTIONS)
        fill_to(server, 0.88)
        before = site.everything()
        with pytest.raises(RebuildRefused, match=r"uses .* MiB of .* MiB; with the .* MiB"):
            site.rebuild()
        assert site.everything() == before
        free(server)
        assert site.rebuild()[0].verified.is_equal


def test_a_server_that_fills_up_meanwhile_stops_the_rebuild_and_it_goes_on_later(
    private_server: Callable[..., PrivateServer], namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consumers.rebuild.build._BATCHES_A_LOOK", 1)
    server = private_server()
    with told(server, namespace) as site:
        publish(site.store, "s", EVENTS)
        apply_all(site.store, PROJECTIONS)
        with pytest.raises(RebuildRefused, match="filled over 90%"):
            site.rebuild(
                INDEX, lambda step: fill_to(server, 0.95) if step.stage is Stage.BUILD else None
            )
        free(server)
        (done,) = site.rebuild()
        assert (done.resumed, done.verified.is_equal) == (True, True)
        assert 0 < done.events < EVENTS


def test_what_was_built_already_needs_no_room_any_more(
    private_server: Callable[..., PrivateServer], namespace: str
) -> None:
    server = private_server()
    with told(server, namespace) as site:
        publish(site.store, "s", EVENTS)
        apply_all(site.store, PROJECTIONS)
        # All of it is built, and the switch is still to come.
        site.client.set(site.keys.lease("index"), "other:0")
        built = {"events": 0}

        def stop(step: Any) -> None:
            if step.stage is Stage.BUILD and step.done == step.total:
                built["events"] = step.done
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            site.rebuild(INDEX, stop)
        assert built["events"] == site.head
        fill_to(server, 0.88)
        (done,) = site.rebuild()
        assert (done.resumed, done.events, done.verified.is_equal) == (True, 0, True)


@pytest.mark.parametrize(("ahead", "what"), [(9, "beyond the log"), (-1, "another chain")])
def test_a_checkpoint_that_the_log_contradicts_is_replaced(
    server: PrivateServer, namespace: str, ahead: int, what: str
) -> None:
    with told(server, namespace) as site:
        head = site.head
        site.client.hset(site.keys.checkpoints, "index", f"1:{head + ahead}:{'a' * 16}")
        (done,) = site.rebuild()
        assert (done.verified.position, done.verified.is_equal) == (head, True), what
        with running(site.settings, known_groups()):
            publish(site.store, "s", 5)
            until_caught_up(site.store, "index")


def put_another_history_in(site: Site) -> None:
    """Have another last event than the one that was there, of which the live group knows."""
    chain, stream = "f" * 16, site.keys.stream
    entries: Any = site.client.xrange(stream)
    site.client.unlink(stream)
    entries[-1][1][b"chain"] = chain
    for name, fields in entries:
        site.client.xadd(stream, fields, name)
    site.client.hset(site.keys.meta, "chain", chain)
    site.client.hset(site.keys.checkpoints, "index", f"1:{len(entries)}:{chain}")


def test_a_history_that_is_lost_after_it_was_built_from_ends_the_rebuild(
    server: PrivateServer, namespace: str
) -> None:
    """However often it were tried, the two generations would never be at one place."""
    with told(server, namespace) as site:

        def lose(step: Step) -> None:
            if step.stage is Stage.BUILD and step.done == step.total:
                put_another_history_in(site)

        with pytest.raises(Diverged, match="the log holds another history there"):
            site.rebuild(INDEX, lose)


def test_who_waits_for_a_lease_looks_a_few_times_a_lease(
    server: PrivateServer, namespace: str
) -> None:
    settings = make_settings(server, namespace, lease_seconds=0.1)
    looks = 0

    async def wait() -> bool:
        access = StoreAccess(settings, groups=1)
        await access.uuid()
        exchange = access._runner._exchange

        async def counted(commands: Sequence[Any], *, control: bool) -> list[Any]:
            nonlocal looks
            looks += commands[0][0] == "GET"
            return await exchange(commands, control=control)

        access._runner._exchange = counted  # type: ignore[method-assign]
        try:
            return await Hold(access, access.partitions[0].lease("counting")).take()
        finally:
            await access.close()

    with open_store(server, namespace) as store, server.client() as client:
        client.set(store.parts.log.partitions[0].lease("counting"), "killed:7")
        assert anyio.run(wait)
    assert 2 <= looks <= BEATS_PER_LEASE * PATIENCE_LEASES + 2
