"""What is wrong with a configuration is said with key and source, and without its secrets."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

import pytest
from support.settings_env import write_config

from eventstore.errors import SettingsError
from eventstore.settings import AppSettings, reset_settings, settings
from eventstore.settings_models import RedisSettings
from eventstore.settings_storage import PayloadSettings

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("no_configuration")


def refusal() -> str:
    reset_settings()
    with pytest.raises(SettingsError) as caught:
        settings()
    return str(caught.value)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"redsi": {}}, ["redsi", "unknown key", "did you mean redis?"]),
        ({"redis": {"hots": "h"}}, ["redis.hots", "unknown key", "did you mean redis.host?"]),
        ({"llm": {"models": {"defualt_model": "m"}}}, ["did you mean llm.models.default_model?"]),
        ({"HOST": "h"}, ["HOST", "unknown key"]),
        ({"redis": "localhost"}, ["redis", "must be an object, not str"]),
        ({"redis": None}, ["redis", "must be an object, not NoneType"]),
        ([], ["must be an object, not list"]),
        ({"llm": {"models": {"supported_models": {"m": {}}}}}, ["supported_models.m.provider"]),
        (
            {"llm": {"models": {"supported_models": {"m": {"provider": "p", "x": 1}}}}},
            ["supported_models.m.x", "unknown key"],
        ),
    ],
)
def test_a_wrong_shape_names_key_and_file(
    document: Any, said: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = write_config(monkeypatch, tmp_path, document)
    message = refusal()
    for part in [*said, str(path)]:
        assert part in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{\n  "mode": "test",\n  oops\n}', "line 3, column 3"),
        ("", "line 1, column 1"),
        ('{"mode": "test", "mode": "production"}', "'mode' occurs twice"),
        ("[" * 200_000, "nested too deeply"),
    ],
)
def test_text_that_is_not_json_names_file_and_place(
    text: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = write_config(monkeypatch, tmp_path, text)
    message = refusal()
    assert said in message
    assert str(path) in message


def test_bytes_that_are_not_utf8_name_file_and_offset(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = write_config(monkeypatch, tmp_path, "")
    path.write_bytes(b'{"mode": "\xff"}')
    assert "byte 10 is not UTF-8" in refusal()


def test_a_byte_order_mark_is_no_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = write_config(monkeypatch, tmp_path, "")
    path.write_bytes(b'\xef\xbb\xbf{"mode": "test"}')
    assert settings().mode == "test"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("EVENTSTORE_REDIS_HOST", "did you mean EVENTSTORE_REDIS__HOST?"),
        ("EVENTSTORE_STORE__PARTITONS", "did you mean EVENTSTORE_STORE__PARTITIONS?"),
        ("eventstore_home", "did you mean EVENTSTORE_HOME?"),
        ("EVENTSTORE_REDIS", "there is no such setting"),
        ("EVENTSTORE_REDIS_PORT", "did you mean EVENTSTORE_REDIS__PORT?"),
        ("EVENTSTORE_XYZZY__QUUX", "there is no such setting"),
    ],
)
def test_an_unknown_variable_is_named(
    name: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "5")
    message = refusal()
    assert f"environment variable {name}" in message
    assert hint in message


def test_all_faults_are_told_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = write_config(monkeypatch, tmp_path, {"store": {"inline_limit": 900_001}})
    monkeypatch.setenv("REDIS_PORT", "0")
    monkeypatch.setenv("EVENTSTORE_LOGGING__LEVEL", "LOUD")
    lines = refusal().splitlines()
    assert len(lines) == 3
    assert any("redis.port (environment variable REDIS_PORT)" in line for line in lines)
    assert any("EVENTSTORE_LOGGING__LEVEL" in line for line in lines)
    assert any(f"store.inline_limit (file {path})" in line for line in lines)


@pytest.mark.parametrize(
    ("section", "field", "wrong"),
    [
        *[("redis", "port", value) for value in (0, 65_536, "x", 1.5, None)],
        ("redis", "db", -1),
        ("redis", "host", ""),
        ("redis", "host", "redis://h:1"),
        ("redis", "url", "http://h"),
        ("redis", "url", "localhost:6379"),
        ("redis", "url", "redis://h:port/0"),
        ("redis", "url", "redis://h/abc"),
        ("redis", "url", "rediss://h:1/0/1"),
        ("redis", "tls", "perhaps"),
        ("redis", "max_connections", 0),
        ("redis", "health_check_interval", -1),
        *[
            (section, field, value)
            for section, field in [
                ("redis", "socket_timeout"),
                ("redis", "connect_timeout"),
                ("store", "publish_timeout"),
                ("store", "read_timeout"),
                ("store", "lease_seconds"),
            ]
            for value in (0, -1, "nan", "inf", None)
        ],
        ("store", "namespace", ""),
        ("store", "partitions", 0),
        ("store", "partitions", 1025),
        ("store", "durability", "replicated"),
        ("store", "inline_limit", -1),
        ("store", "inline_limit", 900_001),
        ("store", "max_payload_bytes", 0),
        ("store", "payload_buffer_bytes", 0),
        ("store", "compress_above", -1),
        ("payloads", "url", "sftp://user:word@host/p"),
        ("payloads", "storage_options", []),
        ("metrics", "port", -1),
        ("metrics", "port", 65_536),
        ("ledger", "initial_balance", -1),
        ("ledger", "cache_ttl", -1),
        ("logging", "level", "LOUD"),
    ],
)
def test_a_value_out_of_bounds_is_refused(
    section: str, field: str, wrong: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = write_config(monkeypatch, tmp_path, {section: {field: wrong}})
    assert f"{section}.{field} (file {path}): " in refusal()


@pytest.mark.parametrize(
    ("section", "field", "right"),
    [
        ("redis", "port", 65_535),
        ("redis", "health_check_interval", 0),
        ("store", "partitions", 1024),
        ("store", "inline_limit", 900_000),
        ("store", "inline_limit", 0),
        ("metrics", "port", 0),
        ("logging", "level", "warning"),
    ],
)
def test_a_value_on_the_bound_is_taken(section: str, field: str, right: Any) -> None:
    AppSettings(**{section: {field: right}})


def test_an_object_variable_must_be_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTSTORE_PAYLOADS__STORAGE_OPTIONS", '{"key": "tr0ub4dor"')
    message = refusal()
    assert "EVENTSTORE_PAYLOADS__STORAGE_OPTIONS must hold a JSON object: column" in message
    assert "tr0ub4dor" not in message


SECRET = "tr0ub4dor"


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", f"redis://user:{SECRET}@host")
    monkeypatch.setenv("REDIS_PASSWORD", SECRET)
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("EVENTSTORE_PAYLOADS__STORAGE_OPTIONS", f'{{"secret": "{SECRET}"}}')
    chosen = settings()
    assert chosen.payloads.storage_options == {"secret": SECRET}
    for shown in (
        repr(chosen),
        str(chosen),
        chosen.model_dump_json(),
        str(chosen.model_dump()),
        repr(chosen.payloads),
    ):
        assert SECRET not in shown


@pytest.mark.parametrize(
    "document",
    [
        {"redis": {"url": f"http://user:{SECRET}@host"}},
        {"redis": {"url": f"redis://user:{SECRET}/x@host"}},
        {"redis": {"url": f"redis://[{SECRET}"}},
        {"redis": {"host": f"redis://:{SECRET}@host"}},
        {"redis": {"password": [SECRET]}},
        {"redis": {"password": SECRET, "port": "x"}},
        {"redis": {"pasword": SECRET}},
        {"redis": SECRET},
        {"llm": {"api_key": {"key": SECRET}}},
        {"payloads": {"url": f"sftp://user:{SECRET}@host/p"}},
        {"payloads": {"storage_options": SECRET}},
        {"mode": SECRET},
        f'{{"redis": {{"password": "{SECRET}"}}',
        f'{{"redis": {{"password": "{SECRET}}}',
        f'{{"redis": {{"password": {SECRET}}}}}',
    ],
)
def test_errors_do_not_show_values(
    document: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_config(monkeypatch, tmp_path, document)
    with pytest.raises(SettingsError) as caught:
        settings()
    assert caught.value.__context__ is None
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_sections_built_alone_do_not_show_values() -> None:
    with pytest.raises(ValueError, match="url") as caught:
        RedisSettings.model_validate({"url": f"http://:{SECRET}@host"})
    assert SECRET not in str(caught.value)
    with pytest.raises(ValueError, match="url") as caught:
        PayloadSettings.model_validate({"url": f"sftp://:{SECRET}@host"})
    assert SECRET not in str(caught.value)
