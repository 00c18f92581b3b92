"""The model registry on Azure ML's model table: read it, change it, one change at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

from emulators.kernel.context import Context
from emulators.mlflow.engine import locations, models
from emulators.mlflow.engine.logged import lineage, settled
from emulators.mlflow.engine.models import Json, Model, Version
from emulators.mlflow.errors import InvalidParameter, ResourceExists, ResourceMissing
from emulators.mlflow.wire import blobs
from emulators.mlflow.wire.arm import arm, arm_get, arm_list, checked
from emulators.mlflow.wire.workspaces import Workspace

MLMODEL = "MLmodel"
MLFLOW_MODEL = "mlflow_model"
LIVE = {"listViewType": "ActiveOnly"}
TRIES = 20
READ_ONLY = ("latestVersion", "nextVersion", "provisioningState")

_LOCKS: WeakValueDictionary[tuple[int, str, str], asyncio.Lock] = WeakValueDictionary()


@dataclass(frozen=True, slots=True)
class Source:
    """The files that a version is made of."""

    uri: str  # as Azure ML writes it
    kind: str  # type of model
    run_id: str = ""
    model_id: str = ""


class Registry:
    """Models of one workspace."""

    def __init__(self, ctx: Context, workspace: Workspace) -> None:
        self.ctx, self.workspace = ctx, workspace
        self._models = f"{workspace.path}/models"

    @asynccontextmanager
    async def changing(self, name: str) -> AsyncIterator[None]:
        """Hold a model for a change that reads first; changes of it wait for each other."""
        slot = (id(asyncio.get_running_loop()), self.workspace.key, name.lower())
        lock = _LOCKS.setdefault(slot, asyncio.Lock())
        async with lock:
            yield

    async def find(self, name: str) -> Model | None:
        """A registered model, archived or not."""
        resource = await arm_get(self.ctx, f"{self._models}/{named(name)}")
        return models.model_of(resource) if resource else None

    async def model(self, name: str) -> Model:
        """A registered model.

        Raises:
            ResourceMissing: there is none.
        """
        found = await self.find(name)
        if found is None:
            raise ResourceMissing(f"Registered Model with name={name} not found")
        return found

    async def models(self) -> list[Model]:
        """Every registered model that is not archived."""
        return [models.model_of(found) for found in await arm_list(self.ctx, self._models, LIVE)]

    async def versions(self, name: str) -> list[Version]:
        """Every version of a model that is not archived, oldest first."""
        path = f"{self._models}/{named(name)}/versions"
        found = [models.version_of(name, entry) for entry in await arm_list(self.ctx, path, LIVE)]
        return sorted(found, key=lambda v: (v.number, v.created))

    async def version(self, name: str, number: str) -> Version:
        """One version.

        Raises:
            ResourceMissing: there is none.
        """
        path = f"{self._models}/{named(name)}/versions/{named(number)}"
        resource = await arm_get(self.ctx, path)
        if resource is None:
            raise ResourceMissing(f"Model Version (name={name}, version={number}) not found")
        return models.version_of(name, resource)

    async def create_model(self, name: str, given: Json) -> Model:
        """Register a name that has no versions yet.

        Raises:
            ResourceExists: it is taken.
        """
        async with self.changing(name):
            if await self.find(name) is not None:
                raise ResourceExists(f"Registered Model (name={name}) already exists.")
            inside: Json = {"tags": models.tags_of(given.get("tags")), "properties": {}}
            inside |= {"isArchived": False}
            if given.get("description"):
                inside["description"] = str(given["description"])
            path = f"{self._models}/{named(name)}"
            made = checked(await arm(self.ctx, "PUT", path, {"properties": inside}))
        return models.model_of(made)

    async def change_model(self, name: str, change: Callable[[Json], None]) -> Model:
        """Read a container's properties, `change` them in place, write them back.

        Raises:
            ResourceMissing: there is no such model.
        """
        await self.model(name)
        async with self.changing(name):
            path = f"{self._models}/{named(name)}"
            return models.model_of(await self._change(path, change))

    async def change_version(
        self, name: str, number: str, change: Callable[[Json], None]
    ) -> Version:
        """The same for one version.

        Raises:
            ResourceMissing: there is no such version.
        """
        await self.version(name, number)
        async with self.changing(name):
            path = f"{self._models}/{named(name)}/versions/{named(number)}"
            return models.version_of(name, await self._change(path, change))

    async def _change(self, path: str, change: Callable[[Json], None]) -> Json:
        resource = checked(await arm(self.ctx, "GET", path))
        inside = {k: v for k, v in resource["properties"].items() if k not in READ_ONLY}
        inside["tags"] = dict(inside.get("tags") or {})
        inside["properties"] = dict(inside.get("properties") or {})
        change(inside)
        return checked(await arm(self.ctx, "PUT", path, {"properties": inside}))

    async def delete(self, path: str) -> None:
        """Delete `{name}` or `{name}/versions/{number}`.

        Raises:
            ResourceMissing: it is not there.
        """
        checked(await arm(self.ctx, "DELETE", f"{self._models}/{path}"))

    async def create_version(self, name: str, given: Json) -> Version:
        """Register the next version of a model from files that are there.

        Raises:
            ResourceMissing: no such model, or nothing at its source.
            InvalidParameter: a source outside this workspace.
        """
        await self.model(name)
        source = await self.resolve(str(given.get("source") or ""))
        kept = {key: value for key, value in given.items() if value}
        known = {"run_id": source.run_id, "model_id": source.model_id}
        body = models.new_version(source.uri, source.kind, known | kept)
        async with self.changing(name):
            for _ in range(TRIES):
                number = (await self.model(name)).next_version
                path = f"{self._models}/{named(name)}/versions/{number}"
                if await arm_get(self.ctx, path) is not None:
                    continue  # another client took the number since it was read
                answer = await arm(self.ctx, "PUT", path, body)
                if answer.status_code not in (409, 412):
                    return models.version_of(name, checked(answer))
        raise ResourceExists(f"Model {name} is registered by others faster than here; try again.")

    async def resolve(self, source: str) -> Source:
        """What a source means.

        Raises:
            ResourceMissing: there are no files.
            InvalidParameter: a source outside this workspace.
        """
        if not source:
            raise InvalidParameter("Missing value for required parameter 'source'.")
        if source.startswith("models:/") and (found := await self._of_registered(source)):
            return Source(found.uri, MLFLOW_MODEL, found.run_id, found.model_id)
        place = locations.of_source(source)
        if place is None:  # a job's output or an asset: only Azure ML knows where it is
            return Source(source, MLFLOW_MODEL)
        place = settled(self.ctx, self.workspace.key, place)
        if await blobs.exists(self.ctx, self.workspace, place / MLMODEL):
            kind = MLFLOW_MODEL
        elif await blobs.any_below(self.ctx, self.workspace, place):
            kind = "custom_model"
        else:
            raise ResourceMissing(f"There are no files at the model source '{source}'.")
        uri = locations.datastore_uri(self.workspace.short, place)
        return Source(uri, kind, *lineage(self.ctx, self.workspace.key, place))

    async def _of_registered(self, source: str) -> Version | None:
        """The version that `models:/{name}/{version}` or `models:/{name}@{alias}` means."""
        name, _, number = source.removeprefix("models:/").strip("/").partition("/")
        if number:
            return await self.version(name, number)
        name, at, alias = name.partition("@")
        return await self.by_alias(name, alias) if at else None

    async def by_alias(self, name: str, alias: str) -> Version:
        """The version an alias points at.

        Raises:
            InvalidParameter: no such alias (MLflow's own code for it).
        """
        model = await self.model(name)
        if alias not in model.aliases:
            raise InvalidParameter(f"Registered model alias {alias} not found.")
        return await self.version(name, model.aliases[alias])


def named(name: Any) -> str:
    """A name as one segment of a path.

    Raises:
        InvalidParameter: it cannot be one.
    """
    text = str(name or "")
    if not text or "/" in text or ":" in text or text in (".", ".."):
        raise InvalidParameter(f"Invalid model name or version: '{text}'.")
    return text
