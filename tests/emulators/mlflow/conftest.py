"""One tracking service for all tests here: the real server process, on a loopback port."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from emulators.arm import service as arm
from emulators.kernel.app import App
from emulators.kernel.client_env import client_environment
from emulators.kernel.clock import RealClock
from emulators.kernel.context import Context
from emulators.kernel.door import Emulated, FrontDoor, router
from emulators.kernel.tls import open_authority
from emulators.kernel.upstream import Upstream
from emulators.machinelearning import service as machinelearning
from emulators.mlflow.engine.process import Server, server_of
from emulators.mlflow.service import SPEC
from emulators.storage import service as storage
from tests.support import make_app, make_context


@dataclass(slots=True)
class Tracking:
    """The running service, as a test sees it."""

    ctx: Context
    origin: str = ""
    door: dict[str, str] = field(default_factory=dict)  # variables that lead a client here
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    @property
    def token(self) -> str:
        """A bearer token that opens it."""
        return self.ctx.tokens.issue("https://ml.azure.com")

    @property
    def server(self) -> Server:
        """The server process."""
        return server_of(self.ctx)

    def arm_id(self, workspace: str = "one") -> str:
        """The resource id of a workspace."""
        group = f"/subscriptions/{self.ctx.secrets.subscription_id}/resourceGroups/rehearsal"
        return f"{group}/providers/Microsoft.MachineLearningServices/workspaces/{workspace}"

    def uri(self, workspace: str = "one", api: str = "v2.0") -> str:
        """The tracking URI of a workspace."""
        return f"{self.origin}/mlflow/{api}{self.arm_id(workspace)}"

    async def ask(self, method: str, url: str, body: Any = None) -> httpx.Response:
        """A call as an emulator makes it, which must be answered well."""
        async with self.ctx.peers.client() as http:
            answer = await http.request(method, url, json=body)
        assert answer.status_code < 300, answer.text
        return answer

    def arm(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """One call of the resource manager, below workspace `one`."""
        url = f"https://management.azure.com{self.arm_id()}{path}?api-version=2023-08-01-preview"
        found: dict[str, Any] = self.run(self.ask(method, url, body)).json()
        return found

    def begin(self, body: dict[str, Any]) -> str:
        """Begin a job's run as Azure ML does; its experiment id."""
        return str(self.own("create", body)["run"]["info"]["experiment_id"])

    def own(self, verb: str, body: dict[str, Any]) -> dict[str, Any]:
        """One of the calls that only emulators make, in workspace `one`."""
        path = f"/mlflow/v1.0{self.arm_id()}/api/2.0/rehearsal/runs/{verb}"
        answer = self.run(self.ask("POST", f"https://eastus.api.azureml.ms{path}", body))
        found: dict[str, Any] = answer.json()
        return found

    def run(self, work: Any) -> Any:
        """Run a coroutine on the service's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(120)


class _Http(uvicorn.Server):
    """Tells its port once it listens."""

    def __init__(self, app: App) -> None:
        super().__init__(
            uvicorn.Config(app, host="127.0.0.1", port=0, lifespan="off", log_level="warning")
        )
        self.listening = asyncio.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @property
    def port(self) -> int:
        """The port it was given."""
        return int(self.servers[0].sockets[0].getsockname()[1])


async def _door(stack: AsyncExitStack, ctx: Context, app: App) -> dict[str, str]:
    """Azure's own host names, for clients that insist on them."""
    authority = open_authority(ctx.state / "tls")
    authority.write_bundles({})

    def emulated(host: str) -> Emulated | None:
        return Emulated() if app.services_of(host) else None

    door = FrontDoor(authority, router(emulated, off=True), Upstream.from_environment({}))
    opened = await door.start(app)
    stack.push_async_callback(opened.stop)
    return client_environment(ctx, opened.ports, authority, {})


@pytest.fixture(scope="session")
def mlflow_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the migrated template is kept between servers of a session."""
    return tmp_path_factory.mktemp("mlflow-cache")


@pytest.fixture(scope="session")
def tracking(tmp_path_factory: pytest.TempPathFactory, mlflow_cache: Path) -> Iterator[Tracking]:
    folder = tmp_path_factory.mktemp("tracking")
    ctx = make_context(folder, clock=RealClock(), cache_dir=mlflow_cache, max_body_mib=4)
    specs = [SPEC, machinelearning.SPEC, storage.SPEC, storage.MANAGEMENT, arm.SPEC]
    app = make_app(ctx, specs)
    running = Tracking(ctx)
    stop, up = asyncio.Event(), threading.Event()

    async def serve() -> None:
        async with AsyncExitStack() as stack:
            for spec in specs:
                if spec.lifespan is not None:
                    await stack.enter_async_context(spec.lifespan(ctx))
            for workspace in ("one", "two"):
                url = f"https://management.azure.com{running.arm_id(workspace)}"
                await running.ask("PUT", f"{url}?api-version=2024-10-01", {"location": "eastus"})
            running.door = await _door(stack, ctx, app)
            http = _Http(app)
            task = asyncio.create_task(http.serve())
            await http.listening.wait()
            running.origin = f"http://127.0.0.1:{http.port}"
            up.set()
            await stop.wait()
            http.should_exit = True
            await task

    failed: list[BaseException] = []

    def work() -> None:
        asyncio.set_event_loop(running.loop)
        try:
            running.loop.run_until_complete(serve())
        except Exception as error:
            failed.append(error)
            up.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert up.wait(60), "the service does not come up"
    if failed:
        raise failed[0]
    yield running
    running.loop.call_soon_threadsafe(stop.set)
    thread.join(30)


@pytest.fixture
def client(tracking: Tracking, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An unmodified MLflow client of workspace `one`, over plain https."""
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", tracking.token)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    mlflow.set_tracking_uri(tracking.uri())
    yield mlflow.MlflowClient()
    while mlflow.active_run():
        mlflow.end_run()
    mlflow.set_tracking_uri("")
