"""Where the settings put payloads and the journal: together, or each in a place of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventstore.payload_driver import load_driver
from eventstore.payload_driver_keeper import DriverKeeper
from eventstore.payload_keeper import FileKeeper
from eventstore.payload_root import FileRoot
from eventstore.payload_store import PayloadStore

if TYPE_CHECKING:
    from eventstore.payload_keeper import Keeper
    from eventstore.settings import AppSettings


def payload_store_of(settings: AppSettings, url: str) -> PayloadStore:
    """Return the payload store of the settings, whose files for the journal are beside it.

    `url` is where payloads lie, or with a driver the journal. Loads the driver's class, and opens
    nothing. Raises `SettingsError`.
    """
    payloads, journal = settings.payloads, settings.journal
    keeper: Keeper | None = None
    if payloads.driver is not None:
        driver = load_driver(payloads.driver)
        keeper = DriverKeeper(driver, payloads.driver, payloads.storage_options, payloads.timeout)
    elif journal.url is None:
        return PayloadStore(url, payloads.storage_options, timeout=payloads.timeout)
    else:
        keeper = FileKeeper(FileRoot(url, payloads.storage_options, payloads.timeout))
    files = journal.url or url
    return PayloadStore(files, journal.storage_options, timeout=payloads.timeout, keeper=keeper)
