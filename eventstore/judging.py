"""Evaluations: asking for one, and what is known of an artifact's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from eventstore.binding import bound, bound_trace
from eventstore.drafts import draft
from eventstore.events import EvaluationRequested
from eventstore.flow import Call, Flow, as_is
from eventstore.names import check_name
from eventstore.payloads import DEFAULT_MIMES, encode_payload, form_of
from eventstore.redact_hook import redacted
from eventstore.refs import check_ref, generate_ref
from eventstore.times import current_timestamp

if TYPE_CHECKING:
    from eventstore.commands import Appended
    from eventstore.operations import Operations


class Judging:
    """The operations on evaluations of a store."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    def request(
        self,
        target: str,
        evaluator_id: str,
        payload: object,
        evaluator_version: str | None,
        ref: str | None,
    ) -> Flow[Appended]:
        """Append the request to judge an artifact; `payload` is what the evaluator is given."""
        evaluator_id = check_name("evaluator_id", evaluator_id)
        if evaluator_version is not None:
            evaluator_version = check_name("evaluator_version", evaluator_version)
        _, payload = redacted(
            self._operations.redact,
            {"type": EvaluationRequested.__struct_config__.tag, "target": target},
            payload,
        )
        form = form_of(payload, None)
        log = self._operations.log
        encoded = encode_payload(payload, form, log.settings.compress_above)
        judged = (yield from log.ready(lambda: log.find(target))).event
        request = EvaluationRequested(
            ref=generate_ref() if ref is None else check_ref(ref, "request_ref"),
            session_id=judged.session_id,
            agent_id=bound().get("agent_id") or judged.agent_id,
            ts=current_timestamp(),
            branch_id=judged.branch_id,
            episode_id=judged.episode_id,
            group_id=judged.group_id,
            parent_refs=(target,),
            payload=encoded.info,
            target=target,
            evaluator_id=evaluator_id,
            evaluator_version=evaluator_version,
            mime=DEFAULT_MIMES[form],
            **(trace := bound_trace()),
            defaulted=("ts", *trace),
        )
        item = draft(request, encoded.data)
        (row,) = yield from self._operations.appender.append(judged.session_id, [item])
        return row

    def of_target(self, target: str) -> Flow[list[dict[str, Any]]]:
        """Return the evaluations of an artifact, requested ones included, oldest first."""
        judged = yield from self._operations.log.find(target)
        found = yield from self.of_session(judged.event.session_id)
        return [each for each in found if each.get("target") == target]

    def of_session(self, session_id: str) -> Flow[list[dict[str, Any]]]:
        """Return the evaluations of a session, oldest first."""
        keys = self._operations.log.keys_of(check_name("session_id", session_id))
        (found,) = yield from self._operations.views.query(
            "evaluation",
            keys,
            lambda projection: [Call("HVALS", (projection.evaluations(session_id),), (), as_is)],
            sessions=[session_id],
        )
        rows = [msgspec.json.decode(value) for value in found]
        return sorted(rows, key=lambda row: row["position"])
