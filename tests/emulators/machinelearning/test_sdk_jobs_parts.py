"""What jobs are made of, by the real client: components, nesting, modes, assets in and out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.emulators.machinelearning.desk import LOG_METRIC, Desk
from tests.running import Rehearsal

# A program that says what it was given, and writes into every output.
TALK = """
    import pathlib, sys
    for word in sys.argv[1:]:
        name, _, value = word.partition("=")
        path = pathlib.Path(value)
        if name.startswith("out"):
            (path / "said.txt" if path.is_dir() else path).write_text(" ".join(sys.argv[1:]))
        elif name.startswith("in"):
            inside = sorted(p.name for p in path.iterdir()) if path.is_dir() else path.read_text()
            print(name, inside)
        else:
            print(word)
"""

LEAF = """
type: command
name: {leaf}
version: 1
inputs:
  word: {{type: string, default: hello}}
  number: {{type: integer, default: 7}}
  data: {{type: uri_folder, optional: true}}
outputs:
  out: {{type: uri_folder}}
code: code
environment: azureml:{environment}
command: >-
  python main.py word=${{{{inputs.word}}}} number=${{{{inputs.number}}}}
  $[[in=${{{{inputs.data}}}}]] out=${{{{outputs.out}}}}
"""

INNER = """
type: pipeline
name: {inner}
version: 1
inputs:
  word: {{type: string, default: by default}}
  data: {{type: uri_folder, optional: true}}
outputs:
  result: {{type: uri_folder}}
jobs:
  one:
    type: command
    component: ./leaf.yml
    inputs:
      word: ${{{{parent.inputs.word}}}}
      data: ${{{{parent.inputs.data}}}}
  two:
    type: command
    component: ./leaf.yml
    inputs:
      data: ${{{{parent.jobs.one.outputs.out}}}}
    outputs:
      out: ${{{{parent.outputs.result}}}}
"""


@pytest.fixture
def parts(desk: Desk, tmp_path: Path) -> Path:
    """A folder with a command component and a pipeline component made of it."""
    desk.code(TALK)
    names = {"leaf": f"leaf_{time.time_ns()}", "inner": f"inner_{time.time_ns()}"}
    for name, text in (("leaf", LEAF), ("inner", INNER)):
        filled = text.format(environment=desk.environment, **names)
        (tmp_path / f"{name}.yml").write_text(filled)
    return tmp_path


def children(desk: Desk, job: Any) -> dict[str, Any]:
    return {c.display_name: c for c in desk.client.jobs.list(parent_job_name=job.name)}


def test_pipelines_in_pipelines_by_the_sdk(desk: Desk, parts: Path, rehearsal: Rehearsal) -> None:
    from azure.ai.ml import dsl, load_component

    leaf, inner = load_component(parts / "leaf.yml"), load_component(parts / "inner.yml")

    dsl_pipeline: Any = dsl.pipeline
    pipeline = dsl_pipeline(default_compute="serverless", experiment_name="nested")

    @pipeline
    def outer(word):  # type: ignore[no-untyped-def]  # (the client reads real types, not their names)
        first = inner(word=word)
        last = leaf(data=first.outputs.result, number=9)
        return {"final": last.outputs.out}

    job = desk.client.jobs.create_or_update(outer(word="outside"))
    assert desk.wait(job).status == "Completed"
    top = children(desk, job)
    assert {name: child.status for name, child in top.items()} == {
        "first": "Completed",
        "last": "Completed",
    }
    below = children(desk, top["first"])
    assert set(below) == {"one", "two"}
    assert "word=outside number=7" in " ".join(desk.log(below["one"], rehearsal).split())
    assert "in ['said.txt']" in desk.log(below["two"], rehearsal)
    said = desk.log(top["last"], rehearsal)
    assert "number=9" in said
    assert "word=hello" in said
    desk.client.jobs.download(job.name, download_path=str(parts / "got"), output_name="final")
    (found,) = (parts / "got").rglob("said.txt")
    assert "number=9" in found.read_text()


def test_the_run_of_a_step_knows_its_parents_and_its_times(
    desk: Desk, parts: Path, rehearsal: Rehearsal
) -> None:
    import requests
    from azure.ai.ml import dsl, load_component

    inner = load_component(parts / "inner.yml")
    dsl_pipeline: Any = dsl.pipeline

    @dsl_pipeline(default_compute="serverless")  # type: ignore[untyped-decorator]
    def outer() -> None:
        nested = inner()  # noqa: F841  (the step's name is the variable's)

    job = desk.client.jobs.create_or_update(outer())
    desk.wait(job)
    nested = children(desk, job)["nested"]
    step = children(desk, nested)["one"]
    answer = requests.get(
        f"{rehearsal.env['MLFLOW_TRACKING_URI']}/api/2.0/mlflow/runs/get",
        params={"run_id": step.name},
        headers={"authorization": f"Bearer {rehearsal.env['MLFLOW_TRACKING_TOKEN']}"},
        timeout=30,
    )
    run = answer.json()["run"]
    tags = {tag["key"]: tag["value"] for tag in run["data"]["tags"]}
    assert tags["mlflow.parentRunId"] == nested.name
    assert tags["mlflow.rootRunId"] == job.name
    assert 0 <= time.time() * 1000 - int(run["info"]["start_time"]) < 120_000
    assert int(run["info"]["start_time"]) < int(run["info"]["end_time"])
    assert run["info"]["status"] == "FINISHED"


def test_registered_components_by_name_with_defaults_and_optional_inputs(
    desk: Desk, parts: Path, rehearsal: Rehearsal
) -> None:
    from azure.ai.ml import load_component, load_job

    made = [
        desk.client.components.create_or_update(load_component(parts / f"{name}.yml"))
        for name in ("leaf", "inner")
    ]
    (parts / "job.yml").write_text(
        f"""
