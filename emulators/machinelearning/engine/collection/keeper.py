"""All data that deployments of this host collect: taken in, kept, rolled by the clock, sent on."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from emulators.kernel.context import Context
from emulators.kernel.errors import BadRequest, ServiceError
from emulators.kernel.ids import secret_token
from emulators.machinelearning.engine import places
from emulators.machinelearning.engine.collection import events, shipping, wanted
from emulators.machinelearning.engine.collection.events import Event, Posted
from emulators.machinelearning.engine.collection.spool import Part, Place
from emulators.machinelearning.engine.collection.wanted import Collection, Wanted
from emulators.machinelearning.engine.storage_access import DatastorePath
from emulators.machinelearning.store.endpoints import Deployment
from emulators.machinelearning.store.workspaces import Workspace

log = logging.getLogger("rehearsal.collection")

FOLDER = "collection"
SETTLE_S = 1.0  # lines that come within it are sent together
RETRY_S = 30.0
CLOSING_S = 5.0  # real seconds for what is left when the host stops
PARTS = 8  # sent at once


class NotCollected(BadRequest):
    """The collection is not enabled."""


@dataclass
class Collector:
    """One generation of a deployment: what it collects, and where that goes."""

    deployment: Deployment
    source: str  # ARM id of the deployment
    wanted: Wanted
    folders: dict[str, DatastorePath]  # by collection
    keeper: Keeper
    secret: str = field(default_factory=secret_token)
    open: dict[str, tuple[str, Part]] = field(default_factory=dict)  # collection -> rolled, file

    @property
    def payloads(self) -> tuple[Collection, ...]:
        """Those that the gateway collects."""
        return tuple(one for one in self.wanted.collections if one.name in wanted.PAYLOADS)

    def close(self) -> None:
        """Take nothing more; what there is goes to storage."""
        self.keeper.close(self)


class Keeper:
    """Takes collected data in. Made once, by `started`."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._folder = ctx.state / FOLDER
        self._folder.mkdir(exist_ok=True)
        self._durable = ctx.settings.durable
        self._collectors: dict[str, Collector] = {}  # by secret
        self._parts: list[Part] = list(Part.left(self._folder, durable=self._durable))
        self._dirty = asyncio.Event()
        self._shipping = asyncio.Lock()
        self._refused: set[str] = set()  # blobs that storage did not take, told once
        self.port = 0  # where scripts send to; set by who listens

    async def open(self, ws: Workspace, deployment: Deployment) -> Collector | None:
        """Begin to collect for a generation of a deployment; None where it asks for nothing.

        Raises:
            ServiceError: where it is to go cannot be.
        """
        asked = wanted.read(deployment.properties.get("dataCollector"))
        if asked is None:
            return None
        below = f"onlineEndpoints/{deployment.endpoint}/deployments/{deployment.name}"
        default = f"{wanted.ROOT}/{deployment.endpoint}/{deployment.name}"
        folders = {
            one.name: await places.resolve(self._ctx, ws, one.data or f"{default}/{one.name}")
            for one in asked.collections
        }
        made = Collector(deployment, f"{ws.arm_id}/{below}", asked, folders, self)
        self._collectors[made.secret] = made
        self._dirty.set()
        return made

    def of(self, secret: str) -> Collector | None:
        """Whose secret it is."""
        return self._collectors.get(secret)

    def close(self, collector: Collector) -> None:
        """Take nothing more for a generation; what there is goes to storage."""
        self._collectors.pop(collector.secret, None)
        for _, part in collector.open.values():
            part.close()
        collector.open.clear()
        self._dirty.set()

    def variables(self, deployment: Deployment, folder: Path) -> dict[str, str]:
        """What the collector package in a worker process of a deployment reads.

        Args:
            folder: of the generation; the package's file is written there.
        """
        wanting = (one for one in self._collectors.values() if one.deployment == deployment)
        collector = next(wanting, None)
        if collector is None:
            return {}
        rates = {
            one.name: {"enabled": True, "sampleRatePercentage": one.rate * 100}
            for one in collector.wanted.collections
        }
        file = folder / "mdc.json"
        file.write_text(json.dumps({"runMode": "cloud", "collections": rates}), encoding="utf-8")
        return {
            "AZUREML_MDC_CONFIG_PATH": str(file),
            # The package puts it into a URL, from which its HTTP library takes the login.
            "AZUREML_MDC_HOST": f"mdc:{collector.secret}@127.0.0.1",
            "AZUREML_MDC_PORT": str(self.port),
        }

    def take(self, collector: Collector, posted: Posted) -> None:
        """Keep what a script collected; it may be acknowledged when this returns.

        Raises:
            NotCollected: the collection is not enabled, or is the gateway's.
            ValidationError: it says JSON and is none.
        """
        name = posted.collection
        if collector.wanted.of(name) is None or name in wanted.PAYLOADS:
            raise NotCollected(f"The collection '{name[:100]}' is not enabled.")
        now = self._ctx.clock.now()
        # A fast clock is ours alone; the script's time would not fit the folder.
        at = (posted.time or now) if self._ctx.settings.time_scale == 1.0 else now
        self._keep(collector, posted.event(self._ctx.ids.guid(), collector.source, at), now)

    def take_pair(self, collector: Collector, pair: Mapping[str, Event]) -> None:
        """Keep a request and its answer, drawn once, so that both halves of a pair are kept.

        Args:
            pair: by collection; id and source are filled in here.
        """
        drawn = self._ctx.ids.random.random()
        for one in collector.payloads:
            if drawn < one.rate:
                event = pair[one.name]
                made = replace(event, id=self._ctx.ids.guid(), source=collector.source)
                self._keep(collector, made, event.at)

    def _keep(self, collector: Collector, event: Event, now: datetime) -> None:
        rolled = collector.wanted.folder(now)
        folder = collector.folders[event.collection].below(rolled)
        inner = events.inline(event)
        if inner is not None:
            data = events.line(event, inner)
        else:
            beside = self._beside(collector, event, folder, rolled)
            data = events.line(event, json.dumps(beside.url).encode(), elsewhere=True)
        self._part(collector, event.collection, rolled, folder).append(data)
        self._dirty.set()

    def _beside(
        self, collector: Collector, event: Event, folder: DatastorePath, rolled: str
    ) -> DatastorePath:
        """Keep data in a file of its own: large JSON above the collections, the rest in its folder.

        Source: how-to-collect-production-data, store large payloads, store binary data.
        """
        where = folder.below(event.id)
        if events.is_json(event.media):
            own = collector.folders[event.collection]
            above = replace(own, path=own.path.rstrip("/").rpartition("/")[0])
            where = above.below(f"{rolled}/{event.id}.jsonl")
        place = Place(where, beside=True)
        part = Part.new(self._folder, event.id, place, durable=self._durable)
        part.append(event.data)
        part.close()
        self._parts.append(part)
        return where

    def _part(self, collector: Collector, name: str, rolled: str, folder: DatastorePath) -> Part:
        """The file that is open for a collection: one a folder, and another when it is full."""
        known = collector.open.get(name)
        if known is not None:
            full = known[1].size > shipping.BLOCK_BYTES * (shipping.MAX_BLOCKS - 100)
            if known[0] == rolled and not full:
                return known[1]
            known[1].close()
        instance = self._ctx.ids.guid()
        place = Place(folder.below(f"{instance}.jsonl"))
        part = Part.new(self._folder, instance, place, durable=self._durable)
        collector.open[name] = (rolled, part)
        self._parts.append(part)
        return part

    async def flush(self) -> bool:
        """Send what storage lacks; whether it has everything now."""
        async with self._shipping:
            gate = asyncio.Semaphore(PARTS)
            done: list[bool] = []
            for beside in (True, False):  # what a line points to is there before the line is
                lacking = [p for p in self._parts if p.pending and p.beside is beside]
                done += await asyncio.gather(*(self._sent(part, gate) for part in lacking))
            for part in [p for p in self._parts if p.done and not p.pending]:
                part.discard()
                self._parts.remove(part)
            return all(done)

    async def _sent(self, part: Part, gate: asyncio.Semaphore) -> bool:
        async with gate:
            try:
                await shipping.ship(self._ctx, part)
            except (ServiceError, OSError, RuntimeError) as why:
                part.shipped = 0  # what is there is not known
                if part.where.url not in self._refused:
                    self._refused.add(part.where.url)
                    log.warning("collected data is kept here and sent later: %s", why)
                    self._ctx.ledger.record("collection", state="waiting", error=str(why))
                return False
            self._refused.discard(part.where.url)
            return True

    async def watch(self) -> None:
        """Send what comes, and roll what the clock has passed, for ever."""
        clock = self._ctx.clock
        while True:
            await self._dirty.wait()
            await clock.sleep(SETTLE_S)
            self._dirty.clear()
            self._roll(clock.now())
            if not await self.flush():
                await clock.sleep(RETRY_S)
                self._dirty.set()
            await asyncio.sleep(0.01)  # a fast clock's second is shorter than a request

    def _roll(self, now: datetime) -> None:
        for collector in self._collectors.values():
            rolled = collector.wanted.folder(now)
            for name, (folder, part) in list(collector.open.items()):
                if folder != rolled:
                    part.close()
                    del collector.open[name]

    async def end(self) -> None:
        """Send what is left, if storage takes it in time; the next host sends the rest."""
        for collector in list(self._collectors.values()):
            self.close(collector)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.flush(), CLOSING_S)
        for part in self._parts:
            part.close()


_HOSTS: dict[int, Keeper] = {}


def keeper_of(ctx: Context) -> Keeper:
    """Who keeps the data that deployments of this context collect."""
    return _HOSTS[id(ctx)]


@asynccontextmanager
async def started(ctx: Context) -> AsyncIterator[Keeper]:
    """Keep collected data while the service is up."""
    keeper = _HOSTS[id(ctx)] = Keeper(ctx)
    keeper._dirty.set()
    task = asyncio.create_task(keeper.watch(), name="collected data")
    try:
        yield keeper
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await keeper.end()
        del _HOSTS[id(ctx)]
