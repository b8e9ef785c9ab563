"""The event store for LLM-agent systems: immutable events on Redis Streams.

    from eventstore import get_bus

    bus = get_bus()
    bus.publish({"session_id": "s", "agent_id": "a", "type": "state"}, {"text": "hello"})

An application imports from here only. Importing does no work: nothing is read, connected or
started before the first call.
"""

from __future__ import annotations

from eventstore.async_bus import AsyncEventBus, get_async_bus
from eventstore.async_effects import AsyncSideEffects
from eventstore.async_overrides import (
    async_effective_agent,
    async_override_history,
    async_read_override,
    async_write_override,
)
from eventstore.async_sessions import AsyncSession, get_async_session
from eventstore.background import (
    forgotten_failures,
    run_async,
    run_async_fire_and_forget,
    set_event_loop,
)
from eventstore.bootstrap import connect_celery, run_once_global_init
from eventstore.bus import EventBus
from eventstore.commands import Appended
from eventstore.competing.async_work import AsyncCompeting, AsyncCompetingHandler
from eventstore.competing.item import AsyncWorkItem, WorkItem
from eventstore.competing.work import Competing, CompetingHandler
from eventstore.consuming.writes import Write
from eventstore.effect import Outcome
from eventstore.effect_errors import (
    EffectFailed,
    EffectRefused,
    EffectUnanswered,
    EffectUnrecorded,
)
from eventstore.effects import SideEffects
from eventstore.emitting import metrics
from eventstore.episodes import async_current_episode_id, current_episode_id
from eventstore.errors import (
    AgentNotFound,
    ArtifactNotFound,
    BranchExists,
    BranchNotFound,
    Conflict,
    Diverged,
    EventStoreError,
    GroupRefused,
    InvalidEvent,
    InvalidInput,
    NotFound,
    NotInHistory,
    OverrideLocked,
    RedactionFailed,
    RefConflict,
    SessionNotFound,
    Unavailable,
    WrongThread,
)
from eventstore.flat_values import serialise_for_redis
from eventstore.headers import ArtifactHeader
from eventstore.keys import event_sequence_key
from eventstore.logs import logger
from eventstore.operations import Row
from eventstore.overrides import (
    effective_agent,
    override_history,
    read_override,
    write_override,
)
from eventstore.payload_driver import BaseStorageDriver
from eventstore.process_bus import get_bus, get_redis, health, reset_bus
from eventstore.redact_patterns import redact_keys_and_emails
from eventstore.refs import generate_ref
from eventstore.sessions import Session, get_session
from eventstore.settings import AppSettings, agents, reset_settings, settings
from eventstore.state_errors import (
    AgentNotRegistered,
    AlreadyActed,
    BranchInUse,
    LaneFull,
    NotOnStack,
    SessionEnded,
    StackMoved,
    TickRefused,
)
from eventstore.store import AsyncEventStore, EventStore
from eventstore.subscribing.async_subscription import AsyncSubscriber, AsyncSubscription
from eventstore.subscribing.delivered import Delivered
from eventstore.subscribing.subscription import Subscriber, Subscription
from eventstore.text import estimate_tokens, summarise
from eventstore.times import current_timestamp, parse_timestamp

__all__ = [
    "AgentNotFound",
    "AgentNotRegistered",
    "AlreadyActed",
    "AppSettings",
    "Appended",
    "ArtifactHeader",
    "ArtifactNotFound",
    "AsyncCompeting",
    "AsyncCompetingHandler",
    "AsyncEventBus",
    "AsyncEventStore",
    "AsyncSession",
    "AsyncSideEffects",
    "AsyncSubscriber",
    "AsyncSubscription",
    "AsyncWorkItem",
    "BaseStorageDriver",
    "BranchExists",
    "BranchInUse",
    "BranchNotFound",
    "Competing",
    "CompetingHandler",
    "Conflict",
    "Delivered",
    "Diverged",
    "EffectFailed",
    "EffectRefused",
    "EffectUnanswered",
    "EffectUnrecorded",
    "EventBus",
    "EventStore",
    "EventStoreError",
    "GroupRefused",
    "InvalidEvent",
    "InvalidInput",
    "LaneFull",
    "NotFound",
    "NotInHistory",
    "NotOnStack",
    "Outcome",
    "OverrideLocked",
    "RedactionFailed",
    "RefConflict",
    "Row",
    "Session",
    "SessionEnded",
    "SessionNotFound",
    "SideEffects",
    "StackMoved",
    "Subscriber",
    "Subscription",
    "TickRefused",
    "Unavailable",
    "WorkItem",
    "Write",
    "WrongThread",
    "agents",
    "async_current_episode_id",
    "async_effective_agent",
    "async_override_history",
    "async_read_override",
    "async_write_override",
    "connect_celery",
    "current_episode_id",
    "current_timestamp",
    "effective_agent",
    "estimate_tokens",
    "event_sequence_key",
    "forgotten_failures",
    "generate_ref",
    "get_async_bus",
    "get_async_session",
    "get_bus",
    "get_redis",
    "get_session",
    "health",
    "logger",
    "metrics",
    "override_history",
    "parse_timestamp",
    "read_override",
    "redact_keys_and_emails",
    "reset_bus",
    "reset_settings",
    "run_async",
    "run_async_fire_and_forget",
    "run_once_global_init",
    "serialise_for_redis",
    "set_event_loop",
    "settings",
    "summarise",
    "write_override",
]
