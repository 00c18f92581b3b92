"""Models behind endpoints by the unmodified clients: MLflow with and without conversion, ONNX,
folders of one's own; scripts with schemas and collectors in an environment that has the packages.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

CONDA = """
name: served
dependencies:
- python=3.11
- pip
- pip:
  - azureml-ai-monitoring
  - inference-schema
  - mlflow-skinny
  - pandas
"""
COLLECTING = """
import os
from azureml.ai.monitoring import Collector
from azureml.ai.monitoring.context import BasicCorrelationContext
from inference_schema.parameter_types.pandas_parameter_type import PandasParameterType
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
from inference_schema.schema_decorators import input_schema, output_schema
import pandas as pd

def init():
    global inputs, outputs, depth
    inputs = Collector(name="model_inputs")
    outputs = Collector(name="model_outputs")
    depth = os.environ["AZUREML_MODEL_DIR"].split("/")

@input_schema("data", PandasParameterType(pd.DataFrame({"a": [1.5], "b": ["x"]})))
@input_schema("factor", StandardPythonParameterType(2.0), optional=True)
@output_schema(StandardPythonParameterType({"total": 1.0}))
def run(data, factor=2.0):
    context = inputs.collect(data, BasicCorrelationContext(id="mine"))
    total = float(data["a"].sum() * factor)
    outputs.collect(pd.DataFrame({"total": [total]}), context)
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "weights", "w.txt")) as file:
        weights = file.read()
    return {"total": total, "weights": weights, "name": depth[-2], "depth": len(depth)}
"""
DOUBLED = """
import mlflow

