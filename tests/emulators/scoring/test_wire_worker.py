"""The worker's boot, its log, its settings, and old interpreters."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from emulators.kernel.workers import WorkerFailed
from tests.emulators.scoring.workers import Asked, with_worker
from tests.peers import interpreter

ECHO = "def init():\n    print('hello', 1)\n\n\ndef run(data):\n    return data\n"
STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}"


def write(root: Path, text: str, name: str = "score.py") -> dict[str, str]:
    (root / name).write_text(text)
    return {"AZUREML_ENTRY_SCRIPT": name}


async def echo(asked: Asked) -> str:
    assert (await asked.post({"a": "é"})).body == json.dumps(json.dumps({"a": "é"})).encode()
    return asked.lines()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("import no_such_module\n", "No module named 'no_such_module'"),
        ("def init(:\n", "SyntaxError"),
        ("def run(x):\n    pass\n", r"does not have a init\(\) function"),
        ("def init():\n    pass\n", r"does not have a run\(\) function"),
        ("def init():\n    pass\ndef run(*a):\n    pass\n", "cannot accept positional-only"),
        ("def init():\n    pass\ndef run():\n    pass\n", "an argument for input data"),
        (
            "def init():\n    pass\ndef run(request_headers):\n    pass\n",
            'other than "request_headers"',
        ),
        ("def init():\n    1 / 0\ndef run(x):\n    pass\n", "ZeroDivisionError"),
        ("import sys\ndef init():\n    sys.exit(0)\ndef run(x):\n    pass\n", "SystemExit"),
        ("import sys\nsys.exit(5)\n", "SystemExit: 5"),
    ],
)
def test_a_script_that_cannot_serve_fails_the_boot_and_says_why(
    tmp_path: Path, text: str, why: str
) -> None:
    env = write(tmp_path, text)
    with pytest.raises(WorkerFailed, match=why):
        with_worker(echo, root=tmp_path, env=env)
    assert re.search(why, (tmp_path / "worker.log").read_text())


def test_a_script_that_is_not_there_fails_the_boot(tmp_path: Path) -> None:
    with pytest.raises(WorkerFailed, match="FileNotFoundError"):
        with_worker(echo, root=tmp_path, env={"AZUREML_ENTRY_SCRIPT": "missing.py"})
    with pytest.raises(WorkerFailed, match="No module named 'main'"):
        with_worker(echo, root=tmp_path, env={"AZUREML_ENTRY_SCRIPT": ""})
    assert "Current contents of AML_APP_ROOT" in (tmp_path / "worker.log").read_text()


def test_without_a_named_script_the_module_main_serves(tmp_path: Path) -> None:
    write(tmp_path, ECHO, "main.py")
    with_worker(echo, root=tmp_path, env={"AZUREML_ENTRY_SCRIPT": ""})


def test_a_failed_init_lists_the_model_folder(tmp_path: Path) -> None:
    model = tmp_path / "models" / "name" / "3"
    (model / "inner").mkdir(parents=True)
    (model / "inner" / "model.pkl").write_bytes(b"")
    for number in range(250):
        (model / f"{number}.txt").write_bytes(b"")
    env = write(tmp_path, "def init():\n    raise ValueError('x')\ndef run(x):\n    pass\n")
    with pytest.raises(WorkerFailed):
        with_worker(echo, root=tmp_path, env=env | {"AZUREML_MODEL_DIR": str(model)})
    log = (tmp_path / "worker.log").read_text()
    assert "azmlinfsrv - Model Directory Contents:\n" in log
    assert "azmlinfsrv - 3/\n" in log
    assert "Output Truncated. First 200 lines shown." in log


def test_the_log_reads_as_the_servers(tmp_path: Path) -> None:
    log = with_worker(echo, root=tmp_path, env=write(tmp_path, ECHO))
    for line in (
        rf"{STAMP} I \[\d+\] azmlinfsrv - Starting up app insights client",
        rf"{STAMP} I \[\d+\] azmlinfsrv.user_script - Found user script at .*score.py",
        rf"{STAMP} I \[\d+\] azmlinfsrv.user_script - run\(\) is not decorated. Server will .*",
        rf"{STAMP} I \[\d+\] azmlinfsrv.user_script - Invoking user's init function",
        rf"{STAMP} I \[\d+\] azmlinfsrv.print - hello 1",
        rf"{STAMP} I \[\d+\] azmlinfsrv.user_script - Users's init has completed successfully",
        rf"{STAMP} I \[\d+\] azmlinfsrv.swagger - Swaggers are prepared for the following .*",
        rf"{STAMP} I \[\d+\] azmlinfsrv - Scoring timeout is set to 3600000",
        rf"{STAMP} I \[\d+\] azmlinfsrv - Worker with pid \d+ ready for serving traffic",
    ):
        assert re.search(f"^{line}$", log, re.MULTILINE), line
    scored = rf"^{STAMP} I \[\d+\] azmlinfsrv - POST /score 200 \d+\.\d{{3}}ms \d+$"
    final = (tmp_path / "worker.log").read_text()
    assert re.search(scored, final, re.MULTILINE)
    access = r'gunicorn\.access - 127\.0\.0\.1 - - \[.*\] "POST /score HTTP/1\.1" 200 \d+ "-" "-"$'
    assert re.search(access, final, re.MULTILINE)


def test_a_logging_configuration_of_the_user_replaces_ours(tmp_path: Path) -> None:
    config = {
        "version": 1,
        "formatters": {
            "own": {
                "class": "azureml_inference_server_http.log_config.AMLLogFormatter",
                "format": "OWN %(message)s",
            }
        },
        "filters": {
            "root": {"()": "azureml_inference_server_http.log_config.RootAccessFilter"},
        },
        "handlers": {"out": {"class": "logging.StreamHandler", "formatter": "own"}},
        "loggers": {"azmlinfsrv": {"level": "INFO", "handlers": ["out"], "filters": ["root"]}},
    }
    (tmp_path / "logging.json").write_text(json.dumps(config))
    with_worker(echo, root=tmp_path, env=write(tmp_path, ECHO))
    log = (tmp_path / "worker.log").read_text()
    assert "OWN hello 1" in log
    assert re.search(r"^OWN POST /score 200 \d+\.\d{3}ms \d+$", log, re.MULTILINE)


def test_settings_come_from_the_environment_then_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"SCORING_TIMEOUT_MS": 1234, "SERVICE_NAME": "f"}')
    env = write(tmp_path, ECHO)
    assert "Scoring timeout is set to 1234" in with_worker(echo, root=tmp_path, env=env)
    log = with_worker(echo, root=tmp_path, env=env | {"SCORING_TIMEOUT_MS": "99"})
    assert "Scoring timeout is set to 99" in log


@pytest.mark.parametrize("wrong", ['{"SCORING_TIMEOUT_MS": "soon"}', "{no json"])
def test_wrong_settings_fail_the_boot(tmp_path: Path, wrong: str) -> None:
    (tmp_path / "config.json").write_text(wrong)
    with pytest.raises(WorkerFailed, match=r"valid integer|Invalid config file"):
        with_worker(echo, root=tmp_path, env=write(tmp_path, ECHO))


def test_a_script_that_exits_loses_its_request_and_is_replaced(tmp_path: Path) -> None:
    text = (
        "import sys\ndef init():\n    pass\ndef run(x):\n    sys.exit(1) if x == 'exit' else 1\n"
        "    return x\n"
    )

    async def scenario(asked: Asked) -> None:
        with pytest.raises(WorkerFailed, match="exited with code 1"):
            await asked.post(b"exit", [])
        assert (await asked.post(b"again", [])).body == b'"again"'

    with_worker(scenario, root=tmp_path, env=write(tmp_path, text))


def test_a_script_that_uses_the_data_collector_starts(tmp_path: Path) -> None:
    text = """
