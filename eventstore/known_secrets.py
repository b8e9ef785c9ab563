"""The secrets that a process knows by its settings, to be masked wherever they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from eventstore.redaction import Redactor, names_secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eventstore.settings import AppSettings


def redactor_for(chosen: AppSettings) -> Redactor:
    """Return what masks the secrets that settings hold, and whatever looks like one."""
    return Redactor(_secrets_of(chosen))


def _secrets_of(chosen: AppSettings) -> Iterator[str]:
    """Yield the secrets that the settings hold."""
    for section in chosen.model_dump().values():
        for value in section.values() if isinstance(section, dict) else ():
            if isinstance(value, SecretStr):
                yield value.get_secret_value()
    if chosen.redis.url is not None:
        password = urlsplit(chosen.redis.url.get_secret_value()).password or ""
        yield from (password, unquote(password))
    for options in (chosen.payloads.storage_options, chosen.journal.storage_options):
        for name, value in options.items():
            if isinstance(value, str) and names_secret(name):
                yield value
