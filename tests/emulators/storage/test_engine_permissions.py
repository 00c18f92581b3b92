"""Every operation that a token's bearer can call has the action that roles must allow."""

from __future__ import annotations

from emulators.storage.engine.permissions import ACTIONS, DATA_ACTIONS, OPEN
from emulators.storage.wire.app import routes


def test_every_operation_is_an_action() -> None:
    names = {route.name for kind in ("blob", "dfs") for route in routes(kind).values()}
    assert names == {*ACTIONS, *DATA_ACTIONS, *OPEN}
    assert not set(ACTIONS) & set(DATA_ACTIONS)
