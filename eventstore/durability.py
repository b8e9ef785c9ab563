"""Durability: what an acknowledged append survives, and whether the server is set up for it.

`fsync`: the kill of the server and a power cut, since the server answers after it has synced its
append-only file. That is so only with the set-up in `FSYNC`, which is read from the server itself,
at every open; where it cannot be read the level is refused. `memory`: what the server's own
set-up gives; with everysec about 2 s may be lost, also when only the server process is killed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventstore.connection import parse_info
from eventstore.errors import CommandFailed, Unavailable, WrongStore
from eventstore.flow import Batch, Call, Flow, call

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventstore.settings_models import StoreSettings

FSYNC: Final = {"appendonly": "yes", "appendfsync": "always", "no-appendfsync-on-rewrite": "no"}
"""What a server must be set to for `fsync`."""
_LEVELS: Final = {
    "always": "it answers after syncing",
    "everysec": "about 2 s of acknowledged appends may be lost when the server is killed",
    "no": "what the system has not written yet may be lost when the machine goes down",
}


def require_durability(settings: StoreSettings) -> Flow[str]:
    """Return what an acknowledged append survives on this server, in words.

    Raises `WrongStore` if the settings ask for a level that the server does not give, or that
    cannot be checked, `Unavailable` while the server's first append-only file is being written.
    """
    if settings.durability != "fsync":
        return (yield from _describe_memory())
    try:
        found = yield from _configuration()
    except CommandFailed as error:
        raise WrongStore(
            f"durability fsync cannot be checked ({error}); allow CONFIG GET or set "
            "store.durability to memory"
        ) from error
    for name, value in FSYNC.items():
        if found[name] != value:
            raise WrongStore(
                f"durability fsync needs {name} {value}, the server has {found[name]}; "
                f"CONFIG SET {name} {value} or set store.durability to memory"
            )
    info = yield from call(Call("INFO", (), ("persistence",), parse_info, control=True))
    if _is_first_rewrite(info):
        raise Unavailable(
            "durability fsync: the server has just begun its append-only file, and writes are "
            "durable only when it is there; try again in a moment"
        )
    return f"fsync: {_LEVELS['always']}"


def _describe_memory() -> Flow[str]:
    try:
        found = yield from _configuration()
    except CommandFailed:
        return "memory: how the server persists is not known, since it does not allow CONFIG GET"
    if found["appendonly"] != "yes":
        return "memory: the server keeps no append-only file; a restart loses what is not saved"
    policy = found["appendfsync"]
    return f"memory: appendfsync {policy}: {_LEVELS.get(policy, 'its meaning is not known')}"


def _configuration() -> Flow[dict[str, str]]:
    calls = tuple(Call("CONFIG", (), ("GET", name), _value, control=True) for name in FSYNC)
    found: list[str] = yield Batch(calls)
    return dict(zip(FSYNC, found, strict=True))


def _value(reply: list[bytes]) -> str:
    return reply[1].decode() if len(reply) == 2 else "unknown"


def _is_first_rewrite(info: Mapping[str, str]) -> bool:
    """Return whether `appendonly` was switched on a moment ago: nothing is synced until then."""
    sizes = [info.get(name) for name in ("aof_current_size", "aof_base_size")]
    under_way = "1" in [
        info.get(name) for name in ("aof_rewrite_in_progress", "aof_rewrite_scheduled")
    ]
    failed = info.get("aof_last_bgrewrite_status", "ok") != "ok"
    return sizes == ["0", "0"] and (under_way or failed)
