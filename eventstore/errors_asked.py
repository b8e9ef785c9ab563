"""Errors in what was asked for: wrong input, wrong settings, what does not exist."""

from __future__ import annotations

from eventstore.errors_base import (
    InvalidInput,
    NotFound,
    SettingsError,
)
from eventstore.shown import sentence, shown


class InvalidEvent(InvalidInput):
    """An event was refused; `field` names the offending part, for example `header.ts`."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(sentence(f"{field}: {problem}"))
        self.field = field
        self.problem = problem


class InvalidName(InvalidInput):
    """A name cannot be stored; `what` says which kind of name it is."""

    def __init__(self, what: str, problem: str) -> None:
        super().__init__(sentence(f"{what}: {problem}"))
        self.what = what
        self.problem = problem


class RedactionFailed(InvalidInput):
    """The hook that was to redact what is published failed, so nothing was written.

    The cause, if there is one, is what the hook raised; the message does not repeat it.
    """

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: the hook {problem}")
        self.where = where
        self.problem = problem


class WrongThread(InvalidInput):
    """A blocking call on the thread that it would wait for."""


class ImportRefused(InvalidInput):
    """A file cannot be imported; `where` is a byte offset, a line, or a record and field.

    It is empty where the fault is of the file as a whole.
    """

    def __init__(self, path: str, where: str, problem: str) -> None:
        super().__init__(": ".join(part for part in (path, where, problem) if part))
        self.path = path
        self.where = where


class ExportRefused(InvalidInput):
    """An event cannot be written in the format asked for; `ref` names it."""

    def __init__(self, ref: str, problem: str) -> None:
        super().__init__(f"event {ref}: {problem}")
        self.ref = ref


class PluginError(SettingsError):
    """What another distribution provides by entry point cannot be used.

    `plugin` is the entry point's name, `source` the distribution and the object that it names.
    """

    def __init__(self, plugin: str, source: str, problem: str) -> None:
        super().__init__(f"plugin {plugin!r} of {source}: {problem}")
        self.plugin = plugin
        self.source = source


class ArtifactNotFound(NotFound):
    """No event with this ref is retained."""

    def __init__(self, ref: str) -> None:
        super().__init__(
            f"no artifact with ref {shown(ref)}; `eventstore artifact search` lists refs"
        )
        self.ref = ref


class SessionNotFound(NotFound):
    """No event of this session is retained."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"no session {session_id!r}; `eventstore session list` lists them")
        self.session_id = session_id


class BranchNotFound(NotFound):
    """The session has no branch of this name."""

    def __init__(self, session_id: str, branch_id: str) -> None:
        super().__init__(
            f"session {session_id!r} has no branch {branch_id!r}; "
            "`eventstore branch list SESSION` lists them"
        )
        self.session_id = session_id
        self.branch_id = branch_id


class GroupNotFound(NotFound):
    """There is no consumer group of this name."""

    def __init__(self, group: str) -> None:
        super().__init__(f"no consumer group {group!r}; `eventstore group list` lists them")
        self.group = group


class AgentNotFound(NotFound):
    """No agent of this name is configured."""

    def __init__(self, agent_id: str) -> None:
        super().__init__(
            f"no agent {agent_id!r} is configured; add it to config/agents.json, or name the "
            "file in EVENTSTORE_AGENTS"
        )
        self.agent_id = agent_id
