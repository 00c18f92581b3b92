"""Jobs by the unmodified azure-ai-ml: they run the user's code, and every end is told truly."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.emulators.machinelearning.desk import LOG_METRIC, Desk
from tests.running import Rehearsal


def test_a_command_gets_data_writes_outputs_and_is_downloaded(
    desk: Desk, tmp_path: Path, rehearsal: Rehearsal
) -> None:
    from azure.ai.ml import Input, Output

    table = tmp_path / "table.csv"
    table.write_text("a,b\n1,2\n")
    job = desk.submit(
        """
        import os, shutil, sys
        given, number, folder, file = sys.argv[1:5]
        print("flag" if "--flag" in sys.argv else "no flag", number, os.environ["COLOUR"])
        shutil.copy(given, os.path.join(folder, "copy.csv"))
        open(file, "w").write(os.environ["AZUREML_RUN_ID"])
        os.makedirs("outputs", exist_ok=True)
        open("outputs/own.txt", "w").write("kept")
        """,
        "python main.py ${{inputs.table}} ${{inputs.number}} ${{outputs.folder}} ${{outputs.file}}",
        inputs={"table": Input(type="uri_file", path=str(table)), "number": 3},
        outputs={"folder": Output(type="uri_folder"), "file": Output(type="uri_file")},
        environment_variables={"COLOUR": "blue"},
    )
    assert desk.wait(job).status == "Completed"
    assert "no flag 3 blue" in desk.log(job, rehearsal)
    desk.client.jobs.download(job.name, download_path=str(tmp_path / "got"), all=True)
    named = tmp_path / "got" / "named-outputs"
    assert (named / "folder" / "copy.csv").read_text() == "a,b\n1,2\n"
    files = [p for p in (named / "file").rglob("*") if p.is_file()]
    assert [p.read_text() for p in files] == [job.name]
    artifacts = tmp_path / "got" / "artifacts"
    assert (artifacts / "outputs" / "own.txt").read_text() == "kept"
    assert "no flag 3 blue" in (artifacts / "user_logs" / "std_log.txt").read_text()


def test_the_process_has_what_azure_gives_it(desk: Desk, rehearsal: Rehearsal) -> None:
    job = desk.submit(
        """
        import json, os
        print(json.dumps({k: v for k, v in os.environ.items() if k.startswith(("AZ", "ML"))}))
        print(os.getcwd(), os.listdir("."))
        """
    )
    desk.wait(job)
    lines = desk.log(job, rehearsal).splitlines()
    seen = json.loads(next(line for line in lines if line.startswith("{")))
    assert seen["AZUREML_RUN_ID"] == seen["MLFLOW_RUN_ID"] == job.name
    assert seen["AZUREML_ROOT_RUN_ID"] == job.name
    assert seen["AZUREML_ARM_WORKSPACE_NAME"] == rehearsal.env["AZUREML_WORKSPACE_NAME"]
    assert seen["AZUREML_ARM_SUBSCRIPTION"] == rehearsal.env["AZURE_SUBSCRIPTION_ID"]
    assert seen["MLFLOW_EXPERIMENT_NAME"] == "jobs"
    assert "AZURE_CLIENT_SECRET" not in seen
    assert "['main.py']" in lines[-1]


def test_streaming_shows_the_log_while_it_is_written(
    desk: Desk, capfd: pytest.CaptureFixture[str]
) -> None:
    job = desk.submit(
        """
        import time
        for i in range(4):
            print("line", i, flush=True)
            time.sleep(1)
        """
    )
    desk.client.jobs.stream(job.name)
    printed = capfd.readouterr().out
    assert "Streaming user_logs/std_log.txt" in printed
    assert "line 0" in printed
    assert "Execution Summary" in printed


def test_a_crash_is_failed_with_its_last_lines(desk: Desk) -> None:
    from azure.ai.ml.exceptions import JobException

    job = desk.submit("print('before')\nraise ValueError('what went wrong')")
    with pytest.raises(JobException, match="what went wrong"):
        desk.client.jobs.stream(job.name)
    assert desk.client.jobs.get(job.name).status == "Failed"


def test_a_killed_process_is_failed_and_says_so(desk: Desk, rehearsal: Rehearsal) -> None:
    job = desk.submit("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert desk.wait(job).status == "Failed"
    from azure.ai.ml.exceptions import JobException

    with pytest.raises(JobException, match="signal 9"):
        desk.client.jobs.stream(job.name)


def test_cancel_ends_the_whole_group(desk: Desk, tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    job = desk.submit(
        f"""
        import os, subprocess, time
        child = subprocess.Popen(["sleep", "600"])
        open({str(mark)!r}, "w").write(str(child.pid))
        time.sleep(600)
        """
    )
    deadline = time.monotonic() + 60
    while not mark.exists() or not mark.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    desk.client.jobs.begin_cancel(job.name).wait()
    assert desk.wait(job).status == "Canceled"
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)


def test_a_time_limit_cancels(desk: Desk) -> None:
    from azure.ai.ml.entities import CommandJobLimits

    job = desk.submit("import time\ntime.sleep(600)", limits=CommandJobLimits(timeout=1))
    assert desk.wait(job).status == "Canceled"


def test_what_does_not_exist_is_refused_or_fails_by_name(desk: Desk) -> None:
    from azure.ai.ml import Input
    from azure.core.exceptions import HttpResponseError

    job = desk.submit(
        "print()",
        "python main.py ${{inputs.d}}",
        inputs={
            "d": Input(
                type="uri_file", path="azureml://datastores/workspaceblobstore/paths/no/such.csv"
            )
        },
    )
    ended = desk.wait(job)
    assert ended.status == "Failed"
    with pytest.raises(HttpResponseError, match="distributed jobs"):
        desk.submit("print()", distribution={"type": "PyTorch", "process_count_per_instance": 2})


def test_the_same_name_again_changes_words_only(desk: Desk) -> None:
    from azure.core.exceptions import ResourceExistsError

    job = desk.submit("print()", name=f"twice_{time.time_ns()}")
    desk.wait(job)
    job.tags["colour"] = "red"
    assert desk.client.jobs.create_or_update(job).tags["colour"] == "red"
    with pytest.raises(ResourceExistsError):
        desk.submit("print(2)", "python main.py 2", name=job.name)


def test_a_sweep_finds_the_best_trial(desk: Desk, tmp_path: Path) -> None:
    from azure.ai.ml import Output, command
    from azure.ai.ml.sweep import Choice, Uniform

    trial = command(
        code=desk.code(
            """
            parser = argparse.ArgumentParser()
            parser.add_argument("--x", type=float); parser.add_argument("--kind")
            parser.add_argument("--out")
            args = parser.parse_args()
            score = -abs(args.x - 5) - (args.kind == "bad") * 100
            log("score", score)
            open(os.path.join(args.out, "x.txt"), "w").write(repr(score))
            """,
            LOG_METRIC,
        ),
        command="python main.py --x ${{inputs.x}} --kind ${{inputs.kind}} --out ${{outputs.out}}",
        inputs={"x": 1.0, "kind": "good"},
        outputs={"out": Output(type="uri_folder")},
        environment=desk.environment,
    )
    sweep = trial(x=Uniform(0, 10), kind=Choice(["good", "bad"])).sweep(
        primary_metric="score", goal="maximize", sampling_algorithm="random"
    )
    sweep.set_limits(max_total_trials=6, max_concurrent_trials=3, timeout=120)
    sweep.compute, sweep.experiment_name = "cpu-cluster", "sweeps"
    job = desk.client.jobs.create_or_update(sweep)
    ended = desk.wait(job)
    assert ended.status == "Completed"
    best = ended.properties["best_child_run_id"]
    children = list(desk.client.jobs.list(parent_job_name=job.name))
    assert {c.name for c in children} == {f"{job.name}_{i}" for i in range(6)}
    desk.client.jobs.download(job.name, download_path=str(tmp_path / "got"), output_name="out")
    (found,) = (tmp_path / "got").rglob("x.txt")
    assert float(found.read_text()) == float(ended.properties["score"])
    assert best in {c.name for c in children}


def test_bandit_stops_a_hopeless_trial(desk: Desk) -> None:
    from azure.ai.ml import command
    from azure.ai.ml.sweep import BanditPolicy, Choice

    trial = command(
        code=desk.code(
            """
            parser = argparse.ArgumentParser(); parser.add_argument("--x", type=float)
            x = parser.parse_args().x
            for step in range(60 if x < 1 else 4):
                log("score", x, step)
                time.sleep(0.5)
            """,
            LOG_METRIC,
        ),
        command="python main.py --x ${{inputs.x}}",
        inputs={"x": 1.0},
        environment=desk.environment,
    )
    sweep = trial(x=Choice([0.1, 10.0])).sweep(
        primary_metric="score", goal="maximize", sampling_algorithm="grid"
    )
    sweep.set_limits(max_total_trials=2, max_concurrent_trials=2, timeout=120)
    sweep.early_termination = BanditPolicy(slack_factor=0.1, evaluation_interval=1)
    sweep.compute = "cpu-cluster"
    job = desk.client.jobs.create_or_update(sweep)
    ended = desk.wait(job)
    assert ended.status == "Completed"
    statuses = {c.name: c.status for c in desk.client.jobs.list(parent_job_name=job.name)}
    assert sorted(statuses.values()) == ["Canceled", "Completed"]
    assert statuses[ended.properties["best_child_run_id"]] == "Completed"


PIPELINE = """
type: pipeline
experiment_name: pipelines
settings:
  default_compute: azureml:serverless
  continue_on_step_failure: {go_on}
