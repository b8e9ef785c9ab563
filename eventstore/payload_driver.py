"""Payload stores of an application's own: two methods, finished bytes in, the same bytes out.

    class MyStorageDriver(BaseStorageDriver):
        def write_payload(self, session_id, ref, payload, mime, header): ...
        def read_payload(self, session_id, ref, mime): ...

`payloads.driver` names one as `module:Class`, or by the name of an entry point in the group
`eventstore.payload_stores`. A class that has the two methods need not derive from the base.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from eventstore.errors import PluginError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.metadata import EntryPoint

ENTRY_POINTS: Final = "eventstore.payload_stores"
_METHODS: Final = ("write_payload", "read_payload")
DriverClass: TypeAlias = Callable[..., Any]


class BaseStorageDriver(ABC):
    """Keeps payloads in a place of one's own.

    An instance is made once a process, with `payloads.storage_options` as keyword arguments, at
    the first payload. Its methods are called from several threads at once, and block; a call that
    takes longer than `payloads.timeout` counts as failed and is made again. Whatever they raise
    means that the place is down: the call is made again later.
    """

    @abstractmethod
    def write_payload(
        self, session_id: str, ref: str, payload: bytes, mime: str, header: Mapping[str, Any]
    ) -> None:
        """Keep the bytes, whole and durably, before returning.

        They may be compressed, and are kept as they are; `header["payload"]` describes them. The
        same session, ref and media type always come with the same bytes, perhaps many times. A
        session's name is any text. Payloads of a size are in the session `payloads`, their refs
        begin with `sha256-`, and their header holds no more than where and what they are.
        """

    @abstractmethod
    def read_payload(self, session_id: str, ref: str, mime: str) -> bytes | None:
        """Return the bytes that were kept.

        For what was never kept, return None or raise `KeyError` or `FileNotFoundError`.
        """


class InstalledDrivers(NamedTuple):
    """The names of the drivers that are installed, and why some of them cannot be used."""

    names: tuple[str, ...]
    faults: tuple[PluginError, ...]


def load_driver(name: str) -> DriverClass:
    """Return the class that `payloads.driver` names.

    Raises `PluginError` if it cannot be loaded or is no driver, `SettingsError` if no installed
    driver has the name.
    """
    module, colon, attribute = name.partition(":")
    if colon:
        return _load(f"{module}:{attribute}", "payloads.driver", lambda: _find(module, attribute))
    entries = {entry.name: entry for entry in _entry_points()}
    if name not in entries:
        known = ", ".join(sorted(entries)) or "none"
        raise SettingsError(
            f"payloads.driver: no driver {name!r} is installed (installed: {known}); name a class "
            "as module:Class. Files and object stores need no driver: set payloads.url"
        )
    entry = entries[name]
    return _load(name, _source(entry), entry.load)


def installed_drivers() -> InstalledDrivers:
    """Load every installed driver, and return the names of all and the faults of some."""
    names, faults = [], []
    for entry in _entry_points():
        names.append(entry.name)
        try:
            _load(entry.name, _source(entry), entry.load)
        except PluginError as error:
            faults.append(error)
    return InstalledDrivers(tuple(names), tuple(faults))


def _entry_points() -> list[EntryPoint]:
    return sorted(importlib.metadata.entry_points(group=ENTRY_POINTS))


def _source(entry: EntryPoint) -> str:
    distribution = "an unnamed distribution" if entry.dist is None else entry.dist.name
    return f"{distribution} ({entry.value})"


def _find(module: str, attribute: str) -> object:
    found: object = importlib.import_module(module)
    for part in attribute.split("."):
        found = getattr(found, part)
    return found


def _load(name: str, source: str, find: Callable[[], object]) -> DriverClass:
    try:
        found = find()
    except (Exception, SystemExit) as error:
        problem = f"loading it failed: {type(error).__name__}: {error}"
        raise PluginError(name, source, problem) from error
    flaw = _flaw(found)
    if flaw is not None:
        raise PluginError(name, source, flaw)
    assert callable(found)
    return found


def _flaw(found: object) -> str | None:
    """Return why an object is no class of drivers, None if it is one."""
    if not isinstance(found, type):
        return f"it is {type(found).__name__}, not a class"
    for method in _METHODS:
        own = getattr(found, method, None)
        if not callable(own) or getattr(own, "__isabstractmethod__", False):
            return f"it is no payload store: it has no method {method}"
        if inspect.iscoroutinefunction(own):
            return f"{method} is a coroutine; payload stores block, and are called in threads"
    if inspect.isabstract(found):
        return "it is abstract: not all that its base asks for is there"
    return None
