"""The sections of the settings: every field with its default, its bounds and its meaning."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
)

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

MASK = "**********"
REDIS_SCHEMES = ("redis", "rediss", "unix")


def plain_message(fault: ErrorDetails) -> str:
    """Return what a validation fault says; pydantic puts no value into these texts."""
    if fault["type"] == "extra_forbidden":
        return "unknown key"
    return fault["msg"].removeprefix("Value error, ")


def _expand_user(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError("the home directory that ~ stands for is unknown") from None


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


Text = Annotated[str, Field(min_length=1)]
UserPath = Annotated[Path, AfterValidator(_expand_user)]
Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Level = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)]


class Section(BaseModel):
    """Base of the sections: frozen, no unknown keys, no values in error messages."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class RedisSettings(Section):
    """Where the server is and how it is spoken to; neither url nor host means embedded."""

    url: SecretStr | None = Field(
        default=None,
        description="Whole address: redis://, rediss:// (TLS) or unix://; wins over host.",
    )
    host: Text | None = Field(default=None, description="Name or address of the server.")
    port: Port = Field(default=6379, description="TCP port of the server.")
    db: int = Field(default=0, ge=0, description="Number of the database.")
    username: Text | None = Field(default=None, description="ACL user.")
    password: SecretStr | None = Field(default=None, description="Password of the user.")
    tls: bool = Field(default=False, description="Speak TLS to `host`.")
    tls_ca_certs: UserPath | None = Field(default=None, description="CA bundle to trust (PEM).")
    tls_certfile: UserPath | None = Field(default=None, description="Client certificate (PEM).")
    tls_keyfile: UserPath | None = Field(
        default=None, description="Key of the client certificate (PEM)."
    )
    tls_check_hostname: bool = Field(
        default=True, description="The certificate must name the host."
    )
    socket_timeout: Seconds = Field(
        default=5.0, ge=2, description="Seconds to wait for one reply; waiting reads take up to 1."
    )
    connect_timeout: Seconds = Field(default=2.0, description="Seconds to wait for a connection.")
    max_connections: int = Field(
        default=32, ge=1, description="Connections of the pool of a process."
    )
    health_check_interval: int = Field(
        default=30, ge=0, description="Seconds idle before a connection is pinged first; 0 = never."
    )
    client_name: Text = Field(default="eventstore", description="Name shown by CLIENT LIST.")

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: SecretStr | None) -> SecretStr | None:
        if url is None:
            return None
        try:
            parts = urlsplit(url.get_secret_value())
            _ = parts.port
        except ValueError:
            problem = "is no URL; percent-encode / ? # @ : in the user and password"
        else:
            database = parts.path.strip("/")
            if parts.scheme == "unix" or (
                parts.scheme in REDIS_SCHEMES and (not database or database.isdecimal())
            ):
                return url
            # The client library would take any other path for database 0.
            problem = "must end in the number of a database, or in none"
            if parts.scheme not in REDIS_SCHEMES:
                problem = "must begin with redis://, rediss:// or unix://"
        # Outside the except block: what urlsplit raises quotes part of the URL.
        raise ValueError(problem)

    @field_validator("host")
    @classmethod
    def _check_host(cls, host: str | None) -> str | None:
        if host is not None and ("://" in host or "@" in host):
            raise ValueError("must be a name or address alone; a URL goes to redis.url")
        return host


class SupportedModel(Section):
    """One model that agents and judges may name."""

    provider: Text = Field(description="Provider that serves the model, as litellm names it.")


class ModelsSettings(Section):
    """Which language models there are."""

    default_model: Text | None = Field(default=None, description="Model of agents that name none.")
    supported_models: dict[str, SupportedModel] = Field(
        default_factory=dict, description="Model id -> {provider}."
    )


class LLMSettings(Section):
    """Access to language models; none of it is needed before the first call of one."""

    api_key: SecretStr | None = Field(default=None, description="Key sent to the provider.")
    api_base: Text | None = Field(
        default=None, description="Address of the API, if not the provider's."
    )
    models: ModelsSettings = Field(default_factory=ModelsSettings)


