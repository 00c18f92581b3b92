"""A bench whose factory has a storage account: linked services, datasets, files put and got."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emulators.datafactory.engine.connections import blobs
from emulators.datafactory.engine.connections.credentials import Caller
from emulators.datafactory.engine.connections.resolving import linked_service_of
from emulators.datafactory.engine.expressions import Scope
from emulators.storage.engine import accounts
from emulators.storage.service import DATA_LAKE
from emulators.storage.service import SPEC as STORAGE
from tests.emulators.datafactory.calling import FACTORY, Bench, bench

STORE = {"referenceName": "Store", "type": "LinkedServiceReference"}


class Lake:
    """Files of one container and datasets over it."""

    def __init__(self, folder: Path) -> None:
        self.bench: Bench = bench(folder, [STORAGE, DATA_LAKE])
        ctx = self.bench.ctx
        self.account = accounts.seed(ctx).name
        self.key = accounts.keys(ctx, self.account)["key1"]
        text = f"DefaultEndpointsProtocol=https;AccountName={self.account};AccountKey={self.key}"
        self.link("Store", "AzureBlobStorage", {"connectionString": text})

    def link(self, name: str, kind: str, properties: Mapping[str, Any], **more: Any) -> None:
        body = {"type": kind, "typeProperties": dict(properties), **more}
        self.bench.resources.publish("linkedservices", name, body)

    def dataset(
        self, name: str, kind: str, folder: str = "", file: str = "", **properties: Any
    ) -> dict[str, Any]:
        """Publish a dataset over the container; a reference to it."""
        location = {"type": "AzureBlobStorageLocation", "container": "files"}
        location |= {"folderPath": folder} if folder else {}
        location |= {"fileName": file} if file else {}
        linked = properties.pop("linked", STORE)
        parameters = properties.pop("parameters", {})
        body = {
            "type": kind,
            "linkedServiceName": linked,
            "parameters": parameters,
            "typeProperties": {"location": location, **properties},
        }
        self.bench.resources.publish("datasets", name, body)
        return {"referenceName": name, "type": "DatasetReference"}

    def put(self, **files: bytes | str) -> None:
        """Put files into the container; `__` in a keyword stands for a slash, `_` for a dot."""
        self.put_all({_path(name): body for name, body in files.items()})

    def put_all(self, files: Mapping[str, bytes | str]) -> None:
        """Put files into the container by name."""

        async def go() -> None:
            async with self._store() as store:
                for name, body in files.items():
                    raw = body.encode() if isinstance(body, str) else body
                    await store.write("files", name, _once(raw))

        asyncio.run(go())

    def get(self, name: str) -> bytes:
        """A file's bytes."""

        async def go() -> bytes:
            async with self._store() as store, store.read("files", name) as chunks:
                return b"".join([chunk async for chunk in chunks])

        return asyncio.run(go())

    def names(self, prefix: str = "") -> list[str]:
        """The names of the files."""

        async def go() -> list[str]:
            async with self._store() as store:
                return [blob.name async for blob in store.listed("files", prefix)]

        return asyncio.run(go())

    def copy(
        self,
        source: Mapping[str, Any],
        sink: Mapping[str, Any],
        source_settings: Mapping[str, Any] | None = None,
        sink_settings: Mapping[str, Any] | None = None,
        **properties: Any,
    ) -> dict[str, Any]:
        """Copy; the output."""
        activity = {
            "type": "Copy",
            "inputs": [source],
            "outputs": [sink],
            "typeProperties": {
                "source": {"type": "Source", **(source_settings or {})},
                "sink": {"type": "Sink", **(sink_settings or {})},
                **properties,
            },
        }
        return dict(self.bench.do(activity).output)

    def do(self, kind: str, dataset: Mapping[str, Any], **properties: Any) -> dict[str, Any]:
        """An activity over one dataset; the output."""
        activity = {"type": kind, "typeProperties": {"dataset": dataset, **properties}}
        return dict(self.bench.do(activity).output)

    def _store(self) -> Any:
        ctx, published = self.bench.ctx, self.bench.resources
        caller = Caller(ctx, FACTORY, published, Scope())
        return blobs.opened(caller, linked_service_of(published, STORE, Scope()))


def _path(name: str) -> str:
    return name.replace("__", "/").replace("_", ".")


async def _once(raw: bytes) -> Any:
    yield raw
