"""What a log line says: every record is one JSON object on one line, with its context."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from eventstore import logger
from eventstore.binding import bind
from eventstore.errors import InvalidName, SettingsError
from eventstore.logs import configure_logging, reset_logging
from eventstore.logs_lines import OWN
from eventstore.settings import AppSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TRACEPARENT = f"00-{'a' * 32}-{'b' * 16}-01"


@pytest.fixture
def home(no_configuration: Path) -> Iterator[Path]:
    """An empty working directory; logging is taken off again at the end."""
    reset_logging()
    yield no_configuration
    reset_logging()


def lines(home: Path, name: str = "main.log") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (home / "logs" / name).read_text().splitlines()]


def last(home: Path) -> dict[str, Any]:
    return lines(home)[-1]


def test_a_mapping_is_one_line_of_its_fields(home: Path) -> None:
    given = {
        "message": "Tool executed",
        "tool_name": "get_weather",
        "conversation_id": "c-1",
        "latency_ms": 250,
    }
    logger.info(given)
    [line] = lines(home)
    assert list(line)[:4] == ["ts", "level", "logger", "message"]
    assert line.items() >= given.items()
    assert (line["level"], line["logger"]) == ("INFO", __name__)
    assert line["ts"].endswith("Z")
    assert given["message"] == "Tool executed", "the caller's mapping is as it was"


def test_text_with_arguments(home: Path) -> None:
    logger.warning("%d of %s", 3, "five")
    logger.info("100%")
    assert [line["message"] for line in lines(home)] == ["3 of five", "100%"]


@pytest.mark.parametrize("args", [(1, 2), ("text",), ({"a": 1},)])
def test_arguments_that_do_not_fit_are_no_error(home: Path, args: tuple[object, ...]) -> None:
    logger.info("only %d here %d %d", *args)
    assert last(home)["message"].startswith("only %d here %d %d (arguments that do not fit, ")
    assert str(list(args)) in last(home)["message"]


def test_arguments_beside_a_mapping_are_a_field(home: Path) -> None:
    logger.info({"message": "%d"}, 1)
    logger.info("%(a)s", {"a": 1})
    first, second = lines(home)
    assert (first["message"], first["args"]) == ("%d", [1])
    assert second["message"] == "1"


class Hostile:
    """Fails at whatever is asked of it."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


@pytest.mark.parametrize(
    "message", [None, 5, ["a", {"password": "p"}], b"bytes", {}, "", Hostile(), {Hostile(): 1}]
)
def test_anything_can_be_logged(home: Path, message: object) -> None:
    logger.info(message)
    assert "'p'" not in json.dumps(last(home))


def test_records_of_other_loggers_reach_the_file(home: Path) -> None:
    configure_logging()
    other = logging.getLogger("some.library")
    other.warning("plain %s", "text", extra={"attempt": 2, "api_key": "k"})
    other.error({"message": "fields", "n": 1})
    first, second = lines(home)
    assert first["logger"] == "some.library"
    assert (first["message"], first["attempt"]) == ("plain text", 2)
    assert first["api_key"] == "**********"
    assert (second["message"], second["n"]) == ("fields", 1)


def test_a_field_never_hides_what_the_line_itself_says(home: Path) -> None:
    given = {name: f"mine {name}" for name in sorted(OWN - {"message"})}
    logger.info({"message": "m", **given})
    line = last(home)
    assert line["fields"] == given
    assert line["level"] == "INFO"
    assert line["logger"] == __name__


def test_what_is_bound_is_in_every_line(home: Path) -> None:
    with bind(session_id="s", agent_id="a", correlation_id="c", traceparent=TRACEPARENT):
        logger.info({"message": "inside"})
        logging.getLogger("some.library").warning("inside too")
        logger.info({"message": "own", "correlation_id": "mine"})
    logger.info("outside")
    ours, theirs, own, outside = lines(home)
    bound = {
        "session_id": "s",
        "agent_id": "a",
        "correlation_id": "c",
        "trace_id": "a" * 32,
        "span_id": "b" * 16,
    }
    assert ours.items() >= bound.items()
    assert theirs.items() >= bound.items()
    assert own["correlation_id"] == "mine"
    assert bound.keys().isdisjoint(outside)


def test_an_exception_is_in_the_line_without_its_secrets(home: Path) -> None:
    try:
        try:
            raise KeyError("token=hunter2")
        except KeyError as cause:
            raise RuntimeError("cannot reach redis://u:hunter2@h\nsk-hunter2") from cause
    except RuntimeError as caught:
        logger.exception({"message": "failed", "error": caught})
        logger.warning("again", exc_info=caught)
        logging.getLogger("some.library").exception("theirs")
    for line in lines(home):
        assert line["exception"]["type"] == "RuntimeError"
        assert line["exception"]["message"].startswith("cannot reach redis://**********@h")
        assert "KeyError" in line["exception"]["traceback"]
        assert "hunter2" not in json.dumps(line)
    assert lines(home)[0]["error"].startswith("RuntimeError: cannot reach")


def test_no_exception_to_log_is_no_error(home: Path) -> None:
    logger.exception("nothing is being handled")
    assert "exception" not in last(home)


