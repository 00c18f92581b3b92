"""Scoring against the real inference server and a bare event loop: ratios from interleaved runs.

    python -m benchmarks.scoring [--seconds 3] [--rounds 3]

Five servers run side by side and are loaded in turn, round after round, so that whatever else the
machine does falls on all of them: an ASGI echo on uvicorn (the ceiling), and an echo script and one
model served by the real inference server and by this one. The model is the same ONNX file on both
sides: a scoring script with an onnxruntime session there, no code here.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.emulators.scoring.servers import REAL, free_port
from tests.peers import peer_environment

CONNECTIONS = (1, 32)
ECHO = "def init():\n    pass\n\n\ndef run(data):\n    return data\n"
BARE = """
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
"""
ONNX_SCRIPT = """
import json, os
import numpy as np
import onnxruntime as ort


def init():
    global session, types, dtypes
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    path = os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.onnx")
    session = ort.InferenceSession(path, options)
    kinds = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(string)": "str"}
    dtypes = {i.name: kinds[i.type] for i in session.get_inputs()}


def run(data):
    table = json.loads(data)["input_data"]
    columns = dict(zip(table["columns"], zip(*table["data"])))
    feeds = {n: np.array(columns[n], dtype=t).reshape(-1, 1) for n, t in dtypes.items()}
    return session.run(None, feeds)[0].tolist()
"""
LUA = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = io.open(os.getenv("BODY")):read("*a")
done = function(summary, latency, requests)
  local errors = summary.errors.connect + summary.errors.read + summary.errors.write
  errors = errors + summary.errors.status + summary.errors.timeout
  io.write(string.format("RESULT %d %d %d %d %d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), errors))
end
"""


@dataclass
class Server:
    """One server under load."""

    name: str
    url: str
    body: Path
    process: subprocess.Popen[bytes]


@dataclass(frozen=True)
class Point:
    """One measurement: requests a second, latencies in ms, failed requests."""

    rps: float
    p50: float
    p99: float
    errors: int


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.scoring")
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="bench-", dir="/tmp") as folder,
        _servers(Path(folder)) as servers,
    ):
        points = _measure(servers, options.rounds, options.seconds, Path(folder))
    table = _table(points)
    sys.stdout.write(json.dumps(table, indent=1) if options.json else _printed(table))


@contextlib.contextmanager
def _servers(folder: Path) -> Iterator[list[Server]]:
    model, onnx = _model(folder)
    (folder / "echo.py").write_text(ECHO)
    (folder / "bare.py").write_text(BARE)
    (folder / "onnx_score.py").write_text(ONNX_SCRIPT)
    echo = folder / "echo.json"
    echo.write_text('{"input_data": {"columns": ["a", "b"], "data": [[1, 2.5], [3, 4.5]]}}')
    row = folder / "row.json"
    real = peer_environment("inference-server-onnx", [*REAL, "onnxruntime"])
    here = [sys.executable, "-m"]
    ours = [*here, "emulators.scoring", "serve", "--log", str(folder / "ours.log")]
    theirs = [str(real.parent / "azmlinfsrv"), "--model_dir", str(onnx), "--entry_script"]
    commands = {
        "bare uvicorn echo": ([*here, "uvicorn", "bare:app", "--log-level", "warning"], echo),
        "real server, echo": ([*theirs, str(folder / "echo.py")], echo),
        "ours, echo": ([*ours, "--entry-script", str(folder / "echo.py")], echo),
        "real server, ONNX": ([*theirs, str(folder / "onnx_score.py")], row),
        "ours, ONNX without code": (
            [*ours, "--mlflow-model", str(model), "--onnx", str(onnx)],
            row,
        ),
    }
    with contextlib.ExitStack() as stack:
        servers = [
            stack.enter_context(_server(name, command, body, folder))
            for name, (command, body) in commands.items()
        ]
        for server in servers:
            _ready(server)
        yield servers


@contextlib.contextmanager
def _server(name: str, command: list[str], body: Path, folder: Path) -> Iterator[Server]:
    port = free_port()
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(Path.cwd())])}
    env["AML_APP_ROOT"] = str(folder)
    with (folder / "servers.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            env=env,
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield Server(name, f"http://127.0.0.1:{port}/score", body, process)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)


def _ready(server: Server) -> None:
    end = time.monotonic() + 90
    while True:
        with contextlib.suppress(httpx.TransportError):
            answer = httpx.post(
                server.url,
                content=server.body.read_bytes(),
                headers={"content-type": "application/json"},
            )
            answer.raise_for_status()
            return
        if time.monotonic() > end:
            raise SystemExit(f"{server.name} does not answer")
        time.sleep(0.1)


