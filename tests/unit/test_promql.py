"""The reader of expressions finds what an expression names, and not what it does not."""

from __future__ import annotations

import pytest
from support.promql import named


@pytest.mark.parametrize(
    ("expression", "metrics", "labels", "functions"),
    [
        ("a_total", {"a_total"}, set(), set()),
        ("max by (group) (lag) > 60", {"lag"}, {"group"}, {"max"}),
        (
            'absent(a) or max(up{job="x{y", i!~"(z)"}) == 0',
            {"a", "up"},
            {"job", "i"},
            {"absent", "max"},
        ),
        (
            "histogram_quantile(0.99, sum by (le, x) (rate(b_bucket[$__rate_interval])))",
            {"b_bucket"},
            {"le", "x"},
            {"histogram_quantile", "sum", "rate"},
        ),
        ("max(a) / max(b) > 50e6 and c offset 5m", {"a", "b", "c"}, set(), {"max"}),
    ],
)
def test_what_is_named(
    expression: str, metrics: set[str], labels: set[str], functions: set[str]
) -> None:
    assert named(expression) == (metrics, labels, functions)


def test_brackets_that_do_not_match() -> None:
    with pytest.raises(ValueError, match="brackets"):
        named("max(a")
