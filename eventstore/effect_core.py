"""Side effects as their twins share them: what is appended before and after, and who may go on.

A key's attempts are numbered in a session and branch, and the ref of a call follows from session,
branch, key and number. Each call carries a mark of its own, so of several callers that append
the same attempt one succeeds and the others meet a ref with other content: the append decides,
and no lock. All methods are flows; they neither make effects nor look at a clock of this machine.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eventstore import commands
from eventstore.deciding import deciding_agent
from eventstore.effect import DUPLICATE, ERROR, OK, Begun, Effect, Outcome, call_ref, result_ref
from eventstore.effect_errors import EffectFailed, EffectRefused, EffectUnanswered, EffectUnrecorded
from eventstore.errors import InvalidInput, RefConflict, Unavailable
from eventstore.flow import Call, Flow, batch, call
from eventstore.loading import load_payloads, payload_of
from eventstore.names import check_name
from eventstore.parking.blame import describe
from eventstore.redaction import Redactor
from eventstore.refs import generate_ref

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventstore.codec import Recorded
    from eventstore.operations import Operations

_PAGE: Final = 16


class _Attempt(NamedTuple):
    call: Recorded
    result: Recorded | None

    @property
    def is_ok(self) -> bool:
        return self.result is not None and getattr(self.result.event, "status", None) == OK


class EffectCore:
    """The side effects of one session and branch."""

    def __init__(
        self, operations: Operations, session_id: str, agent_id: str | None, branch_id: str
    ) -> None:
        self._operations = operations
        self._log = operations.log
        self.session_id = check_name("session_id", session_id)
        self.branch_id = check_name("branch_id", branch_id)
        self._agent_id = agent_id

    def begin(self, effect: Effect) -> Flow[Begun | Outcome]:
        """Append the call of an effect, or return the outcome that makes it unnecessary.

        Raises `EffectUnanswered`, `EffectFailed` or `EffectRefused`.
        """
        if effect.policy == "none":
            ref = generate_ref()
            yield from self._append(self._call(effect, ref, 1, 0.0), effect.payload)
            return Begun(effect, ref, 1, 0.0)
        while True:
            attempts = yield from self._attempts(effect.key)
            if effect.policy == "strict" and attempts:
                answer = yield from self._answer(effect, attempts)
                if answer is not None:
                    return answer
            number = len(attempts) + 1
            penalty = effect.penalty * (number - 1) if effect.policy == "penalty" else 0.0
            ref = call_ref(self.session_id, self.branch_id, effect.key, number)
            try:
                header = self._call(effect, ref, number, penalty)
                yield from self._append(header, effect.payload)
            except RefConflict:
                # Somebody else made this attempt first; its call is in the log by now.
                continue
            return Begun(effect, ref, number, penalty)

    def _answer(self, effect: Effect, attempts: list[_Attempt]) -> Flow[Outcome | None]:
        """Return what a strict effect is answered with; None if it is to be made once more."""
        self._check_same(effect, attempts[0].call)
        done = next((n for n, each in enumerate(attempts) if each.is_ok), None)
        if done is not None:
            return (yield from self._recorded(effect, attempts[done], done + 1))
        last = attempts[-1]
        if last.result is None:
            now = yield from call(commands.server_time())
            waited = (now - last.call.appended_at) / 1000
            if effect.retry_after is None or waited < effect.retry_after:
                event = last.call.event
                begun = f"at {event.ts} by agent {event.agent_id!r}"
                raise EffectUnanswered(effect.key, event.ref, begun)
        elif effect.retry_after is None:
            error = yield from self._error(last.result)
            raise EffectFailed(effect.key, last.call.event.ref, error)
        return None

    def _check_same(self, effect: Effect, first: Recorded) -> None:
        header = {"session_id": self.session_id, "agent_id": "-", "type": "tool_call"}
        wanted = self._operations.build(header, effect.payload).event.payload
        given = first.event.payload
        if given is None or wanted is None or given.sha256 != wanted.sha256:
            problem = "the key was used for a call with other arguments; give this one another key"
            raise EffectRefused(effect.key, first.event.ref, problem)

    def _recorded(self, effect: Effect, made: _Attempt, attempt: int) -> Flow[Outcome]:
        """Return a recorded outcome, and say in the log that it was returned."""
        assert made.result is not None
        called, answered = made.call.event.ref, made.result.event.ref
        keys = self._log.keys_of(self.session_id)
        (result,) = yield from load_payloads(
            self._operations.payloads, keys, [payload_of(made.result.event)]
        )
        header = self._header(effect, DUPLICATE, generate_ref(), {"of": called})
        yield from self._append({**header, "parent_refs": [called, answered]}, None)
        return Outcome(result, False, effect.key, called, answered, attempt, 0.0)

    def _error(self, result: Recorded) -> Flow[str]:
        keys = self._log.keys_of(self.session_id)
        (said,) = yield from load_payloads(
            self._operations.payloads, keys, [payload_of(result.event)]
        )
        return str(said.get("error", said)) if isinstance(said, dict) else str(said)

    def succeed(self, begun: Begun, result: Any, seconds: float) -> Flow[Outcome]:
        """Append the result of an effect. Raises `InvalidInput` for one that cannot be kept."""
        try:
            ref = yield from self._end(begun, OK, result, seconds)
        except InvalidInput as error:
            said = f"made, but its result cannot be kept: {error}"
            yield from self._end_in_error(begun, said, seconds, error)
            raise
        except Unavailable as error:
            raise EffectUnrecorded(begun.effect.key, begun.call_ref, result, error) from error
        key = begun.effect.key
        return Outcome(result, True, key, begun.call_ref, ref, begun.attempt, begun.penalty)

    def fail(self, begun: Begun, error: Exception, seconds: float) -> Flow[None]:
        """Append what an effect raised; if that cannot be, say so in a note of the exception."""
        said = describe(error, Redactor()).error
        yield from self._end_in_error(begun, said, seconds, error)

    def _end_in_error(
        self, begun: Begun, said: str, seconds: float, error: Exception
    ) -> Flow[None]:
        try:
            yield from self._end(begun, ERROR, {"error": said}, seconds)
        except (InvalidInput, Unavailable) as lost:
            error.add_note(f"call {begun.call_ref} is unanswered: recording this failed, {lost}")

    def settle(self, key: str, result: Any, error: str | None) -> Flow[Outcome]:
        """Append what came of an effect whose maker did not say."""
        check_name("key", key)
        attempts = yield from self._attempts(key)
        if not attempts:
            raise EffectRefused(
                key, None, "there is no call under this key; `session effects` lists them"
            )
        event = attempts[-1].call.event
        if attempts[-1].result is not None:
            raise EffectRefused(key, event.ref, "it has a result already")
        effect = Effect(
            getattr(event, "tool_name", None) or "", {}, key, "strict", 0.0, None,
            getattr(event, "tool_call_id", None),
        )  # fmt: skip
        begun = Begun(effect, event.ref, len(attempts), 0.0)
        status, payload = (OK, result) if error is None else (ERROR, {"error": error})
        ref = yield from self._end(begun, status, payload, None, settled=True)
        return Outcome(payload, False, key, event.ref, ref, len(attempts), 0.0)

    def _attempts(self, key: str) -> Flow[list[_Attempt]]:
        """Return the attempts under a key in order, with their results."""
        found: list[_Attempt] = []
        while True:
            numbers = range(len(found) + 1, len(found) + 1 + _PAGE)
            calls = [call_ref(self.session_id, self.branch_id, key, number) for number in numbers]
            refs = [*calls, *map(result_ref, calls)]
            events = yield from self._log.ready(partial(self._find, refs))
            for ref in calls:
                if ref not in events:
                    return found
                found.append(_Attempt(events[ref], events.get(result_ref(ref))))

    def _find(self, refs: list[str]) -> Flow[dict[str, Recorded]]:
        """Return the events of those refs that are known, by ref."""
        keys = self._log.keys_of(self.session_id)
        calls: list[Call[Any]] = [commands.find_refs(keys, refs), commands.trimmed(keys)]
        hits, upto = yield from batch(calls)
        places = {ref: hit[0] for ref, hit in zip(refs, hits, strict=True) if hit is not None}
        missing = [ref for ref in refs if ref not in places]
        gone = yield from self._log.reader.places(keys, missing, upto)
        places |= {ref: place.position for ref, place in gone.items()}
        events = yield from self._log.at_positions(keys, sorted(places.values()))
        return {each.event.ref: each for each in events}

    def _end(
        self, begun: Begun, status: str, payload: Any, seconds: float | None, settled: bool = False
    ) -> Flow[str]:
        """Append the result of a call, and return its ref; one that is recorded stands."""
        ref = result_ref(begun.call_ref)
        more = {"attempt": begun.attempt, **({"settled": True} if settled else {})}
        header = {
            **self._header(begun.effect, "tool_result", ref, more),
            "parent_refs": [begun.call_ref],
            "status": status,
            # A result may have a field of this name; it says which call it answers.
            "tool_call_id": begun.effect.tool_call_id or begun.call_ref,
            "latency_ms": None if seconds is None else round(seconds * 1000, 3),
        }
        try:
            yield from self._append(header, payload)
        except RefConflict:
            if settled:
                raise EffectRefused(
                    begun.effect.key, begun.call_ref, "it has a result already"
                ) from None
        return ref

    def _call(self, effect: Effect, ref: str, attempt: int, penalty: float) -> dict[str, Any]:
        said: dict[str, Any] = {"attempt": attempt, "mark": generate_ref()}
        if penalty:
            said["penalty"] = penalty
        header = self._header(effect, "tool_call", ref, said)
        return {**header, "tool_call_id": effect.tool_call_id or ref}

    def _header(
        self, effect: Effect, type_: str, ref: str, said: Mapping[str, Any]
    ) -> dict[str, Any]:
        return {
            "ref": ref,
            "session_id": self.session_id,
            "agent_id": deciding_agent(self._agent_id),
            "branch_id": self.branch_id,
            "type": type_,
            "tool_name": effect.tool or None,
            "meta": {"effect": {"key": effect.key, "policy": effect.policy, **said}},
        }

    def _append(self, header: dict[str, Any], payload: Any) -> Flow[None]:
        yield from self._operations.publish(header, payload)
