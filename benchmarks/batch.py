"""Batch scoring against raw onnxruntime and a bare loop: rows per CPU second, memory, overhead.

    python -m benchmarks.batch [--rows 1000000] [--rounds 3] [--no-host]

Peers and ours take turns in one process, which does what a batch worker does and nothing else; the
figures are of the CPU time of that process, the median of the rounds. The job is a real one on a
host of its own, by plain HTTP.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

FILE_ROWS = 50_000
TREES, DEPTH = 100, 12
CHUNK = 1000
SCRIPT = """
import os
import joblib
import pandas as pd

def init():
    global model
    model = joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model", "model.pkl"))

def run(mini_batch):
    out = []
    for path in mini_batch:
        frame = pd.read_parquet(path)
        out += model.predict(frame).tolist()
    return out
"""


def table(rows: int, seed: int) -> pd.DataFrame:
    """Thirty columns: fourteen of whole numbers, eight of fractions, eight of words."""
    random = np.random.default_rng(seed)
    columns: dict[str, Any] = {f"n{i}": random.integers(0, 60, rows) for i in range(14)}
    columns |= {f"f{i}": random.normal(1000, 300, rows).round(2) for i in range(8)}
    words = ["north", "south", "east", "west"]
    columns |= {f"t{i}": random.choice(words, rows).astype(object) for i in range(8)}
    return pd.DataFrame(columns)


def trained(folder: Path) -> tuple[Path, Path]:
    """An MLflow model of a forest, and the same as ONNX with its proofs."""
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    from emulators.scoring.engine.batch_proof import prove
    from emulators.scoring.engine.convert import convert
    from tests.emulators.scoring.models import save_fitted

    frame = table(6000, 0)
    noise = np.random.default_rng(1).random(6000) < 0.2
    target = (((frame.n0 > 30) & (frame.f1 > 1000)) | (frame.t3 == "east") | noise).astype(int)
    names = [str(name) for name in frame]
    numbers = [name for name in names if not name.startswith("t")]
    texts = [name for name in names if name.startswith("t")]
    encode = ColumnTransformer(
        [("n", SimpleImputer(), numbers), ("t", OneHotEncoder(handle_unknown="ignore"), texts)]
    )
    forest = RandomForestClassifier(TREES, max_depth=DEPTH, random_state=0, n_jobs=1)
    fitted = make_pipeline(encode, forest).fit(frame, target)
    model, onnx = save_fitted(folder / "model", fitted, frame), folder / "onnx"
    assert convert(model, onnx).converted
    (onnx / "batch.json").write_text(json.dumps(prove(model, onnx)))
    return model, onnx


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds that some work takes."""
    began = time.process_time()
    work()
    return time.process_time() - began


