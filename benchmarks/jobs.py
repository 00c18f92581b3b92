"""A job, and a step of a pipeline, against the same script in a bare process.

    python -m benchmarks.jobs [--rounds 5]

The script imports pandas, scikit-learn and MLflow and fits a small model. A job costs what the
service adds (environment, code, data, MLflow run, logs) and saves the imports, which its warm
runner has made; "ready to main" is how long a step waits once all it reads is there.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCRIPT = """
import time
began = time.time()
import pathlib, sys
import mlflow, numpy, pandas
from sklearn.linear_model import LogisticRegression
print("MAIN %.6f" % began)
rows = numpy.random.default_rng(0).normal(size=(500, 4))
model = LogisticRegression().fit(rows, rows[:, 0] > 0)
pathlib.Path(sys.argv[1], "made.txt").write_text(repr(model.coef_))
"""
STEPS = 4
API = {"api-version": "2024-10-01-preview"}


@dataclass
class Site:
    """A host in this process with the script as a code asset."""

    ctx: Any
    ws: Any
    http: Any
    headers: dict[str, str]

    async def put(self, path: str, properties: dict[str, Any]) -> None:
        """PUT a resource of the workspace."""
        url = f"https://management.azure.com{self.ws.arm_id}{path}"
        answer = await self.http.put(
            url, json={"properties": properties}, params=API, headers=self.headers
        )
        assert answer.status_code in (200, 201), answer.text

    async def run(self, name: str, properties: dict[str, Any]) -> float:
        """Seconds from submitting a job until its record shows the end."""
        from emulators.machinelearning.engine.jobs import records
        from emulators.machinelearning.engine.jobs.manager import jobs_of

        began = time.perf_counter()
        await self.put(f"/jobs/{name}", properties)
        await jobs_of(self.ctx).machine.works[self.ws.guid, name].task
        spent = time.perf_counter() - began
        job = records.get(self.ctx, self.ws.guid, name)
        assert job.status == "Completed", job.error
        return spent


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[Site]:
    """Bring a host up with the environment, the code and the component that is measured."""
    from emulators.kernel.host import serve
    from emulators.kernel.settings import Settings
    from emulators.machinelearning.engine import storage_access, workspaces

    state = folder / "state"
    settings = Settings(state=state, proxy_port=0, explicit_port=0, runtime="host")
    async with serve(settings) as up:
        ctx = up.ctx
        ws = workspaces.get(ctx, ctx.secrets.subscription_id, "rehearsal", "rehearsal")
        async with ctx.peers.client(600) as http:
            token = ctx.tokens.issue("https://management.azure.com")
            made = Site(ctx, ws, http, {"authorization": f"Bearer {token}"})
            await made.put("/environments/plain/versions/1", {"image": "python:3.11"})
            await storage_access.ensure_container(ctx, ws.storage_account, "code")
            where = storage_access.DatastorePath(ws.storage_account, "code", "code")
            await storage_access.upload(ctx, folder / "code", where)
            await made.put("/codes/c/versions/1", {"codeUri": where.url})
            await made.put("/components/step/versions/1", {"componentSpec": _component(ws)})
            yield made


def _component(ws: Any) -> dict[str, Any]:
    return {
        "type": "command",
        "command": "python main.py ${{outputs.out}}",
        "code": f"azureml:{ws.arm_id}/codes/c/versions/1",
        "environment": f"azureml:{ws.arm_id}/environments/plain/versions/1",
        "inputs": {"before": {"type": "uri_folder", "optional": True}},
        "outputs": {"out": {"type": "uri_folder"}},
    }


def _job(ws: Any) -> dict[str, Any]:
    return {
        "jobType": "Command",
        "command": "python main.py ${{outputs.out}}",
        "codeId": f"{ws.arm_id}/codes/c/versions/1",
        "environmentId": f"{ws.arm_id}/environments/plain/versions/1",
        "outputs": {"out": {"jobOutputType": "uri_folder"}},
    }


def _pipeline(ws: Any) -> dict[str, Any]:
    """Steps in a row, each waiting for the one before."""
    steps: dict[str, Any] = {}
    for n in range(STEPS):
        steps[f"s{n}"] = {"componentId": f"{ws.arm_id}/components/step/versions/1"}
        if n:
            source = f"${{{{parent.jobs.s{n - 1}.outputs.out}}}}"
            steps[f"s{n}"]["inputs"] = {"before": {"job_input_type": "literal", "value": source}}
    return {"jobType": "Pipeline", "jobs": steps}


def _waits(folder: Path, name: str) -> list[float]:
    """Seconds that each step but the first waited from being ready to its first line."""
    (log,) = folder.glob(f"state/jobs/*/{name}/logs/azureml/executionlogs.txt")
    waits = []
    for stamp, step in re.findall(r"\[(.*?)\] Step \w+ started as (\S+)", log.read_text()):
        ready = datetime.datetime.fromisoformat(stamp).timestamp()
        said = (log.parents[3] / step / "user_logs" / "std_log.txt").read_text()
        found = re.search(r"MAIN ([\d.]+)", said)
        assert found is not None, said
        waits.append(float(found[1]) - ready)
    return waits[1:]


async def bare(folder: Path, out: Path) -> float:
    """Seconds that the script takes as a process of its own."""
    out.mkdir()
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "ignore", str(folder / "code" / "main.py"), str(out)),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=asyncio.subprocess.DEVNULL,
    )
    assert await process.wait() == 0
    return time.perf_counter() - began


async def main(rounds: int) -> None:
    """Measure interleaved, so that a busy machine is busy for both."""
    times: dict[str, list[float]] = {"bare": [], "job": [], "step": [], "wait": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "code").mkdir()
        (folder / "code" / "main.py").write_text(SCRIPT)
        async with site(folder) as at:
            first = await at.run("first", _job(at.ws))  # also makes the warm runner
            for n in range(rounds):
                times["bare"].append(await bare(folder, folder / f"bare{n}"))
                times["job"].append(await at.run(f"job{n}", _job(at.ws)))
                whole = await at.run(f"pipeline{n}", _pipeline(at.ws))
                times["step"].append(whole / STEPS)
                times["wait"] += _waits(folder, f"pipeline{n}")
    middle = {what: statistics.median(found) for what, found in times.items()}
    print("| what | seconds, median | of a bare process |")
    print("|---|---:|---:|")
    rows = {
        "the script in a bare process": middle["bare"],
        "a command job, submitted to Completed": middle["job"],
        f"a step of a pipeline of {STEPS}, all its cost": middle["step"],
        "a step from ready to its first line": middle["wait"],
        "the very first job, MLflow and warm runner made for it": first,
    }
    for what, seconds in rows.items():
        print(f"| {what} | {seconds:.3f} | {seconds / middle['bare']:.2f} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    asyncio.run(main(parser.parse_args().rounds))
