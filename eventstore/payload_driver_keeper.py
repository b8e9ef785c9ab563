"""Payloads kept by a driver of the application's own: code of others, held to its time."""

from __future__ import annotations

import errno
import os
import threading
from typing import TYPE_CHECKING, Any, Final

from eventstore.bounded import BoundedCalls
from eventstore.payload_activity import Activity
from eventstore.payload_faults import StoreFault, failing
from eventstore.payload_keeper import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eventstore.payload_driver import DriverClass
    from eventstore.payload_keeper import Item, StoredDigest
    from eventstore.payload_paths import Address

_REMEDY: Final = "see what the driver says and whether its place is reachable"


class DriverKeeper:
    """Keeps payloads with a driver.

    Each call of the driver runs in a daemon thread and has failed after `timeout` seconds. The
    driver is made at the first call, and anew in a forked child. It lists nothing, so nothing is
    counted, claimed or swept.
    """

    def __init__(
        self, driver: DriverClass, name: str, options: Mapping[str, Any], timeout: float
    ) -> None:
        self.where = f"payload driver {name}"
        self.activity = Activity()
        self._class = driver
        self._options = dict(options)
        self._timeout = timeout
        self._calls = BoundedCalls()
        self._made: tuple[int, Any] = (0, None)
        self._making: dict[int, threading.Lock] = {}

    def put(self, items: Sequence[Item]) -> None:
        """Hand payloads to the driver, one after another."""
        for item in items:
            where = item.address
            arguments = (where.session_id, where.ref, item.data, where.mime, dict(item.header))
            self._call("writing", where, _write, *arguments)

    def get(self, address: Address) -> bytes | None:
        """Return what the driver gives back, None if it says that it has nothing."""
        found: bytes | None = self._call("reading", address, _read, *address[:3])
        return found

    def exists(self, address: Address) -> bool:
        """Return whether the driver has a payload, which it has to read for that."""
        return self.get(address) is not None

    def name(self, address: Address) -> str:
        """Return session and ref, by which the driver knows a payload."""
        return f"{address.session_id}/{address.ref}"

    def at(self, address: Address) -> str:
        """Return session and ref, and whose they are."""
        return f"{self.where}: {self.name(address)}"

    def usage(self) -> Usage:
        """Return that nothing is known."""
        return Usage(None, None)

    def claim(self, store: str) -> None:
        """Do nothing: what is never swept need not be claimed."""

    def claimants(self) -> set[str]:
        """Return that nobody is known."""
        return set()

    def digests(self, older_than_seconds: float) -> list[StoredDigest]:
        """Return nothing: a driver lists nothing."""
        del older_than_seconds
        return []

    def delete_digest(self, stored: StoredDigest) -> bool:
        """Return that nothing was removed."""
        del stored
        return False

    def delete_leftovers(self, older_than_seconds: float) -> int:
        """Return that nothing was removed."""
        del older_than_seconds
        return 0

    def _call(self, doing: str, address: Address, function: Any, *arguments: Any) -> Any:
        where = self.at(address)
        with self.activity.doing(f"{doing} {where}"), failing(doing, where):
            return self._calls.run(self._timeout, self._perform, function, arguments)

    def _perform(self, function: Any, arguments: tuple[Any, ...]) -> Any:
        """Call the driver; whatever it raises is an `OSError`."""
        try:
            return function(self._driver(), *arguments)
        except StoreFault:
            raise
        except TimeoutError as error:
            raise TimeoutError(errno.ETIMEDOUT, str(error) or "it timed out") from error
        except Exception as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise StoreFault(f"{type(error).__name__}: {error}", _REMEDY) from error

    def _driver(self) -> Any:
        # What a driver holds is its parent's after a fork, and so may be the lock.
        own = os.getpid()
        with self._making.setdefault(own, threading.Lock()):
            if self._made[0] != own:
                self._made = (own, self._class(**self._options))
            return self._made[1]


def _write(driver: Any, *arguments: Any) -> None:
    driver.write_payload(*arguments)


def _read(driver: Any, *arguments: Any) -> bytes | None:
    try:
        found = driver.read_payload(*arguments)
    except (KeyError, FileNotFoundError):
        return None
    if found is None:
        return None
    if not isinstance(found, bytes | bytearray | memoryview):
        problem = f"read_payload returned {type(found).__name__}, not bytes"
        raise StoreFault(problem, "let it return the bytes that write_payload was given")
    return bytes(found)