class LoggingSettings(Section):
    """Where log lines go: one JSON object a line."""

    log_dir: Text = Field(default="logs", description="Directory of the log files.")
    log_file: Text = Field(
        default="main.log", description="Name of the main log file in `log_dir`."
    )
    level: Level = Field(default="INFO", description="Lowest level that is logged.")
    levels: dict[str, Level] = Field(
        default_factory=dict,
        description="Logger name -> lowest level logged under it; the longest name counts.",
    )
    console: bool = Field(default=True, description="Log to the console (stderr) as well.")
    max_bytes: int = Field(
        default=10_485_760, ge=1_024, description="Size at which a log file is set aside."
    )
    keep: int = Field(default=5, ge=1, le=1_000, description="Log files set aside that are kept.")


class AgentSettings(Section):
    """What holds for every agent."""

    technical_failure_message: Text = Field(
        default="I could not finish this because of a technical fault. Please try again.",
        description="What an agent says when a call it depends on keeps failing.",
    )
    tick_timeout: Seconds = Field(
        default=45.0, description="Seconds after which a tick ends without those it waits for."
    )


class LedgerSettings(Section):
    """The ledger that money moves on."""

    enabled: bool = Field(default=False, description="Whether a ledger is used.")
    json_api_url: Text | None = Field(default=None, description="Address of the ledger's JSON API.")
    party_id: Text | None = Field(default=None, description="Party that this store acts for.")
    initial_balance: float = Field(
        default=100.0, ge=0, allow_inf_nan=False, description="Balance of a new wallet."
    )
    cache_ttl: int = Field(default=60, ge=0, description="Seconds a balance is cached; 0 = never.")


class StoreSettings(Section):
    """The log of events: its name, its guarantees and its limits."""

    namespace: Text = Field(default="es", description="First part of every key of the store.")
    partitions: int = Field(
        default=1, ge=1, le=1024, description="Streams of the log; fixed once the store is created."
    )
    durability: Literal["memory", "fsync"] = Field(
        default="memory", description="What an acknowledged append survives: memory or fsync."
    )
    publish_timeout: Seconds = Field(
        default=10.0, description="Seconds a publish retries a lost connection before it fails."
    )
    read_timeout: Seconds = Field(
        default=10.0, description="Seconds a read waits for a projection to catch up."
    )
    inline_limit: int = Field(
        default=262_144,
        ge=0,
        le=900_000,
        description="Largest payload (bytes) that rides in the append.",
    )
    max_payload_bytes: int = Field(
        default=134_217_728, ge=1, description="Largest payload (bytes) that is taken at all."
    )
    payload_buffer_bytes: int = Field(
        default=67_108_864, ge=1, description="Payload bytes that may wait in Redis to be stored."
    )
    compress_above: int = Field(
        default=2_048, ge=0, description="Payloads larger than this (bytes) are gzipped."
    )
    allow_eviction: bool = Field(
        default=False, description="Open on a server that may evict keys, and so lose events."
    )
    lease_seconds: Seconds = Field(
        default=3.0,
        description="Seconds without a beat after which a consumer's lease is taken over.",
    )


class RetentionSettings(Section):
    """What the server keeps of the log; the journal keeps all. With neither, nothing is trimmed."""

    keep_events: int | None = Field(
        default=None,
        ge=1,
        description="Events that stay in the server, the last of each partition; unset = all.",
    )
    keep_seconds: Seconds | None = Field(
        default=None,
        description="Seconds that an event stays in the server after its append; unset = for ever.",
    )


class ConsumingSettings(Section):
    """What becomes of an event that cannot be handled, and of work whose consumer is gone."""

    attempts: int = Field(
        default=5, ge=1, le=1_000, description="Times that an event is tried before it is parked."
    )
    first_retry_seconds: Seconds = Field(
        default=0.5, description="Seconds before the second try; doubled for each later one."
    )
    longest_retry_seconds: Seconds = Field(
        default=60.0, description="Most seconds before another try."
    )
    takeover_seconds: Seconds = Field(
        default=15.0,
        description="Seconds without a heartbeat after which a competing consumer's work is "
        "another's.",
    )


class SessionSettings(Section):
    """The sessions that a thread or task works on."""

    idle_seconds: Seconds = Field(
        default=900.0,
        description="Seconds after which a session that a thread does not ask for is let go.",
    )


class MetricsSettings(Section):
    """The endpoint that Prometheus scrapes, on a worker."""

    enabled: bool = Field(default=True, description="Serve /metrics, /healthz and /readyz.")
    host: Text = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(
        default=9464, ge=0, le=65535, description="TCP port to listen on; 0 = any free."
    )
