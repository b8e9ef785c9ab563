"""Every error this project raises, as one tree.

EventStoreError
├── InvalidInput (ValueError)        a caller's argument; nothing was written
│   ├── InvalidEvent                 an event, header or payload, naming the field
│   ├── InvalidName                  a namespace, session, agent, branch or tag
│   ├── RedactionFailed              the hook that was to redact what is published
│   ├── WrongThread                  a call that would wait for its own thread
│   ├── ImportRefused                a file to import, naming the place in it
│   └── ExportRefused                an event that the export's format cannot hold
├── SettingsError (ValueError)       configuration, naming the key and its source
│   └── PluginError                  an installed plugin that cannot be used
├── NotFound (KeyError)              what was asked for does not exist
│   ├── ArtifactNotFound
│   ├── SessionNotFound
│   ├── BranchNotFound
│   ├── GroupNotFound                a consumer group
│   ├── AgentNotFound                no agent of this name is configured
│   └── AgentNotRegistered           the session has no such agent
├── Refused                          the store answered and wrote nothing
│   ├── Conflict                     a lane moved since the decision read it
│   ├── RefConflict                  the ref is known with other content
│   ├── RefOverlap                   part of the batch is known
│   ├── BranchExists
│   ├── OverrideLocked               an agent's override takes no patch until it is unlocked
│   ├── NotInHistory                 a step that the branch does not show
│   ├── SessionEnded                 the session is closed
│   ├── BranchInUse                  a branch that cannot be pruned
│   ├── StackMoved                   the agent's stack is no longer what a unit of work saw
│   ├── NotOnStack                   nothing is there: below the first row, or above the last
│   ├── TickRefused                  the barrier does not allow it now
│   ├── LaneFull                     a decision's state would be larger than its lane holds
│   ├── AlreadyActed                 the agent has done its part of the tick before
│   ├── SessionDiffers               a session to import is here with other events
│   ├── EffectRefused                a side effect that is not made, or not settled
│   │   ├── EffectUnanswered         it was begun, and nobody said what came of it
│   │   └── EffectFailed             it was made before, and failed
│   ├── RepairRefused                a restore or repair that would lose what is there
│   ├── RebuildRefused               another one is under way, or memory does not suffice
│   └── GroupRefused                 a consumer group of another kind, or in somebody's hands
├── Unavailable                      try again later; says whether it is unknown if it happened
│   ├── StoreUnreachable
│   ├── StoreFull                    the server is at maxmemory
│   ├── Sealed                       the server instance is not verified
│   ├── EffectUnrecorded             a side effect was made, and its result is not in the log
│   ├── PayloadStoreError            the payload store is down, slow or full
│   └── NotCaughtUp                  a projection is behind; nobody may be consuming
├── Damaged                          the record is not what it must be; never skipped over
│   ├── ChainBroken
│   ├── PayloadDamaged
│   ├── PayloadMissing
│   ├── JournalDamaged               a segment of the journal is not whole, or is missing
│   ├── IndexDamaged                 the index beside the journal is not whole
│   ├── Poisoned                     a foreign write made the stream unusable
│   ├── UndecodableEvent
│   ├── ProjectionDamaged            a read model lacks a row that it must have
│   ├── DataLost                     damaged files held events that are nowhere else
│   └── Diverged                     the server no longer holds what was acknowledged
│       └── TwoHistories             log and journal of a partition contradict each other
├── WrongStore                       another uuid, partition count, format or capability
├── CommandFailed                    the server answered a command with an error
│   └── WriteRefused                 what a handler asked of keys cannot be done
└── EmbeddedError                    the private server could not be found or started

Each message says what was wrong, where, and what to do about it.
"""

from __future__ import annotations

from eventstore.effect_errors import (
    EffectFailed,
    EffectRefused,
    EffectUnanswered,
    EffectUnrecorded,
)
from eventstore.errors_answered import (
    BranchExists,
    ChainBroken,
    Conflict,
    DataLost,
    Diverged,
    GroupRefused,
    IndexDamaged,
    JournalDamaged,
    NotCaughtUp,
    NotInHistory,
    OverrideLocked,
    PayloadDamaged,
    PayloadMissing,
    PayloadStoreError,
    Poisoned,
    ProjectionDamaged,
    RebuildRefused,
    RefConflict,
    RefOverlap,
    RepairRefused,
    Sealed,
    SessionDiffers,
    StoreFull,
    StoreUnreachable,
    TwoHistories,
    UndecodableEvent,
    WriteRefused,
)
from eventstore.errors_asked import (
    AgentNotFound,
    ArtifactNotFound,
    BranchNotFound,
    ExportRefused,
    GroupNotFound,
    ImportRefused,
    InvalidEvent,
    InvalidName,
    PluginError,
    RedactionFailed,
    SessionNotFound,
    WrongThread,
)
from eventstore.errors_base import (
    CommandFailed,
    Damaged,
    EmbeddedError,
    EventStoreError,
    InvalidInput,
    NotFound,
    Refused,
    SettingsError,
    Unavailable,
    WrongStore,
)
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

__all__ = [
    "AgentNotFound",
    "AgentNotRegistered",
    "AlreadyActed",
    "ArtifactNotFound",
    "BranchExists",
    "BranchInUse",
    "BranchNotFound",
    "ChainBroken",
    "CommandFailed",
    "Conflict",
    "Damaged",
    "DataLost",
    "Diverged",
    "EffectFailed",
    "EffectRefused",
    "EffectUnanswered",
    "EffectUnrecorded",
    "EmbeddedError",
    "EventStoreError",
    "ExportRefused",
    "GroupNotFound",
    "GroupRefused",
    "ImportRefused",
    "IndexDamaged",
    "InvalidEvent",
    "InvalidInput",
    "InvalidName",
    "JournalDamaged",
    "LaneFull",
    "NotCaughtUp",
    "NotFound",
    "NotInHistory",
    "NotOnStack",
    "OverrideLocked",
    "PayloadDamaged",
    "PayloadMissing",
    "PayloadStoreError",
    "PluginError",
    "Poisoned",
    "ProjectionDamaged",
    "RebuildRefused",
    "RedactionFailed",
    "RefConflict",
    "RefOverlap",
    "Refused",
    "RepairRefused",
    "Sealed",
    "SessionDiffers",
    "SessionEnded",
    "SessionNotFound",
    "SettingsError",
    "StackMoved",
    "StoreFull",
    "StoreUnreachable",
    "TickRefused",
    "TwoHistories",
    "Unavailable",
    "UndecodableEvent",
    "WriteRefused",
    "WrongStore",
    "WrongThread",
]
