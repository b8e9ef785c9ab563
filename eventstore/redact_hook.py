"""The hook of an application that takes what must not be kept out of what it publishes.

It is called before anything is computed from a header and a payload: digest, sizes and files are
of what it returns. What it is given are copies, so what it does to them reaches no caller. What is
written beside artifacts passes it too: a patch of an override, a title, a reason.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from eventstore.errors import InvalidEvent, InvalidInput, RedactionFailed
from eventstore.json_values import MAX_DEPTH

if TYPE_CHECKING:
    from eventstore.event import Event

Redact: TypeAlias = Callable[[dict[str, Any], Any], tuple[Mapping[str, Any], Any]]
"""From a header and a payload to those that are to be published; the same for the same."""

_CONTAINERS: Final = (dict, list, tuple)


def redacted(
    hook: Redact | None, header: Mapping[str, Any], payload: object
) -> tuple[Mapping[str, Any], Any]:
    """Return what a hook makes of a header and a payload; both as they are if there is no hook.

    Raises `RedactionFailed` if the hook raises, returns no pair of a header and a payload, or
    changes the ref, and `InvalidEvent` for what is nested too deeply to be copied.
    """
    if hook is None or not isinstance(header, Mapping):
        return header, payload
    given = dict(header)
    copies = _copied(given, "header"), _copied(payload, "payload")
    try:
        result: object = hook(*copies)
    except Exception as error:
        # Not what the error says: it may hold what the hook was to take out.
        raise RedactionFailed("redact", f"raised {type(error).__name__}") from error
    if inspect.iscoroutine(result):
        result.close()
    if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[0], Mapping)):
        raise RedactionFailed(
            "redact", f"returned {type(result).__name__}, and not a pair of header and payload"
        )
    if result[0].get("ref") != given.get("ref"):
        raise RedactionFailed("redact", "changed the ref, by which a repeated call is known")
    return result


def redacted_content(
    hook: Redact | None, kind: type[Event], where: Mapping[str, Any], content: dict[str, Any]
) -> dict[str, Any]:
    """Return what a hook makes of what somebody wrote into an event that is no artifact.

    It is given a header of `where` with the event's kind as its `type`, and the content as the
    payload, which alone counts of its answer. Raises as `redacted` does.
    """
    name = kind.__struct_config__.tag
    _, made = redacted(hook, {**where, "type": name}, content)
    if not isinstance(made, Mapping):
        problem = f"returned {type(made).__name__} for the mapping that is the payload of {name}"
        raise RedactionFailed("redact", problem)
    return dict(made)


def redacted_text(
    hook: Redact | None, kind: type[Event], where: Mapping[str, Any], name: str, text: str | None
) -> str | None:
    """Return what a hook makes of a text that somebody wrote, None for none.

    The content that the hook is given is the text under its name. Raises as `redacted` does, and
    `InvalidInput` for what is no text.
    """
    made = text
    if text is not None:
        if not isinstance(text, str):
            raise InvalidInput(f"{name}: is text, not {type(text).__name__}")
        made = redacted_content(hook, kind, where, {name: text}).get(name)
    if made is None or isinstance(made, str):
        return made
    raise RedactionFailed("redact", f"returned {type(made).__name__} for the text {name}")


def _copied(value: Any, field: str) -> Any:
    """Return a value with every mapping and list of it copied; tuples become lists."""
    top = [value]
    pending: list[tuple[Any, int]] = [(top, 0)]
    while pending:
        container, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise InvalidEvent(field, f"nested deeper than {MAX_DEPTH} levels")
        places = container.items() if isinstance(container, dict) else enumerate(container)
        for place, part in list(places):
            if isinstance(part, _CONTAINERS):
                container[place] = dict(part) if isinstance(part, dict) else list(part)
                pending.append((container[place], depth + 1))
            elif isinstance(part, (bytearray, memoryview)):
                container[place] = bytes(part)
    return top[0]


class ProcessHook:
    """The hook of the buses that a process makes by itself: one, given before the first of them.

    A forked child goes on with it: what may not be kept does not depend on who publishes.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hook: Redact | None = None
        self._taken = False

    def offer(self, hook: Redact | None) -> None:
        """Have this hook from now on; None asks for nothing.

        Raises `InvalidInput` if there are buses already that do without it.
        """
        with self._lock:
            if hook is None or hook == self._hook:
                return
            if self._taken or self._hook is not None:
                raise InvalidInput(
                    "redact: this process has a bus without this hook; give it to the first "
                    "get_bus() or get_async_bus(), or call reset_bus() before"
                )
            self._hook = hook

    def take(self) -> Redact | None:
        """Return the hook for a bus that is being made."""
        with self._lock:
            self._taken = True
            return self._hook

    def reset(self) -> None:
        """Forget the hook."""
        with self._lock:
            self._hook, self._taken = None, False

    def renew_lock(self) -> None:
        """Have a lock that no other thread holds: those of the parent are not in a child."""
        self._lock = threading.Lock()


process_hook: Final = ProcessHook()
