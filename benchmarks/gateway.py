"""What the gateway costs: ratios of requests a second, from one interleaved run.

    python -m benchmarks.gateway [--seconds 3] [--rounds 3]

The same script and the same model, served by the standalone server over plain HTTP and by an
online endpoint: front door, TLS, credential, traffic, worker, ledger. A bare echo behind the same
front door says what TLS and HTTP alone cost there. The load comes by the explicit door with the
endpoint's host name: wrk cannot ask a proxy, and only a connection's first bytes differ.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import uvloop

from benchmarks import scoring
from benchmarks.scoring import CONNECTIONS, Point
from tests.running import Rehearsal, started

ENDPOINT = "bench"
LUA = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = os.getenv("AUTHORIZATION")
wrk.headers["azureml-model-deployment"] = os.getenv("DEPLOYMENT")
wrk.headers["Host"] = os.getenv("HOST")
wrk.body = io.open(os.getenv("BODY")):read("*a")
done = function(summary, latency, requests)
  local errors = summary.errors.connect + summary.errors.read + summary.errors.write
  errors = errors + summary.errors.status + summary.errors.timeout
  io.write(string.format("RESULT %d %d %d %d %d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), errors))
end
"""
Points = dict[str, dict[int, list["Measured"]]]


@dataclass(frozen=True)
class Target:
    """One server under load."""

    url: str
    variables: dict[str, str]  # what the load script reads
    pid: int  # of the process that speaks HTTP; its workers are others


@dataclass(frozen=True)
class Measured:
    """One measurement, and the CPU time that HTTP and the way to the worker took in it."""

    point: Point
    cpu_us: float  # a request


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.gateway")
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--bare-door", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare_door:
        uvloop.run(_bare_door(options.bare_door))
        return
    with tempfile.TemporaryDirectory(prefix="bench-", dir="/tmp") as name:
        folder = Path(name)
        with _targets(folder) as targets:
            points = _measured(targets, options.rounds, options.seconds, folder)
    table = _table(points)
    sys.stdout.write(json.dumps(table, indent=1) if options.json else _printed(table))


async def _bare_door(folder: Path) -> None:
    """An echo behind a front door of its own, until the process is ended."""
    from emulators.kernel.door import FrontDoor
    from emulators.kernel.tls import open_authority
    from emulators.kernel.verdicts import Tunnel

    spaces: dict[str, Any] = {}
    exec(compile(scoring.BARE, "bare.py", "exec"), spaces)
    door = FrontDoor(open_authority(folder / "tls"), lambda host: Tunnel())
    opened = await door.start(spaces["app"])
    sys.stdout.write(f"{opened.ports.explicit}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


@contextlib.contextmanager
def _targets(folder: Path) -> Iterator[dict[str, Target]]:
    model, onnx = scoring._model(folder)
    (folder / "code").mkdir()
    (folder / "code/echo.py").write_text(scoring.ECHO)
    echo, row = folder / "echo.json", folder / "row.json"
    echo.write_text('{"input_data": {"columns": ["a", "b"], "data": [[1, 2.5], [3, 4.5]]}}')
    serve = [sys.executable, "-m", "emulators.scoring", "serve", "--log", str(folder / "own.log")]
    commands = {
        "echo": ([*serve, "--entry-script", str(folder / "code/echo.py")], echo),
        "ONNX": ([*serve, "--mlflow-model", str(model), "--onnx", str(onnx)], row),
    }
    with contextlib.ExitStack() as stack:
        found: dict[str, Target] = {"front door, bare echo": _door(stack, folder, echo)}
        os.environ["REHEARSAL_MLFLOW"] = "false"  # its start would take a core for a while
        host = stack.enter_context(started(folder / "state", "--runtime", "host"))
        key = _deploy(host, folder, model)
        for name, (command, body) in commands.items():
            server = stack.enter_context(scoring._server(name, command, body, folder))
            scoring._ready(server)
            own = Target(server.url, {"BODY": str(body)}, server.process.pid)
            found[f"standalone, {name}"] = own
            variables = {
                "BODY": str(body),
                "AUTHORIZATION": f"Bearer {key}",
                "DEPLOYMENT": name.lower(),
                "HOST": f"{ENDPOINT}.eastus.inference.ml.azure.com",
            }
            url = f"https://localhost:{host.host.explicit}/score"
            found[f"gateway, {name}"] = Target(url, variables, host.host.pid)
        yield found


def _door(stack: contextlib.ExitStack, folder: Path, body: Path) -> Target:
    (folder / "door").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.gateway", "--bare-door", str(folder / "door")],
        stdout=subprocess.PIPE,
        text=True,
    )
    stack.callback(process.wait)
    stack.callback(process.kill)
    assert process.stdout is not None
    port = process.stdout.readline().strip()
    return Target(f"https://localhost:{port}/", {"BODY": str(body)}, process.pid)