def test_configured_secrets_are_masked_wherever_they_stand(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://:correct%20horse@h")
    monkeypatch.setenv("OPENAI_API_KEY", "battery-staple")
    options = {"secret": "not-to-be-seen", "region": "somewhere"}
    monkeypatch.setenv("EVENTSTORE_PAYLOADS__STORAGE_OPTIONS", json.dumps(options))
    logger.info({"message": "correct%20horse", "a": ["correct horse", "the battery-staple"]})
    logger.info("not-to-be-seen, somewhere")
    assert [line["message"] for line in lines(home)] == ["**********", "**********, somewhere"]
    assert lines(home)[0]["a"] == ["**********", "the **********"]


def test_other_handlers_get_short_text_without_secrets(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logger.info({"message": "done", "n": 1, "to": "a b", "api_key": "hunter2"})
    assert caplog.messages == ['done n=1 to="a b" api_key=**********']


def test_levels_are_those_of_the_longest_name(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top = __name__.partition(".")[0]
    levels = {top: "DEBUG", "some.library": "ERROR", "some.library.part": "debug"}
    monkeypatch.setenv("EVENTSTORE_LOGGING__LEVELS", json.dumps(levels))
    logger.debug("ours")
    for name in ("some.library", "some.library.other", "some.library.part"):
        logging.getLogger(name).warning("warned %s", name)
    logging.getLogger("some.library.part").debug("down to debug")
    assert [line["message"] for line in lines(home)] == [
        "ours",
        "warned some.library.part",
        "down to debug",
    ]


def test_what_is_below_the_level_is_not_logged(home: Path) -> None:
    configure_logging(AppSettings(logging={"level": "WARNING"}))
    logger.info("too low")
    logger.log(logging.WARNING, "enough")
    logger.critical("more than enough")
    assert [line["level"] for line in lines(home)] == ["WARNING", "CRITICAL"]


def test_logging_that_is_disabled_is_disabled(home: Path) -> None:
    logging.disable(logging.ERROR)
    try:
        logger.error("not now")
    finally:
        logging.disable(logging.NOTSET)
    logger.error("now")
    assert [line["message"] for line in lines(home)] == ["now"]


def test_wrong_settings_are_said_and_do_not_keep_a_program_from_logging(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTSTORE_REDIS__PORT", "no number")
    logger.error("my own fault")
    told, mine = lines(home)
    assert "redis.port" in told["message"]
    assert mine["message"] == "my own fault"
    with pytest.raises(SettingsError):
        configure_logging()


def test_a_worker_has_files_of_its_own(home: Path) -> None:
    configure_logging(worker="worker-0", base=home / "data")
    logger.info("hello")
    logging.getLogger("LiteLLM").warning("careful")
    folder = home / "data" / "logs"
    assert sorted(each.name for each in folder.iterdir()) == [
        "litellm_debug.worker-0.log",
        "main.worker-0.log",
    ]
    line = json.loads((folder / "main.worker-0.log").read_text().splitlines()[0])
    assert line["worker"] == "worker-0"


@pytest.mark.parametrize("name", ["", "..", "a/b", "a.b", "-a", "ä", "a" * 65])
def test_a_worker_is_named_by_what_a_file_may_be_called(home: Path, name: str) -> None:
    with pytest.raises(InvalidName, match="worker"):
        configure_logging(worker=name)


def test_litellm_has_a_file_of_its_own_made_when_it_logs(home: Path) -> None:
    configure_logging(AppSettings(logging={"levels": {"LiteLLM": "DEBUG"}}))
    logger.info("before")
    assert [each.name for each in (home / "logs").iterdir()] == ["main.log"]
    logging.getLogger("LiteLLM").debug("request with api_key=hunter2")
    logging.getLogger("LiteLLM Router").warning("retrying")
    debug = lines(home, "litellm_debug.log")
    assert [line["message"] for line in debug] == ["request with api_key=**********", "retrying"]
    assert [line["message"] for line in lines(home)] == ["before", "retrying"]


def test_a_file_is_made_where_the_program_was_at_its_first_line(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logger.info("one")
    (home / "elsewhere").mkdir()
    monkeypatch.chdir(home / "elsewhere")
    logger.info("two")
    assert [line["message"] for line in lines(home)] == ["one", "two"]


def test_lines_that_cannot_be_written_are_counted_and_said_once(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "logs").write_text("a file in the place of the directory")
    for _ in range(3):
        logger.info("lost")
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"cannot write {home}/logs/main.log" in said
    (home / "logs").unlink()
    logger.info("kept")
    logger.info("and this")
    kept, after = lines(home)
    assert kept["lost_before"] == 3
    assert "lost_before" not in after


def test_taking_it_off_leaves_the_loggers_as_they_were(home: Path) -> None:
    watched = [logging.getLogger(name) for name in (None, "LiteLLM", "some.library")]
    before = [(each.level, list(each.handlers)) for each in watched]
    configure_logging(AppSettings(logging={"level": "DEBUG", "levels": {"some.library": "ERROR"}}))
    configure_logging(AppSettings())
    reset_logging()
    assert [(each.level, list(each.handlers)) for each in watched] == before
