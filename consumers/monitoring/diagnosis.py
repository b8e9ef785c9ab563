"""What `doctor` looks at: the data directory, the server's set-up, the groups, the payload store.

Adds to `bus.health()` what takes more than a glance, or writes: a small payload is written and
read back. It is kept under its content, so there is one at most, and the sweep removes it. Lost
payloads that have files again are no longer counted.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from consumers.checking.found_again import look_again
from consumers.working.groups import known_groups, plugins
from eventstore.connection import parse_info
from eventstore.embedded import inspect, open_home, read_damage
from eventstore.embedded.deadline import Deadline
from eventstore.embedded.options import MIN_FREE_BYTES
from eventstore.embedded.wire import Answer
from eventstore.errors import EventStoreError
from eventstore.flow import Call, as_is, batch, call
from eventstore.health_checks import Check, Status
from eventstore.health_payloads import MISSING_REMEDY, REMEDY, problem_of
from eventstore.payload_driver import installed_drivers
from eventstore.payloads import encode_payload

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from eventstore.bus import EventBus
    from eventstore.embedded import Damage, HomeStatus
    from eventstore.flow import Flow
    from eventstore.log import Log
    from eventstore.payload_store import PayloadStore
    from eventstore.store import EventStore

_LITTLE_DISK: Final = 16 * MIN_FREE_BYTES
_MUCH_MEMORY: Final = 0.8
_WORKER_SECONDS: Final = 10.0
_PROBE: Final = b"written by `eventstore doctor` to see whether payloads can be stored\n"


class Finding(NamedTuple):
    """What a check saw, and what to do about it; no remedy where nothing is wrong."""

    status: Status
    detail: str
    remedy: str = ""


def examine_home(path: Path) -> list[Check]:
    """Look at a data directory as it is, before anything starts in it; none if there is none."""
    if not path.is_dir():
        return [Check("home", "ok", 0.0, f"{path} is not there yet; the first use makes it")]
    started = time.perf_counter()
    try:
        home = open_home(path)
        status, damage = inspect(home), read_damage(home)
    except EventStoreError as error:
        return [Check("home", "failed", _since(started), str(error), "do as the message says")]
    found = [("home", _processes(status)), ("disk", _disk(status)), ("data", _data(damage))]
    if status.last_error is not None:
        detail = f"the last supervisor gave up: {status.last_error}"
        found.append(("supervisor", Finding("warning", detail, "do as the message says")))
    return [Check(name, f.status, _since(started), f.detail, f.remedy) for name, f in found]


def _processes(status: HomeStatus) -> Finding:
    where = status.home.path
    if status.orphan_server or status.orphan_worker:
        left = "server" if status.orphan_server else "worker"
        return Finding(
            "warning",
            f"{where}: a {left} lives without its supervisor, which was killed",
            "nothing: the next use adopts it; `eventstore down` ends it",
        )
    if status.server.alive and status.answer is Answer.SILENT:
        return Finding(
            "failed",
            f"{where}: the server (pid {status.server.pid}) lives and does not answer",
            "wait if the machine is busy; else `eventstore down` ends it, and data is kept",
        )
    if not status.supervisor.alive:
        return Finding("ok", f"{where}: nothing runs; the first use starts it")
    pids = {"supervisor": status.supervisor, "server": status.server, "worker": status.worker}
    shown = (f"{name} {at.pid if at.alive else 'not running'}" for name, at in pids.items())
    return Finding("ok", f"{where}: pids: {', '.join(shown)}")


def _data(damage: Damage | None) -> Finding:
    if damage is None:
        return Finding("ok", "its files were found whole")
    return Finding(
        "warning",
        f"its files were damaged and are kept in {damage.where}: {damage.why}",
        "see that all is there (`eventstore log verify`), then `eventstore repair --accept-loss`",
    )


def _disk(status: HomeStatus) -> Finding:
    detail = f"{status.disk_free // 2**20:,} MiB free where the data lies"
    if status.disk_free < MIN_FREE_BYTES:
        return Finding("failed", detail, "free some: the server does not start like this")
    if status.disk_free < _LITTLE_DISK:
        return Finding("warning", detail, "free some before it runs out")
    return Finding("ok", detail)


def examine_store(bus: EventBus) -> list[Check]:
    """Open the store, starting the embedded one if need be, and look at everything in it."""
    checks = list(bus.health().checks)
    if any(check.status == "failed" and check.name in ("redis", "store") for check in checks):
        return checks
    store = bus.store
    log = store.parts.log
    return [
        *checks,
        _timed("server", lambda: store.reading(lambda: _server(log))),
        _timed("owners", lambda: _owners(store)),
        _timed("plugins", _plugins),
        _timed("payload write", lambda: _write_probe(store.parts.payloads)),
        _timed("payload buffer", lambda: store.reading(lambda: _buffer(log))),
        _timed("payload files", lambda: store.reading(lambda: _missing(store))),
    ]


def _timed(name: str, look: Callable[[], Finding]) -> Check:
    started = time.perf_counter()
    try:
        found = look()
    except EventStoreError as error:
        found = Finding("failed", str(error), "do as the message says")
    return Check(name, found.status, _since(started), found.detail, found.remedy)


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)


def _server(log: Log) -> Flow[Finding]:
    info = yield from call(Call("INFO", (), (), parse_info))
    name = "Valkey" if "valkey_version" in info else "Redis"
    version = info.get("valkey_version", info["redis_version"])
    used, limit = int(info["used_memory"]), int(info.get("maxmemory", "0"))
    persistence = "AOF" if info.get("aof_enabled") == "1" else "no AOF"
    detail = (
        f"{name} {version}, {persistence}, {info['maxmemory_policy']}, "
        f"{used // 2**20:,} MiB used of {f'{limit // 2**20:,} MiB' if limit else 'no limit'}"
    )
    if info.get("aof_last_write_status", "ok") != "ok":
        return Finding("failed", f"{detail}; the last AOF write failed", "free disk, see its log")
    if limit and used > _MUCH_MEMORY * limit:
        return Finding("warning", detail, "raise maxmemory: at the limit, appends are refused")
    if info.get("aof_enabled") != "1" and log.settings.durability == "memory":
        return Finding(
            "warning",
            f"{detail}: a restart loses what is not saved",
            "CONFIG SET appendonly yes, and store.durability fsync",
        )
    return Finding("ok", detail)


def _owners(store: EventStore) -> Finding:
    log = store.parts.log
    slots = [(group, keys) for group in known_groups() for keys in log.partitions]
    embedded = store.parts.settings.uses_embedded
    # The worker of an embedded store that this very command started is on its way.
    deadline = Deadline(_WORKER_SECONDS if embedded else 0.0)
    while True:
        calls: list[Call[Any]] = [Call("GET", (k.lease(group),), (), as_is) for group, k in slots]
        leases = store.reading(partial(batch, calls))
        free = [slot for slot, lease in zip(slots, leases, strict=True) if lease is None]
        if not free:
            return Finding("ok", f"each of {len(slots)} slots has an owner")
        if deadline.passed:
            named = ", ".join(f"{group}/{keys.partition}" for group, keys in free)
            remedy = "see worker.log in the data directory" if embedded else "`eventstore work`"
            return Finding("warning", f"nobody consumes {named}", remedy)
        deadline.pause()


def _plugins() -> Finding:
    found, drivers = plugins(), installed_drivers()
    if found.faults:
        detail = "left out: " + "; ".join(map(str, found.faults))
        return Finding("failed", detail, "repair or uninstall it; its read model stands still")
    if drivers.faults:
        # The one that payloads.driver names is not among them: no store opens with it.
        detail = "cannot be used: " + "; ".join(map(str, drivers.faults))
        return Finding("warning", detail, "repair or uninstall it")
    names = ", ".join(each.name for each in found.projections) or "none"
    stores = ", ".join(drivers.names) or "none"
    detail = f"of other projects: projections {names}; payload stores {stores}"
    return Finding("ok", detail)


def _write_probe(payloads: PayloadStore) -> Finding:
    probe = encode_payload(_PROBE, "bin", compress_above=len(_PROBE))

    def write_and_read() -> None:
        payloads.write_digest(probe.info, probe.data)
        payloads.read_digest(probe.info)

    problem = problem_of(payloads.url, write_and_read)
    if problem is not None:
        return Finding("failed", problem, REMEDY)
    return Finding("ok", f"{payloads.url} takes files and gives them back")


def _buffer(log: Log) -> Flow[Finding]:
    metas = yield from batch(
        [Call("HGET", (keys.meta,), ("payload_bytes",), _count) for keys in log.partitions]
    )
    limit = log.settings.payload_buffer_bytes
    most = max(metas)
    detail = f"at most {most:,} payload bytes wait in a partition, of {limit:,}"
    if most > _MUCH_MEMORY * limit:
        remedy = "see that the payloads group gets on: `eventstore projection list`"
        return Finding("warning", detail, remedy)
    return Finding("ok", detail)


def _missing(store: EventStore) -> Flow[Finding]:
    looked = yield from look_again(store.parts.log, store.parts.payloads)
    again = f"; {looked.found} that were lost have their files again" if looked.found else ""
    if not looked.missing:
        return Finding("ok", f"no payload is known to be lost{again}")
    some = ", ".join(looked.some)
    detail = f"{looked.missing} payloads were lost with a server, such as of {some}{again}"
    return Finding("warning", detail, MISSING_REMEDY)


def _count(reply: Any) -> int:
    return int(reply or 0)