def files_of(folder: Path, rows: int) -> dict[str, list[str]]:
    """Files of 50,000 rows each, as CSV and as Parquet."""
    made: dict[str, list[str]] = {"parquet": [], "csv": []}
    for suffix in made:
        (folder / suffix).mkdir()
    for number in range(rows // FILE_ROWS):
        frame = table(FILE_ROWS, number + 1)
        for suffix, names in made.items():
            file = folder / suffix / f"f{number:02}.{suffix}"
            frame.to_csv(file, index=False) if suffix == "csv" else frame.to_parquet(file)
            names.append(str(file))
    return made


def scoring(model: Path, onnx: Path, folder: Path, rows: int, rounds: int) -> list[list[str]]:
    """Rows per CPU second: raw onnxruntime, Parquet, CSV; a script in a bare loop and as ours."""
    from emulators.scoring.engine.inside.batch_onnx import OnnxFiles
    from emulators.scoring.engine.inside.batch_script import BatchScript

    made = files_of(folder, rows)
    ours = OnnxFiles(str(onnx), str(model), strict=True)
    blocks = [columns for _, columns in ours._reader.read(made["parquet"][0])]
    columns = [np.concatenate(parts) for parts in zip(*blocks, strict=True)]
    session, outputs = ours._model._session, ours._model._outputs
    feeds = [
        {name: columns[at][k : k + CHUNK].reshape(-1, 1) for at, name, _ in ours._model._inputs}
        for k in range(0, FILE_ROWS, CHUNK)
    ]

    def raw() -> None:
        for _ in range(rows // FILE_ROWS):
            for feed in feeds:
                session.run(outputs, feed)

    def score(scorer: Any, names: list[str], size: int) -> None:
        for at in range(0, len(names), size):
            with (folder / "out.part").open("wb", buffering=1 << 20) as out:
                scorer.score(names[at : at + size], out)

    (folder / "code").mkdir()
    (folder / "code/score.py").write_text(SCRIPT)
    os.environ["AZUREML_MODEL_DIR"] = str(model.parent)
    script = BatchScript(str(folder / "code"), "score.py", summary=False)
    space: dict[str, Any] = {}
    exec(compile(SCRIPT, "score.py", "exec"), space)
    space["init"]()

    def bare() -> None:
        with (folder / "bare.txt").open("w") as out:
            for name in made["parquet"]:
                out.writelines(f"{value}\n" for value in space["run"]([name]))

    works: dict[str, Callable[[], None]] = {
        "raw onnxruntime, arrays ready": raw,
        "Parquet, no code": lambda: score(ours, made["parquet"], 4),
        "CSV, no code": lambda: score(ours, made["csv"], 4),
        "sklearn in a bare loop": bare,
        "sklearn in a script's run()": lambda: score(script, made["parquet"], 1),
    }
    spent: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            spent[name].append(cpu(work))
    speed = {name: rows / statistics.median(times) for name, times in spent.items()}
    names = list(works)
    peers = {names[1]: names[0], names[2]: names[0], names[4]: names[3]}
    return [
        [name, f"{speed[name]:,.0f}", f"{speed[name] / speed[peers.get(name, name)]:.2f}"]
        for name in names
    ]


def memory(model: Path, onnx: Path, folder: Path, rows: int) -> list[list[str]]:
    """Peak memory of a worker's scoring: one file of all rows against one of 50,000."""
    frame = pd.concat([table(FILE_ROWS, n + 1) for n in range(rows // FILE_ROWS)])
    found = []
    for suffix in ("parquet", "csv"):
        peaks = []
        for name, part in (("small", frame[:FILE_ROWS]), ("large", frame)):
            file = folder / f"{name}.{suffix}"
            part.to_csv(file, index=False) if suffix == "csv" else part.to_parquet(file)
            words = [sys.executable, "-m", "benchmarks.batch", "--peak", str(onnx), str(file)]
            said = subprocess.run(words, capture_output=True, text=True, check=True)
            peaks.append(float(said.stdout.split()[-1]))
        shown = f"{peaks[1]:.0f} MB", f"{peaks[1] / peaks[0]:.2f} of that of 50,000 rows"
        found.append([f"peak memory, {rows:,} rows in one {suffix} file", *shown])
    return found


def peak(onnx: str, file: str) -> None:
    """Score one file and print this process's peak memory in MB."""
    from emulators.scoring.engine.inside.batch_onnx import OnnxFiles

    with tempfile.TemporaryFile() as out:
        OnnxFiles(onnx, "", strict=True).score([file], out)
    lines = Path("/proc/self/status").read_text().splitlines()
    # Not ru_maxrss, which remembers the process that started this one.
    print(next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")))


def main() -> None:
    """Run all parts and print one table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-host", action="store_true", help="leave out the real jobs")
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        peak(*options.peak)
        return
    warnings.simplefilter("ignore")
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    with tempfile.TemporaryDirectory() as given:
        folder = Path(given)
        model, onnx = trained(folder)
        rows = scoring(model, onnx, folder, options.rows, options.rounds)
        rows += memory(model, onnx, folder, options.rows)
        if not options.no_host:
            from benchmarks.batch_jobs import jobs

            rows += jobs(model, folder, options.rows)
    print(f"| {options.rows:,} rows, 30 columns, {TREES} trees | rows per CPU second | ratio |")
    print("| --- | ---: | ---: |")
    for row in rows:
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
