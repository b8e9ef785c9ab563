"""A page says what the session says, whatever is in it, and loads nothing from anywhere."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.paging import branch, session_of
from support.recording import Recording

from consumers.page.drawing import MAX_BRANCHES, draw_lanes, draw_tree
from consumers.page.model import model_of
from consumers.page.reading import FOLD_ABOVE, Block, blocks_of
from consumers.page.render import render

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}{% raw %}",
    "\u2028\u2029\x00\x1b[31m",
    "' onmouseover='alert(1)",
]


class Parsed(HTMLParser):
    """The elements of a document, what a script of data holds, and the addresses it names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.data = ""
        self._in_data = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._in_data = ("id", "data") in attrs
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.addresses += [str(v) for name, v in attrs if name in ("src", "href", "action")]

    def handle_data(self, data: str) -> None:
        if self._in_data:
            self.data += data

    def handle_endtag(self, tag: str) -> None:
        self._in_data = False


def test_pruned_branches_are_counted_and_not_drawn() -> None:
    log = Recording()
    log.artifact(1)
    session = session_of(log, [1], [branch(following=1)])
    assert "pruned" not in render(session)
    assert "2 pruned branches are not drawn" in render(session._replace(pruned=2))


def page_of(payload: Any, **header: Any) -> str:
    log = Recording()
    log.artifact(payload, **header)
    return render(session_of(log, [payload], [branch(following=1)]))


def test_nothing_is_loaded_and_scripts_are_ours() -> None:
    parsed = Parsed(page_of({"role": "user", "content": "hello"}))
    assert parsed.addresses == []
    assert parsed.handlers == []
    assert parsed.tags.count("script") == 2
    assert "default-src 'none'" in page_of(1)


@pytest.mark.parametrize("text", HOSTILE)
def test_what_users_store_stays_text(text: str) -> None:
    plain = Parsed(page_of({"role": "user", "content": "hello"}, meta={"state_cls": "User"}))
    log = Recording()
    log.artifact(
        {"role": text, "content": text},
        session_id=text.replace("\x00", "").replace("\x1b", ""),
        meta={"state_cls": text, text: text},
    )
    found = session_of(log, [{"role": text, "content": text}], [branch(following=1)])
    parsed = Parsed(render(found._replace(session_id=text)))
    assert set(parsed.tags) == set(plain.tags)
    assert parsed.tags.count("script") == 2
    assert parsed.handlers == []
    (row,) = json.loads(parsed.data)["rows"]
    assert json.loads(row)["payload"] == {"role": text, "content": text}


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=80),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(values, st.sampled_from(["state", "tool_call", "tool_result", "evaluation", "other"]))
def test_any_payload_is_shown_and_kept_exactly(payload: Any, type_: str) -> None:
    log = Recording()
    log.artifact(None, type=type_)
    text = render(session_of(log, [payload], [branch(following=1)]))
    (row,) = json.loads(Parsed(text).data)["rows"]
    assert json.loads(row)["payload"] == payload


class TestReading:
    def test_a_chat_message_is_its_text_and_its_calls(self) -> None:
        message = {
            "role": "assistant",
            "content": "Let me look.",
            "tool_calls": [{"function": {"name": "find"}}],
        }
        assert blocks_of("state", message) == [
            Block("text", "Let me look."),
            Block("note", "calls find"),
        ]

    def test_parts_of_content_are_its_texts(self) -> None:
        content = [
            {"type": "text", "text": "a"},
            {"type": "image_url"},
            {"type": "text", "text": "b"},
        ]
        assert [block.body for block in blocks_of("state", {"content": content})] == ["a", "b"]

    def test_a_tool_call_is_its_arguments(self) -> None:
        call = {"name": "find", "arguments": {"city": "Oslo", "days": 3, "deep": {"x": 1}}}
        (block,) = blocks_of("tool_call", call)
        assert block.kind == "fields"
        assert block.body == [("city", "Oslo"), ("days", "3"), ("deep", '{\n  "x": 1\n}')]

    def test_what_is_long_is_folded(self) -> None:
        (block,) = blocks_of("state", "word " * FOLD_ABOVE)
        assert block.summary is not None
        assert len(block.summary) < FOLD_ABOVE
        assert blocks_of("state", "short")[0].summary is None

    @pytest.mark.parametrize(
        ("payload", "said"), [(None, []), (b"abc", [Block("note", "3 bytes")]), ({}, [])]
    )
    def test_what_has_no_text(self, payload: Any, said: list[Block]) -> None:
        assert blocks_of("state", payload) == said


class TestDrawing:
    def test_a_fork_leaves_its_parent_after_the_step_it_was_made_at(self) -> None:
        tree = draw_tree([branch(following=10), branch("child", 8, parent="main", at=4, own=5)])
        main, child = tree.lines
        assert main.path.startswith("M24.0 17.0H")
        assert child.path.startswith("M")
        assert " 17.0C" in child.path
        assert child.y > main.y
        assert child.x < main.x

    def test_branches_beyond_the_bound_are_counted(self) -> None:
        many = [branch(f"b{number}", 1) for number in range(MAX_BRANCHES + 3)]
        tree = draw_tree(many)
        assert (len(tree.lines), tree.left_out) == (MAX_BRANCHES, 3)

    def test_every_event_is_one_stroke_in_the_lane_of_its_agent(self) -> None:
        log = Recording()
        for number in range(7):
            log.artifact(number, agent_id="ab"[number % 2], type=["state", "x"][number % 3 == 0])
        lanes = draw_lanes(session_of(log, range(7)).entries).lanes
        assert [lane.agent_id for lane in lanes] == ["a", "b"]
        counts = [sum(path.count("M") for _, path in lane.strokes) for lane in lanes]
        assert counts == [4, 3]


class TestTotals:
    def test_unknown_is_not_zero(self) -> None:
        log = Recording()
        log.artifact({})
        totals = model_of(session_of(log, [{}])).totals
        assert (totals.cost, totals.prompt_tokens, totals.mean_score) == (None, None, None)
        assert totals.elapsed is None
        assert re.search(r"<dt>cost</dt><dd>\u2013</dd>", page_of({}))
        assert re.search(r"<dt>elapsed</dt><dd [^>]*>\u2013</dd>", page_of({}))

    def test_what_is_known_is_summed(self) -> None:
        log = Recording()
        log.artifact({}, cost_usd=0.25, prompt_tokens=10, completion_tokens=5)
        log.artifact({}, cost_usd=0.5)
        log.artifact({"score": 0.5, "evaluator_id": "e"}, type="evaluation")
        log.artifact({"score": None, "evaluator_id": "e"}, type="evaluation")
        totals = model_of(session_of(log, [{}] * 4)).totals
        assert (totals.cost, totals.prompt_tokens, totals.completion_tokens) == (0.75, 10, 5)
        assert (totals.scores, totals.unscored, totals.mean_score) == (1, 1, 0.5)