type: pipeline
experiment_name: named
settings: {{default_compute: azureml:serverless}}
inputs: {{word: given}}
jobs:
  alone:
    type: command
    component: azureml:{made[0].name}:{made[0].version}
    inputs:
      word: ${{{{parent.inputs.word}}}}
  nested:
    type: pipeline
    component: azureml:{made[1].name}@latest
"""
    )
    job = load_job(parts / "job.yml", params_override=[{"inputs.word": "overridden"}])
    job = desk.client.jobs.create_or_update(job)
    assert desk.wait(job).status == "Completed"
    top = children(desk, job)
    assert "word=overridden" in desk.log(top["alone"], rehearsal)
    assert "in" not in desk.log(top["alone"], rehearsal).split()
    below = children(desk, top["nested"])
    assert "word=by" in desk.log(below["one"], rehearsal)


def _model(desk: Desk, tmp_path: Path) -> None:
    from azure.ai.ml.entities import Model

    folder = tmp_path / "trained"
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors: {python_function: {loader_module: nothing}}\n")
    (folder / "weights.bin").write_text("weights")
    for name, kind, path in (
        ("folder_model", "mlflow_model", folder),
        ("file_model", "custom_model", folder / "weights.bin"),
    ):
        model = Model(name=name, version="1", type=kind, path=str(path))
        desk.client.models.create_or_update(model)


def test_data_and_models_come_in_as_their_modes_say(
    desk: Desk, tmp_path: Path, rehearsal: Rehearsal
) -> None:
    from azure.ai.ml import Input
    from azure.ai.ml.entities import Data

    table = tmp_path / "table"
    table.mkdir()
    (table / "a.csv").write_text("x\n1\n")
    (table / "MLTable").write_text("paths: [{file: ./a.csv}]\n")
    desk.client.data.create_or_update(
        Data(name="modes", version="1", type="mltable", path=str(table))
    )
    _model(desk, tmp_path)
    places = {
        "mounted": Input(type="mltable", path="azureml:modes:1", mode="ro_mount"),
        "copied": Input(type="mltable", path="azureml:modes:1", mode="download"),
        "named": Input(type="mltable", path="azureml:modes:1", mode="direct"),
        "folder": Input(type="mlflow_model", path="azureml:folder_model:1"),
        "file": Input(type="custom_model", path="azureml:file_model:1"),
    }
    line = " ".join(
        f"{'named' if name == 'named' else 'in_' + name}=${{{{inputs.{name}}}}}" for name in places
    )
    line = f"python main.py {line} && rm ${{{{inputs.copied}}}}/a.csv && ls ${{{{inputs.mounted}}}}"
    job = desk.submit(TALK, line, inputs=places)
    assert desk.wait(job).status == "Completed", desk.log(job, rehearsal)
    said = desk.log(job, rehearsal)
    for name in ("mounted", "copied"):
        assert f"in_{name} ['MLTable', 'a.csv']" in said
    assert said.rstrip().endswith("MLTable\na.csv")  # the copy was the job's own
    assert "named=azureml://subscriptions/" in said
    assert "in_folder ['MLmodel', 'weights.bin']" in said
    assert "in_file weights" in said


def test_outputs_become_assets_by_name(desk: Desk, tmp_path: Path, rehearsal: Rehearsal) -> None:
    from azure.ai.ml import Output

    stamp = str(time.time_ns())
    job = desk.submit(
        TALK + '\n    pathlib.Path(value, "MLmodel").write_text("flavors: {sklearn: {code: x}}")',
        "python main.py out1=${{outputs.data}} out2=${{outputs.file}} out3=${{outputs.model}}",
        outputs={
            "data": Output(type="uri_folder", name=f"data_{stamp}", version="5"),
            "file": Output(
                type="uri_file",
                name=f"file_{stamp}",
                path="azureml://datastores/${{default_datastore}}/paths/reports/${{name}}.txt",
            ),
            "model": Output(type="mlflow_model", name=f"model_{stamp}"),
        },
    )
    assert desk.wait(job).status == "Completed", desk.log(job, rehearsal)
    client = desk.client
    assert f"/azureml/{job.name}/data" in client.data.get(f"data_{stamp}", version="5").path
    file = client.data.get(f"file_{stamp}", label="latest")
    assert (file.type, file.version) == ("uri_file", "1")
    assert file.path.endswith(f"/paths/reports/{job.name}.txt")
    model = client.models.get(f"model_{stamp}", label="latest")
    assert (model.type, list(model.flavors)) == ("mlflow_model", ["sklearn"])
    client.jobs.download(job.name, download_path=str(tmp_path / "got"), all=True)
    named = tmp_path / "got" / "named-outputs"
    assert (named / "data" / "said.txt").exists()
    assert (named / "model" / "MLmodel").exists()
    assert next((named / "file").rglob("*.txt")).read_text().startswith("out1=")


def test_archive_restore_services_and_validate(desk: Desk) -> None:
    from azure.ai.ml import command

    client = desk.client
    job = desk.submit("print()", tags={"archived": "once"})
    desk.wait(job)
    client.jobs.archive(job.name)
    assert job.name not in {j.name for j in client.jobs.list()}
    assert job.name in {j.name for j in client.jobs.list(list_view_type="ArchivedOnly")}
    client.jobs.restore(job.name)
    assert job.name in {j.name for j in client.jobs.list(tag="archived=once")}
    assert client.jobs.show_services(job.name) is None
    checked = command(
        code=str(desk.folder), command="true", environment=desk.environment, compute="cpu"
    )
    assert client.jobs.validate(checked).passed


def test_a_build_context_and_a_curated_environment_that_is_not_known(
    desk: Desk, tmp_path: Path, rehearsal: Rehearsal
) -> None:
    from azure.ai.ml.entities import BuildContext, Environment

    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM python:3.11-slim\nENV COLOUR=green\n")
    made = desk.client.environments.create_or_update(
        Environment(name="from_context", build=BuildContext(path=str(context)))
    )
    desk.environment = f"{made.name}:{made.version}"
    job = desk.submit("import sys\nprint(sys.version_info[:2])")
    assert desk.wait(job).status == "Completed", desk.log(job, rehearsal)
    assert "(3, 11)" in desk.log(job, rehearsal)
    desk.environment = "azureml://registries/azureml/environments/no-such-thing/labels/latest"
    unknown = desk.submit("print()")
    assert desk.wait(unknown).status == "Failed"
    assert "sklearn-1.5" in desk.log(unknown, rehearsal)  # those that can be built are named


def test_streams_of_a_pipeline_and_a_sweep_and_the_best_trial_downloaded(
    desk: Desk, parts: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from azure.ai.ml import Output, command, dsl, load_component
    from azure.ai.ml.sweep import Choice

    trial = command(
        code=desk.code(
            """
            parser = argparse.ArgumentParser()
            parser.add_argument("--x", type=float); parser.add_argument("--out")
            args = parser.parse_args()
            log("score", args.x)
            open(os.path.join(args.out, "x.txt"), "w").write(str(args.x))
            time.sleep(1)
            """,
            LOG_METRIC,
        ),
        command="python main.py --x ${{inputs.x}} --out ${{outputs.out}}",
        inputs={"x": 1.0},
        outputs={"out": Output(type="uri_folder")},
        environment=desk.environment,
    )
    sweep = trial(x=Choice([1.0, 3.0, 2.0])).sweep(
        primary_metric="score", goal="maximize", sampling_algorithm="grid"
    )
    sweep.set_limits(max_total_trials=3, max_concurrent_trials=3)
    sweep.compute, sweep.experiment_name = "cpu-cluster", "streams"
    job = desk.client.jobs.create_or_update(sweep)
    desk.client.jobs.stream(job.name)
    printed = capfd.readouterr().out
    assert "started: x=3.0" in printed
    desk.client.jobs.download(job.name, download_path=str(parts / "best"), all=True)
    assert {p.read_text() for p in (parts / "best").rglob("x.txt")} == {"3.0"}
    desk.code(TALK + "\n    import time; time.sleep(1)")
    inner = load_component(parts / "inner.yml")

    dsl_pipeline: Any = dsl.pipeline
    pipeline = dsl_pipeline(default_compute="serverless")

    @pipeline  # type: ignore[untyped-decorator]
    def whole() -> None:
        nested = inner()  # noqa: F841  (the step's name is the variable's)

    job = desk.client.jobs.create_or_update(whole())
    desk.client.jobs.stream(job.name)
    printed = capfd.readouterr().out
    assert "Streaming logs/azureml/executionlogs.txt" in printed
    assert "Step nested started as" in printed