inputs:
  word: hello
outputs:
  result:
    type: uri_folder
jobs:
  first:
    type: command
    code: code
    environment: azureml:{environment}
    command: >-
      python main.py first ${{{{inputs.word}}}} ${{{{outputs.out}}}}
    inputs:
      word: ${{{{parent.inputs.word}}}}
    outputs:
      out:
        type: uri_folder
  second:
    type: command
    code: code
    environment: azureml:{environment}
    command: python main.py second ${{{{inputs.before}}}} ${{{{outputs.out}}}}
    inputs:
      before: ${{{{parent.jobs.first.outputs.out}}}}
    outputs:
      out: ${{{{parent.outputs.result}}}}
  aside:
    type: command
    code: code
    environment: azureml:{environment}
    command: python main.py aside
"""


def _pipeline(desk: Desk, tmp_path: Path, source: str, go_on: str = "true") -> Any:
    from azure.ai.ml import load_job

    desk.code(source)
    file = tmp_path / "pipeline.yml"
    file.write_text(PIPELINE.format(environment=desk.environment, go_on=go_on))
    return desk.client.jobs.create_or_update(load_job(file))


def test_a_pipeline_hands_results_on(desk: Desk, tmp_path: Path) -> None:
    job = _pipeline(
        desk,
        tmp_path,
        """
        import pathlib, sys
        step = sys.argv[1]
        if step == "first":
            pathlib.Path(sys.argv[3], "a.txt").write_text(sys.argv[2])
        if step == "second":
            text = pathlib.Path(sys.argv[2], "a.txt").read_text()
            pathlib.Path(sys.argv[3], "b.txt").write_text(text + " again")
        """,
    )
    assert desk.wait(job).status == "Completed"
    children = {c.display_name: c for c in desk.client.jobs.list(parent_job_name=job.name)}
    assert set(children) == {"first", "second", "aside"}
    desk.client.jobs.download(job.name, download_path=str(tmp_path / "got"), output_name="result")
    (found,) = (tmp_path / "got").rglob("b.txt")
    assert found.read_text() == "hello again"


def test_a_failed_step_fails_the_pipeline_and_nothing_after_it_runs(
    desk: Desk, tmp_path: Path
) -> None:
    from azure.ai.ml.exceptions import JobException

    job = _pipeline(
        desk, tmp_path, "import sys\nif sys.argv[1] == 'first': raise SystemExit('broken here')"
    )
    assert desk.wait(job).status == "Failed"
    children = {c.display_name: c.status for c in desk.client.jobs.list(parent_job_name=job.name)}
    assert children == {"first": "Failed", "aside": "Completed"}
    with pytest.raises(JobException, match="broken here"):
        desk.client.jobs.stream(job.name)


def test_cancelling_a_pipeline_cancels_its_steps(desk: Desk, tmp_path: Path) -> None:
    job = _pipeline(desk, tmp_path, "import time\ntime.sleep(600)")
    desk.wait(job, status={"Running"})
    deadline = time.monotonic() + 30
    while not list(desk.client.jobs.list(parent_job_name=job.name)):
        assert time.monotonic() < deadline
    desk.client.jobs.begin_cancel(job.name).wait()
    assert desk.wait(job).status == "Canceled"
    statuses = {c.status for c in desk.client.jobs.list(parent_job_name=job.name)}
    assert statuses == {"Canceled"}
