"""The server that an opener finds: which instance it is, and whether it keeps what it promises."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from eventstore.connection import ServerIdentity, parse_info
from eventstore.durability import require_durability
from eventstore.errors import CommandFailed, StoreUnreachable, WrongStore
from eventstore.flow import Call, Flow, as_is, batch, call
from eventstore.scripts import resident_scripts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventstore.settings_models import StoreSettings

_logger = logging.getLogger(__name__)


def look_at_server(settings: StoreSettings) -> Flow[ServerIdentity]:
    """Return which instance the server is. Raises `WrongStore` or `StoreUnreachable` if unfit."""
    info = yield from call(Call("INFO", (), (), parse_info, control=True))
    _check_server(info, settings)
    if settings.durability == "fsync":
        yield from require_durability(settings)
    yield from _load_scripts()
    return ServerIdentity(info["run_id"], info["master_replid"], info["role"])


def _load_scripts() -> Flow[None]:
    """See that the server has the scripts in constant use, so that one that is lost is seen."""
    loads = [
        Call("SCRIPT", (), ("LOAD", each.source), as_is, control=True)
        for each in resident_scripts()
    ]
    try:
        yield from batch(loads)
    except CommandFailed as error:
        _logger.info("scripts are sent as they are needed: %s", error)


def _check_server(info: Mapping[str, str], settings: StoreSettings) -> None:
    version = info["redis_version"]
    if int(version.partition(".")[0]) < 7:
        raise WrongStore(
            f"the server is version {version}; streams with positions need Redis 7.0 or Valkey"
        )
    if info.get("loading") == "1":
        raise StoreUnreachable("the server is loading its data; try again when it has")
    if info["role"] != "master":
        raise StoreUnreachable("the server is a replica; point redis.url at the primary")
    policy = info.get("maxmemory_policy", "unknown")
    if policy != "noeviction" and not settings.allow_eviction:
        raise WrongStore(
            f"the server may evict keys (maxmemory-policy {policy}), and so lose events; "
            "CONFIG SET maxmemory-policy noeviction, or accept it with store.allow_eviction"
        )
