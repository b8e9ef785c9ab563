"""Runs recorded by tau-bench: one record a run, one session a record.

A record is what tau-bench writes: `task_id`, `trial`, `reward`, `info`, and `traj`, the OpenAI
chat messages. A run that crashed has an empty `traj` and `info.error`. What each part becomes:

    record start            session opened: meta source, sha256 of the record, task, trial
    info.task               state, tagged "task", from "import.tau_bench"
    a message               state: the message verbatim, meta.state_cls by its role
      each of its calls     tool_call: {name, arguments, arguments_raw}, parent the state
    a tool's message        tool_result: the content, parent the call it answers
    info.user_cost          metrics, role user_simulator; a null cost stays unknown
    reward, info            evaluation by "import.tau_bench" of the last message
    record end              session closed

Session, group, episode: `tau-bench/<task>/<trial>/<first 12 of the record's sha256>`, the task,
the trial. The sha256 is of the record as canonical JSON (sorted keys, no blanks, UTF-8). Nothing
is taken from the file, so that a record imported from another file is the same session.

The reward is a score only if the run was judged, which `info.reward_info` shows; a run without
it is unscored, whatever its reward says. The evaluation's payload keeps all of the record but
`traj` and `info.task`, so that the record can be put together again from its session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consumers.importing.chat import plan_messages
from consumers.importing.runs import Plan, Run
from consumers.importing.tau_bench_record import Record, check_record
from eventstore.errors import InvalidEvent, InvalidName
from eventstore.events import SessionClosed, SessionOpened
from eventstore.names import check_name

if TYPE_CHECKING:
    from consumers.importing.json_file import JsonFile

SOURCE: Final = "tau-bench"
EVALUATOR_ID: Final = "import.tau_bench"

_DIGEST_DIGITS: Final = 12
_ERROR_LENGTH: Final = 200


def looks_like_tau_bench(record: object) -> bool:
    """Return whether a record has the fields that only a tau-bench run has together."""
    return isinstance(record, dict) and {"task_id", "traj"} <= record.keys()


def plan_runs(file: JsonFile) -> list[Run]:
    """Return the runs of a file; raises `ImportRefused` at the first record that is broken."""
    runs = []
    for index, value in enumerate(file.records):
        try:
            runs.append(_plan_run(index, value))
        except InvalidEvent as error:
            raise file.refused(index, error.field, error.problem) from None
    return runs


def _plan_run(index: int, value: object) -> Run:
    record = check_record(value)
    session_id = f"{SOURCE}/{record.task_id}/{record.trial}/{record.digest[:_DIGEST_DIGITS]}"
    try:
        check_name("session_id", session_id)
    except InvalidName as error:
        raise InvalidEvent("task_id", f"cannot be part of a session's name: {error}") from None
    common = {
        "session_id": session_id,
        "agent_id": EVALUATOR_ID,
        "group_id": record.task_id,
        "episode_id": record.trial,
    }
    plan = Plan(SOURCE, record.digest, common)
    _plan_start(plan, record)
    plan_messages(plan, record.messages, "traj")
    target = plan.last_ref
    _plan_user_cost(plan, record)
    _plan_evaluation(plan, record, target)
    plan.add(SessionClosed, reason=_crash(record))
    return Run(index, session_id, record.task_id, tuple(plan.planned))


def _plan_start(plan: Plan, record: Record) -> None:
    plan.add(
        SessionOpened,
        title=f"tau-bench task {record.task_id}, trial {record.trial}",
        meta={"source": SOURCE, "sha256": record.digest},
    )
    if record.info.get("task") is not None:
        plan.publish(
            "state",
            record.info["task"],
            mime="application/json",
            meta={"state_cls": "Task", "tags": ["task"]},
        )


def _plan_user_cost(plan: Plan, record: Record) -> None:
    if "user_cost" in record.info:
        cost = record.user_cost
        plan.publish(
            "metrics", {"cost_usd": cost}, agent_id="user", role="user_simulator", cost_usd=cost
        )


def _plan_evaluation(plan: Plan, record: Record, target: str) -> None:
    scored = record.score is not None
    payload = {
        "score": record.score,
        "status": "scored" if scored else "unscored",
        "metrics": record.metrics,
        "record": record.rest,
    }
    meta = {}
    if not scored:
        # The payload keeps the reason with the rest; meta is what the read models see.
        meta["reason"] = payload["reason"] = _unscored_reason(record)
    plan.publish(
        "evaluation",
        payload,
        parent_refs=(target,),
        target=target,
        evaluator_id=EVALUATOR_ID,
        score=record.score,
        status=payload["status"],
        metrics=record.metrics or None,
        meta=meta,
    )


def _unscored_reason(record: Record) -> str:
    crash = _crash(record)
    if crash is not None:
        return crash
    if record.info.get("reward_info") is not None:
        return "reward is null"
    state = "null" if "reward_info" in record.info else "missing"
    return f"info.reward_info is {state}: the run was not judged"


def _crash(record: Record) -> str | None:
    error = record.info.get("error")
    if error is None:
        return None
    return f"the run crashed: {str(error)[:_ERROR_LENGTH]}"
