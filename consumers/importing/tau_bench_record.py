"""The checked parts of a tau-bench record."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from consumers.importing.shapes import (
    label_at,
    list_at,
    number_or_null,
    object_at,
    required,
)
from eventstore.payloads import encode_payload

_METRICS: Final = ("r_actions", "r_outputs")


class Record(msgspec.Struct, frozen=True):
    """A run as recorded. `score` None means that it was not judged, which is not zero.

    `digest` is the sha256 of the whole record as canonical JSON. `rest` is the record without
    its messages and its task.
    """

    task_id: str
    trial: str
    digest: str
    messages: list[Any]
    info: dict[str, Any]
    score: float | None
    metrics: dict[str, float]
    user_cost: float | None
    rest: dict[str, Any]


def check_record(value: object) -> Record:
    """Return the parts of a record; raises `InvalidEvent` whose field is the place in it.

    The messages are checked when they are mapped.
    """
    record = object_at(value, "")
    info = object_at(required(record, "info", ""), "info")
    reward = number_or_null(required(record, "reward", ""), "reward")
    judged = info.get("reward_info") is not None
    return Record(
        task_id=label_at(required(record, "task_id", ""), "task_id"),
        trial=label_at(required(record, "trial", ""), "trial"),
        digest=encode_payload(record, "json", compress_above=0).info.sha256,
        messages=list_at(required(record, "traj", ""), "traj"),
        info=info,
        score=reward if judged else None,
        metrics=_metrics(info["reward_info"]) if judged else {},
        user_cost=number_or_null(info.get("user_cost"), "info.user_cost"),
        rest=_rest(record, info),
    )


def _metrics(reward_info: object) -> dict[str, float]:
    detail = object_at(reward_info, "info.reward_info").get("info")
    if detail is None:
        return {}
    place = "info.reward_info.info"
    parts = object_at(detail, place)
    found = {name: number_or_null(parts.get(name), f"{place}.{name}") for name in _METRICS}
    return {name: value for name, value in found.items() if value is not None}


def _rest(record: dict[str, Any], info: dict[str, Any]) -> dict[str, Any]:
    without_task = {name: value for name, value in info.items() if name != "task" or value is None}
    return {**{n: v for n, v in record.items() if n != "traj"}, "info": without_task}
