"""Every setting, from every source: environment over file over default."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel, SecretStr
from support.settings_env import write_config

from eventstore.errors import SettingsError
from eventstore.settings import AppSettings, reset_settings, settings
from eventstore.settings_models import RedisSettings
from eventstore.settings_sources import ALIASES, leaves, variable

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

pytestmark = pytest.mark.usefixtures("no_configuration")

LEAVES = dict(leaves(AppSettings))
# Two valid values each, where the type alone does not tell.
SPECIAL: dict[tuple[str, ...], tuple[Any, Any]] = {
    ("redis", "url"): ("redis://first:1/0", "rediss://second:2/1"),
    ("llm", "models", "supported_models"): (
        {"a/one": {"provider": "a"}},
        {"b/two": {"provider": "b"}, "c/three": {"provider": "c"}},
    ),
    ("payloads", "url"): ("memory://first", "file:///second"),
    ("payloads", "storage_options"): ({"anon": True}, {"endpoint": "x", "retries": 2}),
    ("journal", "storage_options"): ({"anon": True}, {"endpoint": "x", "retries": 2}),
    ("logging", "level"): ("DEBUG", "ERROR"),
    ("logging", "levels"): ({"a.b": "DEBUG"}, {"a": "ERROR", "c": "INFO"}),
    ("bootstrap", "evaluators"): (["a.judges"], ["b.judges", "c"]),
    ("bootstrap", "tools"): (["a.tools"], ["b.tools", "c"]),
    ("bootstrap", "services"): (["a:start"], ["b.c:D.start", "c:go"]),
    ("logging", "max_bytes"): (10_000, 20_000),
    ("retention", "keep_seconds"): (60.0, 86_400.0),
}


def two_values(path: tuple[str, ...], field: FieldInfo) -> tuple[Any, Any]:
    if path in SPECIAL:
        return SPECIAL[path]
    kinds = [kind for kind in get_args(field.annotation) or () if kind is not type(None)]
    kind = kinds[0] if kinds and get_origin(field.annotation) is not Literal else field.annotation
    if get_origin(kind) is Literal:
        return get_args(kind)[0], get_args(kind)[1]
    by_type: dict[Any, tuple[Any, Any]] = {
        bool: (True, False),
        int: (3, 7),
        float: (2.5, 3.5),
        Path: ("/first", "/second"),
        SecretStr: ("first", "second"),
    }
    return by_type.get(kind, ("first", "second"))


# What a setting is refused without.
BESIDE: dict[tuple[str, ...], dict[str, Any]] = {
    ("journal", "storage_options"): {"url": "memory://journal"}
}


def nested(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    *sections, name = path
    value = {name: value, **BESIDE.get(path, {})}
    for name in reversed(sections):
        value = {name: value}
    assert isinstance(value, dict)
    return value


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def shown(value: Any) -> Any:
    """A setting as JSON would show it, secrets uncovered."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, dict):
        return {key: shown(item) for key, item in value.items()}
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return value


def at(chosen: AppSettings, path: tuple[str, ...]) -> Any:
    value: Any = chosen
    for name in path:
        value = getattr(value, name)
    return shown(value)


