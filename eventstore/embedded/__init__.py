"""The embedded store: a private server in a data directory, shared by the programs of one user.

A client opens it (`EmbeddedStore.ensure`) and never runs a server itself: one supervisor process
a directory owns the server and a worker. The kernel's file locks say who lives (`locks`).
"""

from __future__ import annotations

from eventstore.embedded.client import EmbeddedStore, Endpoint
from eventstore.embedded.damage import Damage, accept_damage, read_damage
from eventstore.embedded.down import DownReport, down
from eventstore.embedded.home import Home, locate, open_home
from eventstore.embedded.inspection import HomeStatus, inspect

__all__ = [
    "Damage",
    "DownReport",
    "EmbeddedStore",
    "Endpoint",
    "Home",
    "HomeStatus",
    "accept_damage",
    "down",
    "inspect",
    "locate",
    "open_home",
    "read_damage",
]
