"""Settings of a process: arguments over environment over configuration file over defaults.

docs/settings.md lists every setting. Nothing is read at import; `settings()` reads once.
"""

from __future__ import annotations

import functools
import logging
import os
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from eventstore.agent_config import agents, cached_agents
from eventstore.errors import SettingsError
from eventstore.settings_bootstrap import BootstrapSettings
from eventstore.settings_files import locate, read_document
from eventstore.settings_models import (
    AgentSettings,
    ConsumingSettings,
    LedgerSettings,
    LLMSettings,
    LoggingSettings,
    MetricsSettings,
    RedisSettings,
    RetentionSettings,
    SessionSettings,
    StoreSettings,
    UserPath,
    plain_message,
)
from eventstore.settings_sources import (
    CONFIG_VARIABLE,
    Layer,
    alias_layer,
    embedded_layer,
    merge,
    nest,
    nested_layer,
    prefixed_layer,
)
from eventstore.settings_storage import JournalSettings, PayloadSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails
    from pydantic_settings import PydanticBaseSettingsSource

__all__ = [
    "AppSettings",
    "agents",
    "reset_settings",
    "settings",
    "warn_if_embedded_in_production",
]

logger = logging.getLogger(__name__)


class AppSettings(BaseSettings):
    """All settings, frozen.

    Building one reads the environment and the configuration file; keyword arguments win over
    both. Raises `SettingsError` naming each key that is wrong and where its value came from;
    no message shows a value, since it may be a secret.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    redis: RedisSettings = Field(default_factory=RedisSettings)
    llm: LLMSettings = Field(default_factory=LLMSettings)
    logging: LoggingSettings = Field(default_factory=LoggingSettings)
    mode: Literal["production", "development", "test"] = Field(
        default="production", description="Kind of deployment: production, development or test."
    )
    agent: AgentSettings = Field(default_factory=AgentSettings)
    ledger: LedgerSettings = Field(default_factory=LedgerSettings)
    store: StoreSettings = Field(default_factory=StoreSettings)
    retention: RetentionSettings = Field(default_factory=RetentionSettings)
    consuming: ConsumingSettings = Field(default_factory=ConsumingSettings)
    payloads: PayloadSettings = Field(default_factory=PayloadSettings)
    journal: JournalSettings = Field(default_factory=JournalSettings)
    session: SessionSettings = Field(default_factory=SessionSettings)
    metrics: MetricsSettings = Field(default_factory=MetricsSettings)
    bootstrap: BootstrapSettings = Field(default_factory=BootstrapSettings)
    embedded: Literal["auto", "never"] = Field(
        default="auto",
        description="auto: a private server if no Redis is configured; never: refuse.",
    )
    home: UserPath | None = Field(
        default=None,
        description="Data directory; unset = the nearest parent's .eventstore/, else "
        "./.eventstore/.",
    )

    def __init__(self, **values: Any) -> None:
        found = _gather(type(self), values, os.environ)
        try:
            super().__init__(**nest(found))
        except ValidationError as error:
            faults = error.errors(include_url=False, include_input=False, include_context=False)
        else:
            return
        # Outside the except block: the ValidationError holds what was entered.
        raise SettingsError("\n".join(_describe(found, fault) for fault in faults))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take only what `__init__` merged; it knows the origin of every value."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    @property
    def uses_embedded(self) -> bool:
        """Whether the private server is to be used: neither redis.url nor redis.host is set.

        Raises `SettingsError` if it would be, and `embedded` is "never".
        """
        if self.redis.url is not None or self.redis.host is not None:
            return False
        if self.embedded == "never":
            raise SettingsError(
                "no Redis is configured and EVENTSTORE_EMBEDDED=never forbids the embedded one; "
                "set REDIS_URL (or redis.url or redis.host in the configuration file)"
            )
        return True


@functools.cache
def settings() -> AppSettings:
    """Return the settings of this process, read at the first call; `reset_settings` forgets them.

    Raises `SettingsError` as `AppSettings` does.
    """
    return AppSettings()


def reset_settings() -> None:
    """Forget cached settings and agents; the next call reads environment and files again."""
    settings.cache_clear()
    cached_agents.cache_clear()
    _warn_embedded.cache_clear()


def warn_if_embedded_in_production(chosen: AppSettings) -> None:
    """Log one warning a process if mode production runs on the embedded server.

    Called by whoever opens the store. Raises `SettingsError` as `AppSettings.uses_embedded`.
    """
    if chosen.uses_embedded and chosen.mode == "production":
        _warn_embedded()


@functools.cache
def _warn_embedded() -> None:
    logger.warning(
        "mode is production and no Redis is configured: using the embedded server, which serves "
        "one machine; set REDIS_URL, or EVENTSTORE_MODE=development to silence this"
    )


def _gather(
    model: type[AppSettings], values: Mapping[str, Any], environ: Mapping[str, str]
) -> Layer:
    file = locate(CONFIG_VARIABLE, "config.json", environ)
    return merge(
        [
            nested_layer(model, dict(values), "argument"),
            embedded_layer(environ),
            prefixed_layer(model, environ),
            alias_layer(environ),
            nested_layer(model, read_document(file), f"file {file}"),
        ]
    )


def _describe(found: Layer, fault: ErrorDetails) -> str:
    path = tuple(str(part) for part in fault["loc"])
    origins = (found[path[:n]].origin for n in range(len(path), 0, -1) if path[:n] in found)
    return f"{'.'.join(path)} ({next(origins, 'default')}): {plain_message(fault)}"
