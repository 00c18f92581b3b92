"""What every engine function is given first: state, bytes, time, chance, peers."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from emulators.kernel.access import Access
from emulators.kernel.announced import Announced
from emulators.kernel.blobs import Blobs
from emulators.kernel.clock import Clock, RealClock
from emulators.kernel.faults import Faults
from emulators.kernel.folder import UnusableState, open_folder
from emulators.kernel.ids import Ids
from emulators.kernel.ledger import Ledger
from emulators.kernel.links import Links
from emulators.kernel.peers import Peers
from emulators.kernel.secrets import Secrets
from emulators.kernel.settings import Settings
from emulators.kernel.store import Store
from emulators.kernel.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Context:
    """The one value that carries everything an emulator may touch."""

    settings: Settings
    state: Path
    store: Store
    blobs: Blobs
    clock: Clock
    ids: Ids
    secrets: Secrets
    tokens: Tokens
    access: Access
    faults: Faults
    ledger: Ledger
    peers: Peers
    links: Links
    announced: Announced = field(default_factory=Announced)
    stills: list[Callable[[], AbstractContextManager[None]]] = field(default_factory=list)
    """Of who keeps databases of his own in the folder: while entered, they may be copied."""


def open_context(settings: Settings) -> Context:
    """Open (or begin) the state folder that `settings` names.

    Raises:
        UnusableState: it is damaged, of a newer version, or cannot be written.
    """
    from emulators.kernel.store_sqlite import SqliteStore

    state = open_folder(settings.state)
    try:
        store = SqliteStore(state / "rehearsal.db", durable=settings.durable)
        return assemble(settings, state, store, RealClock(settings.time_scale))
    except (OSError, ValueError, sqlite3.Error) as why:
        if isinstance(why, UnusableState):
            raise
        raise UnusableState(
            f"The state folder {state} cannot be used: {why}. `rehearse snapshot load FILE` puts"
            " another state in its place, `rehearse reset` begins anew."
        ) from why


def assemble(settings: Settings, state: Path, store: Store, clock: Clock) -> Context:
    """A context from its parts; tests hand in a memory store and a manual clock."""
    ids = Ids(settings.seed)
    secrets = Secrets.open(state)
    tokens = Tokens(secrets, clock, ids)
    tokens.prepare()
    return Context(
        settings=settings,
        state=state,
        store=store,
        blobs=Blobs(state / "blobs", durable=settings.durable),
        clock=clock,
        ids=ids,
        secrets=secrets,
        tokens=tokens,
        access=Access(store, clock),
        faults=Faults(store, ids),
        ledger=Ledger(state / "ledger.db", clock),
        peers=Peers(tokens),
        links=Links(settings.region),
    )
