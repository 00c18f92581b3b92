"""How soon a job's first line runs: forked from a warm runner, and as a process from nothing."""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path

from emulators.machinelearning.engine.runtime.runtimes import Definition, Launch, Runtimes

SCRIPT = """
import time
began = time.time()
import mlflow, sklearn, pandas
import os
with open(os.environ["AZUREML_RUN_OUT"], "w") as out:
    out.write("%r %r" % (began, time.time()))
"""


async def once(runtimes: Runtimes, code: Path, out: Path) -> tuple[float, float]:
    """Run the script; return seconds until its first line and until its imports are done."""
    import os

    prepared = await runtimes.prepare(Definition(runtime="host"))
    env = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "AZUREML_RUN_OUT": str(out)}
    asked = time.time()
    launch = Launch("python train.py", code, env, out.with_suffix(".log"))
    running = await runtimes.start(prepared, launch, code)
    outcome = await running.wait()
    assert outcome.ok, outcome.last_lines
    first, imported = map(float, out.read_text().split())
    return first - asked, imported - asked


async def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        code = folder / "code"
        code.mkdir()
        (code / "train.py").write_text(SCRIPT)
        warm = Runtimes(folder, folder / "run")
        cold = Runtimes(folder, folder / "run", cold=True)
        began = time.time()
        await once(warm, code, folder / "first")  # makes the runner
        first_of_all = time.time() - began
        times: dict[str, list[tuple[float, float]]] = {"warm": [], "cold": []}
        for n in range(rounds):  # interleaved, so that a busy machine is busy for both
            times["cold"].append(await once(cold, code, folder / f"cold{n}"))
            times["warm"].append(await once(warm, code, folder / f"warm{n}"))
        await warm.close()
        await cold.close()
    result = {"first job, runner made for it, s": first_of_all}
    for kind, pairs in times.items():
        result[f"{kind}: to main, s"] = statistics.median(pair[0] for pair in pairs)
        result[f"{kind}: to imports done, s"] = statistics.median(pair[1] for pair in pairs)
    ratio = result["cold: to imports done, s"] / result["warm: to imports done, s"]
    print(json.dumps({**result, "cold/warm": ratio}, indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    asyncio.run(main(parser.parse_args().rounds))
