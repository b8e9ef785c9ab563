"""A page in a real browser: read, searched, filtered and unfolded, by mouse and by keyboard.

Slow because a browser takes seconds to start.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from support.tau_data import EIGHT_RUNS
from support.terminal import Terminal
from support.wait import until

from eventstore.bus import EventBus
from eventstore.store import EventStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from selenium.webdriver.remote.webelement import WebElement
    from support.server import PrivateServer

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--window-size=1200,900",
)  # fmt: skip
STEPS = 5_000
# Steps of a branch that a person would fork at.
FORK = 4


class Page:
    """A page that a browser has opened."""

    def __init__(self, browser: Chrome, path: Path) -> None:
        self.browser = browser
        browser.get(path.as_uri())
        self.rows = self.find("#rows > .row")

    def find(self, selector: str) -> list[WebElement]:
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def press(self, *keys: str) -> None:
        focused = self.browser.switch_to.active_element
        focused.send_keys(*keys)

    @property
    def shown(self) -> list[int]:
        """The seqs of the rows that the filters let through."""
        found: list[int] = self.ask(
            "return [...document.querySelectorAll('.row:not([hidden])')]"
            ".map(row => Number(row.id.slice(1)))"
        )
        return found

    @property
    def focused(self) -> str:
        return str(self.ask("return document.activeElement.id"))

    def ask(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(script, *arguments)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    options = ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = ChromeService(executable_path=shutil.which("chromedriver"))
    browser = Chrome(options=options, service=service)
    try:
        yield browser
    finally:
        browser.quit()


@pytest.fixture
def terminal(server: PrivateServer, namespace: str) -> Iterator[Terminal]:
    with Terminal(server, namespace, read_timeout=60.0).working() as terminal:
        yield terminal


@pytest.fixture
def recorded(terminal: Terminal, browser: Chrome, tmp_path: Path) -> tuple[Page, list[Any]]:
    """The longest recorded run, with a fork, as an open page; and its events."""
    terminal.run("import", str(EIGHT_RUNS))
    sessions = terminal.json("session", "list")
    session = max(sessions, key=lambda row: row["events"])["session_id"]
    terminal.run("branch", "fork", session, "--at", str(FORK), "--name", "careful")
    terminal.run("artifact", "publish", session, '{"role": "user", "content": "wait"}',
                 "--branch", "careful")  # fmt: skip
    path = tmp_path / "page.html"
    terminal.run("session", "page", session, "-o", str(path))
    return Page(browser, path), terminal.json("session", "trace", session)


def test_a_recorded_run_is_shown_whole_and_nothing_goes_wrong(
    recorded: tuple[Page, list[Any]], browser: Chrome
) -> None:
    page, events = recorded
    assert page.shown == sorted(event["seq"] for event in events)
    messages = [row for row in page.rows if "user" in row.text or "assistant" in row.text]
    assert len(messages) > 10
    assert "calls get_" in page.one("#rows").text
    assert {each.get_attribute("data-branch") for each in page.find(".branch")} == {
        *("main", "careful")
    }
    assert len(page.find("#lanes text")) == len({event["agent_id"] for event in events})
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]


def test_search_and_filters(recorded: tuple[Page, list[Any]]) -> None:
    page, events = recorded
    results = [event["seq"] for event in events if event["type"] == "tool_result"]
    page.press("/")
    assert page.focused == "search"
    page.press("tool_result", Keys.ENTER)
    assert set(results) <= set(page.shown)
    assert len(page.shown) < len(events)
    page.press(Keys.ESCAPE)
    page.one("#search").send_keys("no such words anywhere", Keys.ENTER)
    assert page.shown == []
    assert page.one("#count").text.startswith("0 of")
    page.one("#search").clear()
    page.one("#search").send_keys(Keys.ESCAPE)
    page.one("#type").send_keys("tool_result", Keys.ENTER)
    until(lambda: page.shown == results, what="only results are shown")


def test_a_branch_shows_what_its_lineage_shows(recorded: tuple[Page, list[Any]]) -> None:
    page, _ = recorded
    line = next(each for each in page.find(".branch") if "careful" in each.text)
    page.ask("arguments[0].dispatchEvent(new MouseEvent('click', {bubbles: true}))", line)
    artifacts = page.ask(
        "return [...document.querySelectorAll('.row:not([hidden])')].map(row => row.dataset.type)"
    )
    # The steps up to the fork, and the one of its own.
    steps = [row for row in artifacts if "." not in row]
    assert len(steps) == FORK + 2
    assert "chosen" in str(line.get_attribute("class"))


def test_by_keyboard_alone(recorded: tuple[Page, list[Any]]) -> None:
    page, _ = recorded
    page.press("jj")
    assert page.focused == "e1"
    page.press("k")
    assert page.focused == "e0"
    page.press("r")
    raw = json.loads(page.one("#e0 pre.raw").text)
    assert raw["header"]["type"] == "session.opened"
    page.press("r")
    assert page.find("#e0 pre.raw") == []
    folded = page.ask("return document.querySelector('.row details').closest('.row').id")
    while page.focused != folded:
        page.press("j")
    page.press(Keys.ENTER)
    assert page.one(f"#{folded} details").get_attribute("open") is not None
    before = page.ask("return getComputedStyle(document.body).backgroundColor")
    page.press("t")
    assert page.ask("return getComputedStyle(document.body).backgroundColor") != before


def test_of_many_steps_only_those_in_view_are_laid_out(
    terminal: Terminal, browser: Chrome, tmp_path: Path
) -> None:
    with EventBus(EventStore(terminal.settings)) as bus:
        bus.publish_many([
            (
                {"session_id": "big", "agent_id": f"agent-{number % 5}", "type": "state"},
                {"role": "user", "content": f"message no{number}. " + "word " * (number % 200)},
            )
            for number in range(STEPS)
        ])  # fmt: skip
    path = tmp_path / "big.html"
    terminal.run("session", "page", "big", "-o", str(path))
    page = Page(browser, path)
    assert len(page.rows) == STEPS
    laid_out = (
        "return [...document.querySelectorAll('.row')].filter("
        "row => row.firstElementChild.checkVisibility({contentVisibilityAuto: true})).length"
    )
    assert 0 < page.ask(laid_out) < 100
    page.one("#search").send_keys(f"message no{STEPS - 1}.", Keys.ENTER)
    until(lambda: page.shown == [STEPS - 1], what="the last step is found")
    assert page.focused == f"e{STEPS - 1}"
    page.one("#search").clear()
    page.one("#search").send_keys(Keys.ENTER)
    until(lambda: len(page.shown) == STEPS, what="all steps are shown again")
    assert page.ask(laid_out) < 100
