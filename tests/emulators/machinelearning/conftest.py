"""Machine Learning with the services it stands on, in this process, called without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from emulators.kernel import registry
from emulators.kernel.context import Context
from emulators.kernel.http import ServiceSpec
from emulators.machinelearning.engine import workspaces
from emulators.machinelearning.store.workspaces import Workspace
from tests.emulators.machinelearning.desk import desk, plain  # noqa: F401  (fixtures)
from tests.support import client_of, make_app, make_context

API = "2024-10-01-preview"
ML = "https://eastus.api.azureml.ms"


@dataclass
class World:
    """The seeded workspace and a caller of it; `run` lets a test await something."""

    ctx: Context
    http: httpx.AsyncClient
    runner: asyncio.Runner

    @property
    def group(self) -> str:
        """URL of the seeded resource group."""
        return (
            f"https://management.azure.com/subscriptions/{self.ctx.secrets.subscription_id}"
            "/resourceGroups/rehearsal"
        )

    @property
    def base(self) -> str:
        """URL of the workspaces of the seeded group."""
        return f"{self.group}/providers/Microsoft.MachineLearningServices/workspaces"

    @property
    def ws(self) -> Workspace:
        """The seeded workspace."""
        return workspaces.get(self.ctx, self.ctx.secrets.subscription_id, "rehearsal", "rehearsal")

    def run(self, work: Any) -> Any:
        """The result of a coroutine."""
        return self.runner.run(work)

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        """One request; a path is below the seeded workspace, unless it is a URL."""
        url = path if path.startswith("https://") else f"{self.base}/rehearsal{path}"
        params = more.pop("params", {})
        if "api-version=" not in url:
            params = {"api-version": API, **params}
        sent = self.http.request(method, url, params=params or None, json=body, **more)
        found: httpx.Response = self.run(sent)
        return found

    def put(self, path: str, properties: Any, **more: Any) -> httpx.Response:
        """PUT a resource with these properties."""
        return self.call("PUT", path, {"properties": properties}, **more)

    def get(self, path: str, **params: str) -> httpx.Response:
        """GET, with query parameters by name; `_x` stands for `$x`."""
        query = {k.replace("_", "$", 1) if k[0] == "_" else k: v for k, v in params.items()}
        return self.call("GET", path, params=query)


def specs() -> list[ServiceSpec]:
    """Identity, resource manager, storage and machine learning, as the host loads them."""
    names = ("identity", "arm", "storage", "keyvault", "machinelearning", "inference")
    return [
        registry.load(name)
        for name in registry.known()
        if name.split("-")[0].split("_")[0] in names
    ]


async def _begin(stack: AsyncExitStack, ctx: Context) -> httpx.AsyncClient:
    found = specs()
    app = make_app(ctx, found)
    for spec in found:
        if spec.lifespan is not None:
            await stack.enter_async_context(spec.lifespan(ctx))
    token = ctx.tokens.issue("https://management.azure.com")
    return await stack.enter_async_context(client_of(app, token=token))


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for all tests of a session; each uses names of its own."""
    ctx = make_context(Path(tmp_path_factory.mktemp("ml")), mlflow=False)
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        http = runner.run(_begin(stack, ctx))
        yield World(ctx, http, runner)
        runner.run(stack.aclose())
        ctx.ledger.close()
