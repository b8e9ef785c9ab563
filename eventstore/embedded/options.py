"""How a supervisor is run; a client that starts one hands these on as command line arguments."""

from __future__ import annotations

from dataclasses import dataclass

MIN_FREE_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class SupervisorOptions:
    """What a supervisor does beside its duties; the defaults are for a person's own machine.

    `linger`: seconds from the last client's leaving to the end; `stay`: never end for want of
    clients. `worker_command`: what to run as the worker, empty for the worker of this project.
    `maxmemory`: bytes at which the server refuses appends (nothing is ever evicted), None for
    half of the memory that the process may use. `min_free_bytes`: bytes that must be free on the
    disk before a server is started.
    """

    linger: float = 60.0
    stay: bool = False
    worker_command: tuple[str, ...] = ()
    maxmemory: int | None = None
    min_free_bytes: int = MIN_FREE_BYTES

    def arguments(self) -> list[str]:
        """Return the arguments of `python -m consumers up` that say the same."""
        given = ["--linger", str(self.linger), "--min-free-bytes", str(self.min_free_bytes)]
        if self.stay:
            given.append("--stay")
        if self.maxmemory is not None:
            given += ["--maxmemory", str(self.maxmemory)]
        if self.worker_command:
            given += ["--", *self.worker_command]
        return given
