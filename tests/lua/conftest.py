"""Lua tests run on a plain server and on a one-node cluster, which checks slots as a real one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.lua_run import LuaRun

from eventstore.keys import Keys

if TYPE_CHECKING:
    import redis


@pytest.fixture(params=["redis_client", "cluster_client"])
def lua(request: pytest.FixtureRequest, namespace: str) -> LuaRun:
    """A partition of the test's own on either kind of server."""
    client: redis.Redis = request.getfixturevalue(request.param)
    return LuaRun(client, Keys(namespace, 0))