class Doubled(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input * 2

mlflow.models.set_model(Doubled())
"""


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def endpoint(ml_client: Any) -> str:
    from azure.ai.ml.entities import ManagedOnlineEndpoint

    ml_client.online_endpoints.begin_create_or_update(
        ManagedOnlineEndpoint(name="sdk-models", auth_mode="key")
    ).result()
    return "sdk-models"


def deployed(ml_client: Any, name: str, **more: Any) -> Any:
    from azure.ai.ml.entities import ManagedOnlineDeployment

    return ml_client.online_deployments.begin_create_or_update(
        ManagedOnlineDeployment(
            name=name,
            endpoint_name="sdk-models",
            instance_type="Standard_DS3_v2",
            instance_count=1,
            **more,
        )
    ).result()


def invoked(ml_client: Any, work: Path, name: str, body: Any) -> Any:
    file = work / f"{name}.json"
    file.write_text(json.dumps(body))
    said = ml_client.online_endpoints.invoke(
        "sdk-models", request_file=str(file), deployment_name=name
    )
    return json.loads(said)


@pytest.mark.filterwarnings("ignore")  # mlflow's own, while the model is logged
def test_an_sklearn_model_needs_no_code_and_is_served_as_onnx(
    ml_client: Any, endpoint: str, work: Path
) -> None:
    import mlflow
    import pandas as pd
    from azure.ai.ml.entities import Model
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    frame = pd.DataFrame(
        {"a": [0.1 * n for n in range(60)], "b": [float(n % 7) for n in range(60)]}
    )
    target = (frame["a"] > 3).astype(int)
    fitted = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, target)
    mlflow.sklearn.save_model(
        fitted, work / "sk", input_example=frame.head(2), serialization_format="cloudpickle"
    )
    up = deployed(
        ml_client, "sklearn", model=Model(name="sk", path=str(work / "sk"), type="mlflow_model")
    )
    assert up.provisioning_state == "Succeeded"
    rows = frame.iloc[[0, 20, 40, 59]]
    data = {"input_data": json.loads(rows.to_json(orient="split"))}
    assert invoked(ml_client, work, "sklearn", data) == [int(p) for p in fitted.predict(rows)]
    log = ml_client.online_deployments.get_logs("sklearn", endpoint, lines=100)
    assert "served as ONNX: equal on" in log


@pytest.mark.filterwarnings("ignore")  # mlflow's own, while the model is logged
def test_any_mlflow_model_is_served_in_its_environment(
    ml_client: Any, endpoint: str, work: Path
) -> None:
    import mlflow
    import pandas as pd
    from azure.ai.ml.entities import Environment, Model

    (work / "doubled.py").write_text(DOUBLED)
    example = pd.DataFrame({"a": [1.0]})
    mlflow.pyfunc.save_model(
        work / "py",
        python_model=str(work / "doubled.py"),
        signature=mlflow.models.infer_signature(example, example),
    )
    (work / "conda.yml").write_text(CONDA)
    environment = Environment(name="served", image="mcr/none", conda_file=str(work / "conda.yml"))
    up = deployed(
        ml_client,
        "pyfunc",
        model=Model(name="py", path=str(work / "py"), type="mlflow_model"),
        environment=environment,
    )
    assert up.provisioning_state == "Succeeded"
    data = {"input_data": {"columns": ["a"], "index": [0, 1], "data": [[1.5], [4.0]]}}
    assert invoked(ml_client, work, "pyfunc", data) == [{"a": 3.0}, {"a": 8.0}]
    log = ml_client.online_deployments.get_logs("pyfunc", endpoint, lines=100)
    assert "served as it is" in log


def test_a_script_with_schema_and_collectors_serves_a_models_folder(
    ml_client: Any, endpoint: str, work: Path
) -> None:
    """The depth of AZUREML_MODEL_DIR is the one code counts on."""
    from azure.ai.ml.entities import (
        CodeConfiguration,
        DataCollector,
        DeploymentCollection,
        Environment,
        Model,
    )

    (work / "weights").mkdir()
    (work / "weights/w.txt").write_text("weighty")
    (work / "code").mkdir()
    (work / "code/score.py").write_text(COLLECTING)
    (work / "conda.yml").write_text(CONDA)
    collections = {
        n: DeploymentCollection(enabled="true") for n in ("model_inputs", "model_outputs")
    }
    up = deployed(
        ml_client,
        "custom",
        model=Model(name="weights-of-mine", path=str(work / "weights"), type="custom_model"),
        environment=Environment(
            name="served", image="mcr/none", conda_file=str(work / "conda.yml")
        ),
        code_configuration=CodeConfiguration(code=str(work / "code"), scoring_script="score.py"),
        data_collector=DataCollector(collections=collections),
    )
    assert up.provisioning_state == "Succeeded"
    said = invoked(
        ml_client, work, "custom", {"data": [{"a": 1.0, "b": "x"}, {"a": 2.5, "b": "y"}]}
    )
    assert said == {"total": 7.0, "weights": "weighty", "name": "weights-of-mine", "depth": 6}
    shown = ml_client.online_deployments.get("custom", endpoint)
    assert set(shown.data_collector.collections) == {"model_inputs", "model_outputs"}
    data = ml_client.data.get("sdk-models-custom-model_inputs", version="1")
    assert "modelDataCollector/sdk-models/custom/model_inputs" in data.path
    import requests

    key = ml_client.online_endpoints.get_keys(endpoint).primary_key
    headers = {"authorization": f"Bearer {key}", "azureml-model-deployment": "custom"}
    swagger = requests.get(
        ml_client.online_endpoints.get(endpoint).openapi_uri, headers=headers, timeout=30
    ).json()
    inputs = swagger["definitions"]["ServiceInput"]["properties"]
    assert set(inputs) == {"data", "factor"}
    unread = requests.post(
        "https://sdk-models.eastus.inference.ml.azure.com/score",
        data="{}",
        headers={**headers, "content-type": "text/plain"},
        timeout=30,
    )
    assert unread.status_code == 424
    assert unread.headers["ms-azureml-model-error-statuscode"] == "415"


def test_an_onnx_file_is_served_alone(ml_client: Any, endpoint: str, work: Path) -> None:
    import numpy as np
    from azure.ai.ml.entities import Model
    from onnx import TensorProto, helper, numpy_helper, save_model

    two = numpy_helper.from_array(np.array([2.0], dtype=np.float32), "two")
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "two"], ["y"])],
        "doubled",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 2])],
        [two],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 9
    save_model(made, work / "doubled.onnx")
    up = deployed(
        ml_client,
        "onnx",
        model=Model(name="doubled", path=str(work / "doubled.onnx"), type="custom_model"),
    )
    assert up.provisioning_state == "Succeeded"
    said = invoked(ml_client, work, "onnx", {"input_data": [[1.0, 2.0], [3.0, 4.0]]})
    assert said == [[2.0, 4.0], [6.0, 8.0]]


def test_a_model_nobody_can_serve_alone_fails_by_name(
    ml_client: Any, endpoint: str, work: Path
) -> None:
    from azure.ai.ml.entities import Model
    from azure.core.exceptions import HttpResponseError

    (work / "plain.txt").write_text("no model")
    with pytest.raises(HttpResponseError, match="does not emulate deployments without"):
        deployed(
            ml_client,
            "plain",
            model=Model(name="plain", path=str(work / "plain.txt"), type="custom_model"),
        )
    assert ml_client.online_deployments.get("plain", endpoint).provisioning_state == "Failed"


def test_the_endpoint_goes(ml_client: Any, endpoint: str) -> None:
    ml_client.online_endpoints.begin_delete(endpoint).result()
