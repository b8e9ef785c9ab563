"""What every client of a store is made of, in one process and before anything connects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventstore.appending import Appender
from eventstore.connection import Guard
from eventstore.location import Location, locate
from eventstore.log import Log
from eventstore.payload_places import payload_store_of

if TYPE_CHECKING:
    from eventstore.settings import AppSettings


class Parts:
    """The parts of a store's client; nothing connects before the first flow runs."""

    def __init__(self, settings: AppSettings, location: Location | None = None) -> None:
        self.settings = settings
        self.location = location or locate(settings)
        self.guard = Guard(open_to_any=False)
        self.control = Guard(open_to_any=True)
        self.payloads = payload_store_of(settings, self.location.payloads_url)
        self.log = Log(
            self.location.store_settings,
            self.guard,
            self.control,
            self.location.reconnect,
            self.location.prepare,
            self.payloads,
            self.location.damage,
        )
        self.appender = Appender(self.log, self.payloads)

    def leave(self) -> None:
        """Let an embedded store go; the next flow opens the store again."""
        self.log.forget()
        self.location.leave()
