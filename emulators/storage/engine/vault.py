"""All that the storage engine keeps in this process beside the store: bytes and name indexes."""

from __future__ import annotations

import asyncio
from pathlib import Path

from emulators.kernel.context import Context
from emulators.storage.engine.files import Files
from emulators.storage.engine.names import Index
from emulators.storage.store import BLOCKS


class Vault:
    """The first argument of the engine's functions."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.files = Files(ctx)
        self.index = Index(ctx)
        self.subscribed: frozenset[str] | None = None  # accounts with event subscriptions, if known
        self.outgoing = asyncio.Event()  # something is in the outbox
        self._id_lengths: dict[tuple[str, str], int] = {}

    def new_etag(self) -> str:
        """An entity tag (bare) that nothing had before."""
        return f"0x8D{self.ctx.ids.hex(13).upper()}"

    def id_length(self, container: str, name: str) -> int | None:
        """Characters of the ids of a blob's staged blocks; None when there are none."""
        key = (container, name)
        if key not in self._id_lengths:
            first = next(self.ctx.store.scan(BLOCKS, container, name), None)
            if first is None:
                return None
            self._id_lengths[key] = len(first.id)
        return self._id_lengths[key]

    def forget_ids(self, container: str, name: str) -> None:
        """A blob's staged blocks are gone."""
        self._id_lengths.pop((container, name), None)


_VAULTS: dict[Path, Vault] = {}


def vault_of(ctx: Context) -> Vault:
    """The one vault of a context; the first call clears up what a killed process left."""
    found = _VAULTS.get(ctx.state)
    if found is None or found.ctx is not ctx:
        found = _VAULTS[ctx.state] = Vault(ctx)
        found.files.open()
    return found


def close_vault(ctx: Context) -> None:
    """End with a context: the bytes that only readers kept are removed."""
    found = _VAULTS.pop(ctx.state, None)
    if found is not None and found.ctx is ctx:
        found.files.close()