def _deploy(host: Rehearsal, folder: Path, model: Path) -> str:
    """An endpoint with deployments `echo` and `onnx`; its key."""
    os.environ.update(host.env)
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import (
        CodeConfiguration,
        Environment,
        ManagedOnlineDeployment,
        ManagedOnlineEndpoint,
        Model,
        OnlineRequestSettings,
    )
    from azure.identity import EnvironmentCredential

    env = host.env
    client = MLClient(
        EnvironmentCredential(),
        env["AZURE_SUBSCRIPTION_ID"],
        env["AZURE_RESOURCE_GROUP"],
        env["AZUREML_WORKSPACE_NAME"],
    )
    client.online_endpoints.begin_create_or_update(
        ManagedOnlineEndpoint(name=ENDPOINT, auth_mode="key")
    ).result()
    (folder / "conda.yml").write_text("name: bare\ndependencies:\n- python=3.11\n")
    given: dict[str, dict[str, Any]] = {
        "echo": {
            "code_configuration": CodeConfiguration(
                code=str(folder / "code"), scoring_script="echo.py"
            ),
            "environment": Environment(
                name="bare", image="none", conda_file=str(folder / "conda.yml")
            ),
        },
        "onnx": {"model": Model(name="bench", path=str(model), type="mlflow_model")},
    }
    for name, content in given.items():
        client.online_deployments.begin_create_or_update(
            ManagedOnlineDeployment(
                name=name,
                endpoint_name=ENDPOINT,
                instance_type="Standard_DS3_v2",
                instance_count=1,
                request_settings=OnlineRequestSettings(max_concurrent_requests_per_instance=100),
                **content,
            )
        ).result()
    log = client.online_deployments.get_logs("onnx", ENDPOINT, lines=100)
    if "served as ONNX" not in log:
        raise SystemExit(f"the model was not converted:\n{log}")
    key: str = client.online_endpoints.get_keys(ENDPOINT).primary_key
    return key


def _measured(targets: dict[str, Target], rounds: int, seconds: float, folder: Path) -> Points:
    (folder / "load.lua").write_text(LUA)
    points: Points = {name: {count: [] for count in CONNECTIONS} for name in targets}
    for target in targets.values():
        _check(target)
        _load(target, 8, 1, folder)
    for _ in range(rounds):
        for count in CONNECTIONS:
            for name, target in targets.items():
                points[name][count].append(_load(target, count, seconds, folder))
    return points


def _check(target: Target) -> None:
    variables = target.variables
    headers = {"content-type": "application/json"}
    if "HOST" in variables:
        headers |= {
            "host": variables["HOST"],
            "authorization": variables["AUTHORIZATION"],
            "azureml-model-deployment": variables["DEPLOYMENT"],
        }
    body = Path(variables["BODY"]).read_bytes()
    answer = httpx.post(target.url, content=body, headers=headers, verify=False, trust_env=False)
    answer.raise_for_status()


def _load(target: Target, connections: int, seconds: float, folder: Path) -> Measured:
    """One closed loop of wrk; it is the only load client cheap enough, so it must be there."""
    process = psutil.Process(target.pid)
    before = process.cpu_times()
    command = f"wrk -t1 -c{connections} -d{max(1, round(seconds))}s -s".split()
    done = subprocess.run(
        [*command, str(folder / "load.lua"), target.url],
        env={**os.environ, **target.variables},
        capture_output=True,
        text=True,
        check=True,
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    requests, micros, p50, p99, errors = map(int, line.split()[1:])
    after = process.cpu_times()
    used_s = after.user + after.system - before.user - before.system
    point = Point(requests / micros * 1e6, p50 / 1000, p99 / 1000, errors)
    return Measured(point, used_s / max(1, requests) * 1e6)


def _table(points: Points) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for name, by_count in points.items():
        row: dict[str, Any] = {"server": name}
        for count, measured in by_count.items():
            row[f"rps_{count}"] = round(statistics.median(m.point.rps for m in measured))
            row[f"p50_ms_{count}"] = round(statistics.median(m.point.p50 for m in measured), 2)
            row[f"cpu_us_{count}"] = round(statistics.median(m.cpu_us for m in measured))
            row["errors"] = row.get("errors", 0) + sum(m.point.errors for m in measured)
        rows.append(row)
    ratios: dict[str, Any] = {}
    for count in CONNECTIONS:
        for one, other in (
            ("gateway, echo", "standalone, echo"),
            ("gateway, ONNX", "standalone, ONNX"),
            ("gateway, echo", "front door, bare echo"),
        ):
            pairs = list(zip(points[one][count], points[other][count], strict=True))
            ratio = statistics.median(a.point.rps / b.point.rps for a, b in pairs)
            ratios[f"{one} / {other} at {count}"] = round(ratio, 2)
            more = statistics.median(a.cpu_us - b.cpu_us for a, b in pairs)
            ratios[f"{one} - {other} at {count}, CPU us"] = round(more)
    rows.append(ratios)
    return rows


def _printed(table: list[dict[str, Any]]) -> str:
    *rows, ratios = table
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    lines += ["| " + " | ".join(str(row[name]) for name in names) + " |" for row in rows]
    lines += ["", *(f"{name}: {value}" for name, value in ratios.items())]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
