"""Whether the server has the memory for a second generation of a read model.

Batches are applied also when the server is at maxmemory, so that consumers can drain it. A
rebuild must not use this to fill a server up, and so looks by itself.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from consumers.checking.dumping import START_OF_SCAN, scan_page
from eventstore.connection import parse_info
from eventstore.errors import CommandFailed, RebuildRefused
from eventstore.flow import Call, Flow, batch, call

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventstore.keys import ProjectionKeys

_SHARE: Final = 0.9
"""How full a rebuild may make the server; the rest is for what is appended meanwhile."""

_KEYS_A_CALL: Final = 500
_log = logging.getLogger(__name__)


def measure(
    keys: ProjectionKeys, families: frozenset[str], report: Callable[[int], object]
) -> Flow[int | None]:
    """Return about how many bytes of memory a generation takes; None where the server won't say.

    Looks at every key; `report` is told how many were found so far.
    """
    total = found = 0
    cursor = START_OF_SCAN
    while True:
        cursor, names = yield from scan_page(keys, families, cursor)
        for start in range(0, len(names), _KEYS_A_CALL):
            page = names[start : start + _KEYS_A_CALL]
            usage = [Call("MEMORY", (), ("USAGE", name), lambda n: int(n or 0)) for name in page]
            try:
                total += sum((yield from batch(usage)))
            except CommandFailed as error:
                _log.warning("the size of the read model is not known: %s", error)
                return None
        found += len(names)
        report(found)
        if cursor == START_OF_SCAN:
            return total


def check_headroom(needed: int | None) -> Flow[None]:
    """Raise `RebuildRefused` if the server has no room for so many bytes more.

    A server without maxmemory is held to its machine's memory. Nothing is refused where neither
    is known, or `needed` is not.
    """
    info = yield from call(Call("INFO", ("memory",), (), parse_info))
    used = int(info["used_memory"])
    limit = int(info.get("maxmemory", "0")) or int(info.get("total_system_memory", "0"))
    if needed is None or not limit or used + needed <= _SHARE * limit:
        return
    raise RebuildRefused(
        f"the server uses {_mib(used)} of {_mib(limit)}; with the {_mib(needed)} that the rebuild "
        f"still needs it would be filled over {_SHARE:.0%}. Raise maxmemory or free some memory, "
        "and run it again; `--abort` drops what it has built"
    )


def _mib(count: int) -> str:
    return f"{count / 2**20:,.1f} MiB"
