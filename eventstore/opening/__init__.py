"""Opening a store: no server instance takes appends before it was compared with the journal."""

from __future__ import annotations

from eventstore.opening.server import look_at_server
from eventstore.opening.verified_open import Opened, open_store, silent, undamaged

__all__ = ["Opened", "look_at_server", "open_store", "silent", "undamaged"]
