"""What parallel steps ask for: both spellings, defaults, node over component, refusals."""

from __future__ import annotations

import os
from typing import Any

import pytest

from emulators.kernel.errors import Unsupported
from emulators.machinelearning.engine.jobs.parallels import Parallel, read
from emulators.machinelearning.engine.jobs.sharing import shared_memory
from emulators.machinelearning.errors import InvalidJob

COMPONENT: dict[str, Any] = {
    "type": "parallel",
    "inputs": {"data": {"type": "uri_folder"}, "table": {"type": "mltable"}},
    "outputs": {"rows": {"type": "uri_file"}, "made": {"type": "uri_folder"}},
    "input_data": "${{inputs.data}}",
    "task": {
        "type": "run_function",
        "code": "azureml:c",
        "entry_script": "a.py",
        "environment": "azureml:e:1",
        "program_arguments": "--made ${{outputs.made}}",
    },
}


def test_defaults() -> None:
    assert read("s", {}, COMPONENT) == Parallel(
        script="a.py",
        code="azureml:c",
        environment="azureml:e:1",
        arguments="--made ${{outputs.made}}",
        data="data",
        target=None,
        concurrency=os.cpu_count() or 1,
    )


def test_a_node_goes_before_its_component() -> None:
    component = {
        **COMPONENT,
        "miniBatchSize": "3",
        "retry_settings": {"max_retries": 1, "timeout": 5},
        "loggingLevel": "DEBUG",
        "resources": {"instance_count": 4},
    }
    node = {
        "mini_batch_size": 7,
        "retry_settings": {"timeout": 9},
        "task": {"entry_script": "b.py", "append_row_to": "${{ outputs.rows }}"},
    }
    found = read("s", node, component)
    assert (found.script, found.code, found.target) == ("b.py", "azureml:c", "rows")
    assert (found.mini_batch_size, found.retries, found.timeout_s) == (7, 1, 9.0)
    assert (found.level, found.instances) == ("debug", 4)


@pytest.mark.parametrize("arguments", ["--error_threshold 5", "x --error_threshold=5"])
def test_the_error_threshold_may_be_an_argument(arguments: str) -> None:
    node = {"task": {"program_arguments": arguments}}
    assert read("s", node, COMPONENT).error_threshold == 5


@pytest.mark.parametrize(
    ("node", "why"),
    [
        ({"input_data": "${{inputs.other}}"}, "input_data"),
        ({"input_data": None, "mini_batch_size": "many"}, "mini_batch_size"),
        ({"mini_batch_size": -1}, "at least 0"),
        ({"error_threshold": -2}, "at least -1"),
        ({"task": {"entry_script": ""}}, "entry_script"),
        ({"task": {"append_row_to": "${{outputs.none}}"}}, "append_row_to"),
        ({"task": {"program_arguments": "'"}}, "program_arguments"),
    ],
)
def test_what_cannot_be(node: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidJob, match=why):
        read("s", node, COMPONENT)


@pytest.mark.parametrize(
    ("node", "why"),
    [
        ({"task": {"type": "model"}}, "'model'"),
        ({"partition_keys": '["a"]'}, "partition_keys"),
        ({"input_data": "${{inputs.table}}"}, "tables"),
        ({"task": {"append_row_to": "${{outputs.made}}"}}, "uri_file"),
        ({"mini_batch_size": "${{parent.inputs.size}}"}, "from a pipeline's input"),
        ({"task": {"program_arguments": "--allowed_failed_percent 10"}}, "allowed_failed_percent"),
    ],
)
def test_what_is_not_done(node: dict[str, Any], why: str) -> None:
    with pytest.raises(Unsupported, match=why):
        read("s", node, COMPONENT)


@pytest.mark.parametrize(
    ("resources", "size"),
    [
        (None, None),
        ({}, None),
        ({"shm_size": "3g"}, 3 << 30),
        ({"shmSize": "512M"}, 512 << 20),
        ({"docker_args": "--shm-size=16k"}, 16 << 10),
        ({"docker_args_list": ["--shm-size", "7"]}, 7),
    ],
)
def test_shared_memory_that_is_asked_for(resources: Any, size: int | None) -> None:
    assert shared_memory(resources) == size


def test_shared_memory_of_the_host_and_what_is_no_size() -> None:
    assert (shared_memory({"docker_args": "--ipc=host"}) or 0) > 1 << 28
    with pytest.raises(InvalidJob, match="shm_size"):
        shared_memory({"shm_size": "much"})