def _model(folder: Path) -> tuple[Path, Path]:
    """A pipeline of imputers, one-hot columns and a forest on 30 columns; and its ONNX form."""
    import mlflow
    import numpy as np
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    from emulators.scoring.engine.convert import convert

    random = np.random.default_rng(7)
    numbers = {f"number_{i}": random.normal(10 * i, 3, 1500).round(2) for i in range(23)}
    texts = {f"text_{i}": random.choice(["low", "mid", "high"], 1500) for i in range(7)}
    frame = pd.DataFrame(numbers | {k: v.astype(object) for k, v in texts.items()})
    target = ((frame.number_3 > 30) & (frame.text_1 == "low")).astype(int)
    columns = ColumnTransformer(
        [
            ("numbers", SimpleImputer(strategy="median"), list(numbers)),
            ("texts", OneHotEncoder(handle_unknown="ignore"), list(texts)),
        ]
    )
    forest = RandomForestClassifier(100, max_depth=10, random_state=0)
    fitted = make_pipeline(columns, forest).fit(frame, target)
    mlflow.sklearn.save_model(
        fitted,
        folder / "model",
        signature=mlflow.models.infer_signature(frame, fitted.predict(frame)),
        input_example=frame.head(2),
        pip_requirements=["scikit-learn"],
        serialization_format="cloudpickle",
    )
    outcome = convert(folder / "model", folder / "onnx")
    if not outcome.converted:
        raise SystemExit(f"the model was not converted: {outcome.reason}")
    one = {"columns": list(frame), "data": json.loads(frame.head(1).to_json(orient="values"))}
    (folder / "row.json").write_text(json.dumps({"input_data": one}))
    return folder / "model", folder / "onnx"


def _measure(
    servers: list[Server], rounds: int, seconds: float, folder: Path
) -> dict[str, dict[int, list[Point]]]:
    (folder / "post.lua").write_text(LUA)
    points: dict[str, dict[int, list[Point]]] = {
        server.name: {count: [] for count in CONNECTIONS} for server in servers
    }
    for server in servers:
        _load(server, 8, 1, folder)
    for _ in range(rounds):
        for count in CONNECTIONS:
            for server in servers:
                points[server.name][count].append(_load(server, count, seconds, folder))
    return points


def _load(server: Server, connections: int, seconds: float, folder: Path) -> Point:
    if shutil.which("wrk") is None:
        return asyncio.run(_load_slowly(server, connections, seconds))
    script = folder / "post.lua"
    done = subprocess.run(
        [
            *f"wrk -t1 -c{connections} -d{max(1, round(seconds))}s -s".split(),
            str(script),
            server.url,
        ],
        env={**os.environ, "BODY": str(server.body)},
        capture_output=True,
        text=True,
        check=True,
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    requests, micros, p50, p99, errors = map(int, line.split()[1:])
    return Point(requests / micros * 1e6, p50 / 1000, p99 / 1000, errors)


async def _load_slowly(server: Server, connections: int, seconds: float) -> Point:
    """Without wrk: closed-loop clients on raw asyncio streams (they cost as much as a server)."""
    host, port = server.url.split("/")[2].split(":")
    body = server.body.read_bytes()
    head = f"POST /score HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
    request = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
    took: list[float] = []
    end = time.perf_counter() + seconds

    async def client() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        while (began := time.perf_counter()) < end:
            writer.write(request)
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(answer.split(b"content-length:")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            took.append(time.perf_counter() - began)
            if b"connection: close" in answer:
                writer.close()
                reader, writer = await asyncio.open_connection(host, int(port))
        writer.close()

    await asyncio.gather(*(client() for _ in range(connections)))
    took.sort()
    return Point(
        len(took) / seconds, took[len(took) // 2] * 1000, took[int(len(took) * 0.99)] * 1000, 0
    )


def _table(points: dict[str, dict[int, list[Point]]]) -> list[dict[str, Any]]:
    rows = []
    for name, by_count in points.items():
        row: dict[str, Any] = {"server": name}
        for count, measured in by_count.items():
            row[f"rps_{count}"] = round(statistics.median(p.rps for p in measured))
            row[f"p50_ms_{count}"] = round(statistics.median(p.p50 for p in measured), 2)
            row[f"p99_ms_{count}"] = round(statistics.median(p.p99 for p in measured), 1)
            row["errors"] = row.get("errors", 0) + sum(p.errors for p in measured)
        rows.append(row)

    def ratio(one: str, other: str) -> float:
        pairs = zip(points[one][32], points[other][32], strict=True)
        return round(statistics.median(a.rps / b.rps for a, b in pairs), 2)

    bare = "bare uvicorn echo"
    rows.append(
        {
            "echo: ours / real at 32": ratio("ours, echo", "real server, echo"),
            "ONNX: ours / real at 32": ratio("ours, ONNX without code", "real server, ONNX"),
            "echo: ours / bare at 32": ratio("ours, echo", bare),
            "ONNX: ours / bare at 32": ratio("ours, ONNX without code", bare),
        }
    )
    return rows


def _printed(table: list[dict[str, Any]]) -> str:
    *rows, ratios = table
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    lines += ["| " + " | ".join(str(row[name]) for name in names) + " |" for row in rows]
    lines += ["", *(f"{name}: x{value}" for name, value in ratios.items())]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
