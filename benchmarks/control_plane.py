"""Start-up, ARM GET and PUT, and MLClient's round trip against a null server behind the same door.

    python -m benchmarks.control_plane [--rounds 5]

The null server is an ASGI app that answers every request with the same bytes, behind the same proxy
and TLS: what it takes is the client's and the door's share, what is above it is the emulator's.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import ssl
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from emulators.kernel.door import Emulated, FrontDoor
from emulators.kernel.tls import open_authority
from tests.running import Rehearsal, started

CALLS = 300
API = {"api-version": "2023-04-01-preview"}


@contextmanager
def null_door(folder: Path, answer: bytes) -> Iterator[tuple[int, Path]]:
    """A front door whose app always says `answer`; its proxy port and certificate bundle."""
    ready: list[tuple[int, Path]] = []
    stop = threading.Event()
    head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            while (await receive()).get("more_body"):
                pass
            await send({"type": "http.response.start", "status": 200, "headers": head})
            await send({"type": "http.response.body", "body": answer})

    async def serve() -> None:
        authority = open_authority(folder / "tls")
        authority.write_bundles({})
        door = await FrontDoor(authority, lambda host: Emulated()).start(app)
        ready.append((door.ports.proxy, authority.bundle_file))
        while not stop.is_set():
            await asyncio.sleep(0.05)
        await door.stop(0)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    while not ready:
        time.sleep(0.01)
    try:
        yield ready[0]
    finally:
        stop.set()
        thread.join()


def client(proxy: str, bundle: str) -> httpx.Client:
    context = ssl.create_default_context(cafile=bundle)
    return httpx.Client(proxy=proxy, verify=context, trust_env=False)


def per_second(act: Callable[[int], httpx.Response]) -> float:
    began = time.perf_counter()
    for number in range(CALLS):
        act(number).raise_for_status()
    return CALLS / (time.perf_counter() - began)


def start_up(rounds: int) -> list[str]:
    times, memory = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            with started(Path(folder) / "state") as running:
                # `started` also asks for the environment: that is one more process.
                memory.append(psutil.Process(running.host.pid).memory_info().rss / 2**20)
                times.append(running.seconds_to_ready or time.perf_counter() - began)
    return [
        f"| `rehearse up` to ready, new state folder | {statistics.median(times):.2f} s"
        " | target 3 s |",
        f"| resident memory when ready | {statistics.median(memory):.0f} MiB | target 150 MiB |",
    ]


def arm(running: Rehearsal, rounds: int) -> list[str]:
    env = running.env
    workspace = (
        f"https://management.azure.com/subscriptions/{env['AZURE_SUBSCRIPTION_ID']}/resourceGroups/"
        f"{env['AZURE_RESOURCE_GROUP']}/providers/Microsoft.MachineLearningServices/workspaces/"
        f"{env['AZUREML_WORKSPACE_NAME']}"
    )
    body = {
        "properties": {
            "dataType": "uri_file",
            "dataUri": "azureml://datastores/workspaceblobstore/paths/a.csv",
        }
    }
    headers = {"authorization": f"Bearer {env['MLFLOW_TRACKING_TOKEN']}"}
    ours = client(env["HTTPS_PROXY"], env["SSL_CERT_FILE"])
    url = f"{workspace}/data/bench/versions"
    sample = ours.put(f"{url}/0", json=body, params=API, headers=headers).content
    found: dict[str, list[float]] = {"GET": [], "PUT": [], "null GET": [], "null PUT": []}
    with tempfile.TemporaryDirectory() as folder, null_door(Path(folder), sample) as (port, ca):
        null = client(f"http://127.0.0.1:{port}", str(ca))
        for turn in range(rounds):
            for name, http in (("", ours), ("null ", null)):

                def get(number: int, http: httpx.Client = http) -> httpx.Response:
                    return http.get(f"{url}/0", params=API, headers=headers)

                def put(number: int, http: httpx.Client = http, turn: int = turn) -> httpx.Response:
                    at = f"{url}/{turn * CALLS + number}"
                    return http.put(at, json=body, params=API, headers=headers)

                found[f"{name}GET"].append(per_second(get))
                found[f"{name}PUT"].append(per_second(put))
    rows = []
    for verb in ("GET", "PUT"):
        rate, null_rate = statistics.median(found[verb]), statistics.median(found[f"null {verb}"])
        rows.append(
            f"| ARM {verb} of a data version, one connection | {rate:.0f}/s"
            f" | {rate / null_rate:.2f} of the null server's {null_rate:.0f}/s |"
        )
    return rows


class StaticToken:
    """A credential that never asks."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *scopes: str, **_: Any) -> Any:
        from azure.core.credentials import AccessToken

        return AccessToken(self._token, int(time.time()) + 3600)


def sdk(running: Rehearsal, rounds: int) -> list[str]:
    env = running.env
    os.environ.update(env)
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Data

    made = MLClient(
        StaticToken(env["MLFLOW_TRACKING_TOKEN"]),
        env["AZURE_SUBSCRIPTION_ID"],
        env["AZURE_RESOURCE_GROUP"],
        env["AZUREML_WORKSPACE_NAME"],
    )
    path = "azureml://datastores/workspaceblobstore/paths/a.csv"
    made.data.create_or_update(Data(name="round", version="1", path=path, type="uri_file"))
    http = client(env["HTTPS_PROXY"], env["SSL_CERT_FILE"])
    scope = f"{made.workspaces.get().id}/data/round/versions/1"
    headers = {"authorization": f"Bearer {env['MLFLOW_TRACKING_TOKEN']}"}
    url = f"https://management.azure.com{scope}"
    sample = http.get(url, params=API, headers=headers).content
    times: dict[str, list[float]] = {"ours": [], "null": []}
    with tempfile.TemporaryDirectory() as folder, null_door(Path(folder), sample) as (port, ca):
        places = {
            "ours": (env["HTTPS_PROXY"], env["SSL_CERT_FILE"]),
            "null": (f"http://127.0.0.1:{port}", str(ca)),
        }
        for _ in range(rounds * 40):
            for name, (proxy, bundle) in places.items():
                os.environ.update(HTTPS_PROXY=proxy, https_proxy=proxy, REQUESTS_CA_BUNDLE=bundle)
                began = time.perf_counter()
                made.data.get("round", version="1")
                times[name].append((time.perf_counter() - began) * 1000)
    mine, null = statistics.median(times["ours"]), statistics.median(times["null"])
    return [
        f"| `MLClient.data.get` | {mine:.2f} ms | {mine / null:.2f} of the null server's"
        f" {null:.2f} ms |"
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    rows = start_up(rounds)
    with tempfile.TemporaryDirectory() as folder, started(Path(folder) / "state") as running:
        rows += arm(running, rounds)
        rows += sdk(running, rounds)
    print("| what | here | against |\n| --- | ---: | --- |")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
