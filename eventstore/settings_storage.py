"""The sections of the settings on what lies outside the server: payloads and the journal."""

from __future__ import annotations

import re
from typing import Any, Final

from pydantic import Field, field_serializer, field_validator, model_validator

from eventstore.settings_models import MASK, Seconds, Section, Text

_DRIVER: Final = re.compile(r"[\w.]+:[\w.]+|[\w.-]+")


class FilesSection(Section):
    """A place for files: an fsspec URL and the options of its filesystem."""

    @field_validator("url", check_fields=False)
    @classmethod
    def _check_url(cls, url: str | None) -> str | None:
        if url is not None and "@" in url.partition("://")[2].partition("/")[0]:
            raise ValueError("carries credentials; give them in storage_options beside it")
        return url

    @field_serializer("storage_options", check_fields=False)
    def _mask(self, options: dict[str, Any]) -> dict[str, str]:
        return dict.fromkeys(options, MASK)


class PayloadSettings(FilesSection):
    """Where payloads are stored."""

    url: Text | None = Field(
        default=None,
        description="fsspec URL (file://, memory://, s3://); unset = payloads/ in the data "
        "directory.",
    )
    driver: Text | None = Field(
        default=None,
        description="A payload store of your own instead: `module:Class`, or the name of an "
        "installed one (docs/payload-stores.md).",
    )
    storage_options: dict[str, Any] = Field(
        default_factory=dict,
        repr=False,
        description="Options of the fsspec filesystem, or arguments of the driver's class; may "
        "hold credentials, so never shown.",
    )
    timeout: Seconds = Field(
        default=20.0,
        description="Seconds that one write, or one read of an object store or driver, may take.",
    )

    @field_validator("driver")
    @classmethod
    def _check_driver(cls, driver: str | None) -> str | None:
        if driver is not None and not _DRIVER.fullmatch(driver):
            raise ValueError("must be module:Class, or the name of an installed payload store")
        return driver

    @model_validator(mode="after")
    def _check_one_place(self) -> PayloadSettings:
        if self.driver is not None and self.url is not None:
            raise ValueError(
                "url and driver are both set, and payloads are kept in one place; unset one. A "
                "driver keeps no journal: journal.url says where that lies"
            )
        return self


class JournalSettings(FilesSection):
    """Where the journal is kept, if not beside the payloads."""

    url: Text | None = Field(
        default=None,
        description="fsspec URL; unset = beside the payloads, with payloads.driver in payloads/ "
        "in the data directory.",
    )
    storage_options: dict[str, Any] = Field(
        default_factory=dict,
        repr=False,
        description="Options of the fsspec filesystem at journal.url; never shown.",
    )

    @model_validator(mode="after")
    def _check_options(self) -> JournalSettings:
        if self.storage_options and self.url is None:
            raise ValueError("storage_options are for journal.url, which is not set")
        return self
