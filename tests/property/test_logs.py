"""Whatever is logged is one line that parses."""

from __future__ import annotations

import json
import logging
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from eventstore.logs_lines import Lines, encode
from eventstore.redaction import Redactor

VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3)
    ),
    max_leaves=10,
)
# Where lines end, for one program or another.
ENDS = st.text("\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029 a")


@given(st.dictionaries(st.text(), VALUES | ENDS, max_size=5), st.text() | ENDS)
def test_every_record_is_one_line_that_parses(fields: dict[str, Any], text: str) -> None:
    made = Lines(Redactor())
    for message in ({**fields, "message": text}, text):
        record = logging.LogRecord("n", logging.INFO, "f.py", 1, message, (), None)
        line = encode(made.fields(record))
        assert line.endswith(b"\n")
        assert len(line.decode().splitlines()) == 1
        assert json.loads(line)["level"] == "INFO"