import pandas as pd
from azureml.ai.monitoring import Collector
from azureml.ai.monitoring.context import BasicCorrelationContext

def init():
    global inputs, outputs
    inputs = Collector(name="model_inputs")
    outputs = Collector(name="model_outputs", on_error=print)

def run(data):
    context = inputs.collect(pd.DataFrame({"a": [1]}))
    own = BasicCorrelationContext(id="mine", headers={"h": "1"})
    assert outputs.collect(pd.DataFrame({"b": [2]}), own).get_id() == "mine"
    try:
        inputs.collect([1, 2])
    except TypeError as error:
        return [len(context.get_id()), str(error)]
"""

    async def scenario(asked: Asked) -> list[object]:
        answer: list[object] = json.loads((await asked.post(b"x", [])).body)
        return answer

    size, error = with_worker(scenario, root=tmp_path, env=write(tmp_path, text))
    assert size == 36
    assert "data type (list) not supported" in str(error)


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.12", "3.13"])
def test_the_worker_runs_on_other_interpreters(tmp_path: Path, version: str) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"no Python {version} here")
    text = """
import json
from azureml_inference_server_http.api.aml_response import AMLResponse
from inference_schema.schema_decorators import input_schema, output_schema
from inference_schema.parameter_types.standard_py_parameter_type import (
    StandardPythonParameterType as T,
)

def init():
    pass

@input_schema("data", T({"n": 1, "s": T("x")}))
@output_schema(T([1]))
def run(data, scale=2):
    if data["n"] < 0:
        return AMLResponse("negative", 200, {"X-Own": "1"})
    return [data["n"] * scale, data["s"]]
"""

    async def scenario(asked: Asked) -> None:
        good = await asked.post({"data": {"n": 3, "s": "y"}, "scale": 5})
        assert (good.status, good.body) == (200, b'[15, "y"]')
        assert (await asked.post({"data": {"n": 3, "s": 1}})).status == 500
        own = await asked.post({"data": {"n": -1, "s": "y"}})
        assert ("X-Own", "1") in own.headers

    with_worker(scenario, root=tmp_path, env=write(tmp_path, text), python=str(python))


def test_spark_parameters_are_refused_by_name(tmp_path: Path) -> None:
    text = (
        "from inference_schema.parameter_types.spark_parameter_type import SparkParameterType\n"
        + ECHO
    )
    with pytest.raises(WorkerFailed, match="NotEmulated: SparkParameterType"):
        with_worker(echo, root=tmp_path, env=write(tmp_path, text))