@pytest.mark.parametrize("path", LEAVES, ids=".".join)
class TestPrecedence:
    def test_default(
        self, path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        write_config(monkeypatch, tmp_path, {})
        default = LEAVES[path].get_default(call_default_factory=True, validated_data={})
        assert at(settings(), path) == shown(default)

    def test_file_over_default(
        self, path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        for value in two_values(path, LEAVES[path]):
            write_config(monkeypatch, tmp_path, nested(path, value))
            reset_settings()
            assert at(settings(), path) == value

    def test_environment_over_file(
        self, path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        first, second = two_values(path, LEAVES[path])
        for low, high in [(first, second), (second, first)]:
            write_config(monkeypatch, tmp_path, nested(path, low))
            monkeypatch.setenv(variable(path), as_text(high))
            reset_settings()
            assert at(settings(), path) == high

    def test_an_empty_variable_counts_as_unset(
        self, path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        first, _ = two_values(path, LEAVES[path])
        write_config(monkeypatch, tmp_path, nested(path, first))
        monkeypatch.setenv(variable(path), "")
        assert at(settings(), path) == first

    def test_argument_over_environment(
        self, path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second = two_values(path, LEAVES[path])
        monkeypatch.setenv(variable(path), as_text(first))
        assert at(AppSettings(**nested(path, second)), path) == second


@pytest.mark.parametrize("name", ALIASES)
def test_alias_over_file_and_below_prefixed_name(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = ALIASES[name]
    first, second = two_values(path, LEAVES[path])
    write_config(monkeypatch, tmp_path, nested(path, first))
    monkeypatch.setenv(name, as_text(second))
    assert at(settings(), path) == second
    monkeypatch.setenv(variable(path), as_text(first))
    reset_settings()
    assert at(settings(), path) == first


@pytest.mark.parametrize("name", ["HOST", "PORT", "DB", "PASSWORD", "URL", "MODE", "HOME_DIR"])
def test_bare_names_are_not_read(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_config(monkeypatch, tmp_path, {})
    before = settings()
    monkeypatch.setenv(name, "8080")
    reset_settings()
    assert settings() == before


def test_a_section_object_replaces_the_section(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_DB", "3")
    chosen = AppSettings(redis=RedisSettings(host="h", port=7000))
    assert (chosen.redis.host, chosen.redis.port, chosen.redis.db) == ("h", 7000, 0)


def test_settings_are_cached_until_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    first = settings()
    monkeypatch.setenv("EVENTSTORE_STORE__PARTITIONS", "4")
    assert settings() is first
    reset_settings()
    assert settings().store.partitions == 4
    monkeypatch.setenv("EVENTSTORE_STORE__PARTITIONS", "5")
    settings.cache_clear()
    assert settings().store.partitions == 5


def test_settings_are_frozen() -> None:
    chosen = settings()
    with pytest.raises(ValueError, match="frozen"):
        chosen.redis.port = 1
    with pytest.raises(ValueError, match="frozen"):
        chosen.mode = "test"


class TestFileSearch:
    def test_named_file_over_local_over_packaged(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        packaged = settings()
        assert packaged.llm.models.supported_models
        assert packaged.redis.host is None
        (tmp_path / "config").mkdir()
        (tmp_path / "config" / "config.json").write_text('{"store": {"namespace": "local"}}')
        reset_settings()
        assert settings().store.namespace == "local"
        assert settings().llm.models.supported_models == {}
        write_config(monkeypatch, tmp_path, {"store": {"namespace": "named"}})
        reset_settings()
        assert settings().store.namespace == "named"

    def test_a_named_file_must_exist(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("EVENTSTORE_CONFIG", str(tmp_path / "missing.json"))
        with pytest.raises(SettingsError, match=r"EVENTSTORE_CONFIG.*missing\.json"):
            settings()


EXAMPLE = """
{
  "redis": {
    "host": "localhost",
    "port": 6379,
    "db": 0
  },
  "llm": {
    "api_base": "https://api.openai.com/v1",
    "models": {
      "default_model": "openai/gpt-4o",
      "supported_models": {
        "openai/gpt-4o": { "provider": "openai" }
      }
    }
  },
  "ledger": {
    "enabled": true,
    "json_api_url": "http://localhost:7575",
    "party_id": "p2engine::default"
  }
}
"""


def test_the_documented_example_loads_without_a_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_config(monkeypatch, tmp_path, EXAMPLE)
    chosen = settings()
    assert (chosen.redis.host, chosen.redis.port, chosen.redis.db) == ("localhost", 6379, 0)
    assert chosen.llm.api_base == "https://api.openai.com/v1"
    assert chosen.llm.models.default_model == "openai/gpt-4o"
    assert chosen.llm.models.supported_models["openai/gpt-4o"].provider == "openai"
    assert chosen.llm.api_key is None
    assert chosen.ledger.enabled
    assert chosen.ledger.json_api_url == "http://localhost:7575"
    assert chosen.ledger.party_id == "p2engine::default"
    assert not chosen.uses_embedded
