"""Parallel steps of pipelines by the unmodified client: files through run(), rows and own files."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.emulators.machinelearning.desk import Desk
from tests.running import Rehearsal

SCRIPT = """
import argparse, os, pathlib, sys

def init():
    global args
    parser = argparse.ArgumentParser()
    parser.add_argument("--factor", type=int)
    parser.add_argument("--word")
    parser.add_argument("--made", type=pathlib.Path)
    args, _ = parser.parse_known_args()
    print("word is", args.word, os.environ["ASKED"])

def run(mini_batch):
    rows = []
    for path in map(pathlib.Path, mini_batch):
        number = int(path.read_text())
        if number == 13:
            raise ValueError("13 is bad")
        (args.made / path.name).write_text(str(len(mini_batch)))
        rows.append("%s %d" % (path.stem, args.factor * number))
    return rows
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "code/sub").mkdir(parents=True)
    (tmp_path / "code/sub/entry.py").write_text(textwrap.dedent(SCRIPT))
    (tmp_path / "data/deep").mkdir(parents=True)
    for n in range(7):
        (tmp_path / f"data/n{n}.txt").write_text(str(n))
    (tmp_path / "data/deep/n9.txt").write_text("9")
    return tmp_path


def submit(client: Any, environment: str, folder: Path, **more: Any) -> Any:
    """A pipeline of one parallel step over the folder `data`."""
    from azure.ai.ml import Input, Output, dsl
    from azure.ai.ml.parallel import RunFunction, parallel_run_function

    arguments = (
        "--factor ${{inputs.factor}} --word ${{inputs.word}} --made ${{outputs.made}}"
        + more.pop("arguments", "")
    )
    given = {
        "instance_count": 2,
        "max_concurrency_per_instance": 1,
        "mini_batch_size": "3",
        "retry_settings": {"max_retries": 0, "timeout": 30},
        **more,
    }
    step: Any = parallel_run_function(
        name="spread",
        inputs={
            "data": Input(type="uri_folder"),
            "factor": Input(type="integer", default=3),
            "word": Input(type="string", default="two words"),
        },
        outputs={"rows": Output(type="uri_file"), "made": Output(type="uri_folder")},
        input_data="${{inputs.data}}",
        environment_variables={"ASKED": "yes"},
        task=RunFunction(
            code=str(folder / "code"),
            entry_script="sub/entry.py",
            environment=f"azureml:{environment}",
            program_arguments=arguments,
            append_row_to="${{outputs.rows}}",
        ),
        **given,
    )

    dsl_pipeline: Any = dsl.pipeline

    @dsl_pipeline(default_compute="serverless")
    def pipeline(data):  # type: ignore[no-untyped-def]
        spread: Any = step(data=data)
        return {"rows": spread.outputs.rows, "made": spread.outputs.made}

    return client.jobs.create_or_update(
        pipeline(Input(type="uri_folder", path=str(folder / "data"))), experiment_name="parallel"
    )


def test_every_file_is_processed_once(
    ml_client: Any, plain: str, rehearsal: Rehearsal, folder: Path
) -> None:
    desk = Desk(ml_client, plain, folder)
    job = submit(ml_client, plain, folder)
    assert desk.wait(job).status == "Completed", desk.log(job, rehearsal)
    ml_client.jobs.download(job.name, download_path=str(folder / "out"), all=True)
    (rows,) = [p for p in (folder / "out").rglob("rows*") if p.is_file()]
    numbers = [*range(7), 9]
    assert sorted(rows.read_text().splitlines()) == [f"n{n} {3 * n}" for n in numbers]
    made = {p.name: p.read_text() for p in (folder / "out").rglob("made/n*.txt")}
    assert made.keys() == {f"n{n}.txt" for n in numbers}
    assert set(made.values()) == {"3", "2"}
    (child,) = ml_client.jobs.list(parent_job_name=job.name)
    user = rehearsal.state / "jobs"
    said = next(user.glob(f"*/{child.name}/logs/user/stdout/*/*.stdout.txt")).read_text()
    assert "word is two words yes" in said


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({}, "Completed"),
        ({"mini_batch_error_threshold": 0}, "Failed"),
        ({"error_threshold": 2}, "Failed"),
        ({"arguments": " --error_threshold 2"}, "Failed"),
        ({"error_threshold": 3}, "Completed"),
    ],
)
def test_failures_up_to_the_thresholds(
    ml_client: Any,
    plain: str,
    rehearsal: Rehearsal,
    folder: Path,
    more: dict[str, Any],
    status: str,
) -> None:
    (folder / "data/n1.txt").write_text("13")
    desk = Desk(ml_client, plain, folder)
    job = submit(ml_client, plain, folder, **more)
    assert desk.wait(job).status == status, desk.log(job, rehearsal)
    if status == "Failed":
        (child,) = ml_client.jobs.list(parent_job_name=job.name)
        log = desk.log(child, rehearsal)
        assert "13 is bad" in log
        assert "exceeds the" in log


def test_what_is_not_done_is_refused_by_name(ml_client: Any, plain: str, folder: Path) -> None:
    from azure.core.exceptions import HttpResponseError

    with pytest.raises(HttpResponseError, match="partition_keys"):
        submit(ml_client, plain, folder, partition_keys=["store"])
    with pytest.raises(HttpResponseError, match="allowed_failed_percent"):
        submit(ml_client, plain, folder, arguments=" --allowed_failed_percent 10")
