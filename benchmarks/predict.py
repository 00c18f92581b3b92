"""PREDICT over rows of 24 numbers and 6 texts, as processor time of raw onnxruntime and sklearn.

    python -m benchmarks.predict [--rows 150000] [--rounds 3]

Raw is one thread over arrays that are ready, in the same slices. A ratio of 1.0 means that PREDICT,
which reads its rows from the table and types them, needs no more processor time than that; a ratio
above 1 over sklearn means so many times less. Each round runs all four, one after the other.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from emulators.warehouse.engine.predict.scoring import SLICE
from emulators.warehouse.engine.tsql.session import SqlSession
from tests.emulators.warehouse import onnx_models
from tests.emulators.warehouse.engine_session import opened, run

FROM = (
    "FROM PREDICT(MODEL = (SELECT body FROM models), DATA = dbo.facts AS d, RUNTIME = ONNX)"
    " WITH (chance real) AS p"
)


def facts(rows: int) -> Any:
    """Random rows; each text column has twelve texts, such as names of posts and of fields."""
    import numpy as np

    frame = onnx_models.table(rows, seed=1, numbers=24, texts=0)
    draw = np.random.default_rng(2)
    words = ["red", "Sales", "Research", "Human Resources", "Laboratory Technician", "Travel often"]
    for at in range(6):
        names = [f"{word} {at}{more}".strip("0") for word in words for more in ("", " II")]
        frame[f"s{at}"] = draw.choice(names, rows)
    return frame


def processor(work: Callable[[], Any]) -> tuple[float, float]:
    """Processor seconds of all threads, and seconds by the clock."""
    clock, begun = time.perf_counter(), time.process_time()
    work()
    return time.process_time() - begun, time.perf_counter() - clock


def raw(content: bytes, frame: Any) -> Callable[[], Any]:
    """The model over arrays that are ready, on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    model = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    arrays = {
        name: frame[[name]].to_numpy()
        if name.startswith("n")
        else frame[[name]].to_numpy().astype(object)
        for name in frame
    }

    def work() -> None:
        for at in range(0, len(frame), SLICE):
            model.run(["chance"], {name: all[at : at + SLICE] for name, all in arrays.items()})

    return work


def filled(session: SqlSession, frame: Any, content: bytes) -> None:
    """The rows in a table of the warehouse, and the model in another."""
    columns = ", ".join(
        f"{name} {'real' if name.startswith('n') else 'nvarchar(40)'}" for name in frame
    )
    run(session, "IF OBJECT_ID('dbo.models') IS NOT NULL DROP TABLE models")
    run(
        session,
        f"CREATE TABLE models (body varbinary(max))\nINSERT INTO models VALUES (0x{content.hex()})",
    )
    if run(session, "SELECT OBJECT_ID('dbo.facts')") == ["| NULL |"]:
        run(session, f"CREATE TABLE dbo.facts ({columns})")
        session.con.register("given", frame)
        session.con.execute('INSERT INTO "dbo"."facts" SELECT * FROM given')
        session.con.unregister("given")


def read(session: SqlSession, rows: int) -> None:
    """Score every row and read what comes."""
    counted = 0
    for answer in session.batch(f"SELECT d.n0, p.chance {FROM}"):
        for batch in getattr(answer, "batches", ()):
            counted += batch.num_rows
    assert counted == rows, counted


def kept(session: SqlSession) -> None:
    """Score every row into a new table."""
    asked = f"CREATE TABLE kept WITH (HEAP) AS SELECT d.*, p.chance {FROM}"
    told = run(session, f"{asked}\nDROP TABLE kept")
    assert [line.partition(" ")[0] for line in told] == ["count"], told


def measured(session: SqlSession, title: str, estimator: Any, frame: Any, rounds: int) -> str:
    """One line of the table: medians over the rounds."""
    sample = frame[:4000]
    pipeline = onnx_models.trained(sample, estimator)
    content = onnx_models.converted(pipeline, sample)
    filled(session, frame, content)
    works: list[Callable[[], Any]] = [
        raw(content, frame),
        lambda: read(session, len(frame)),
        lambda: kept(session),
        lambda: pipeline.predict_proba(frame),
    ]
    works[1]()  # the model is loaded and the code is warm
    taken = [[processor(work) for work in works] for _ in range(rounds)]
    of_raw = statistics.median(one[0][0] / one[1][0] for one in taken)
    of_ctas = statistics.median(one[0][0] / one[2][0] for one in taken)
    of_sklearn = statistics.median(one[3][0] / one[1][0] for one in taken)
    speed = statistics.median(len(frame) / one[1][1] for one in taken)
    return f"| {title} | {of_raw:.2f} | {of_ctas:.2f} | {of_sklearn:.1f} | {speed:,.0f} |"


def main() -> None:
    from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier

    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=150_000)
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    frame = facts(given.rows)
    models = (
        ("gradient boosting, 100 trees of depth 3", GradientBoostingClassifier(n_estimators=100)),
        ("forest, 100 trees of depth 8", RandomForestClassifier(100, max_depth=8)),
    )
    print(f"| {given.rows:,} rows x 30 columns | rows read: of raw | CTAS: of raw", end="")
    print(" | rows read: times sklearn | rows/s |\n| --- | --- | --- | --- | --- |", flush=True)
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder)) as place:
        session = place.login()
        for title, estimator in models:
            print(measured(session, title, estimator, frame, given.rounds), flush=True)
        session.close()


if __name__ == "__main__":
    main()
