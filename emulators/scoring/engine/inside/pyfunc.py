"""An MLflow model served as the script that Azure generates would: with pandas and mlflow.

Source: the public no-code scoring script of Azure ML's MLflow images (its behaviour, in own words).
"""

from __future__ import annotations

import io
import itertools
import json
import logging
import os
from types import FunctionType, ModuleType
from typing import Any, Dict, Optional, Tuple

from . import collecting
from .script import Script, ScriptRaised

logger = logging.getLogger("azmlinfsrv.nocode")
_LOADED = itertools.count()


def load(folder: str) -> Script:
    """Load the model and make the script that serves it.

    Raises:
        ScriptRaised: the model cannot be loaded in this environment.
    """
    try:
        return Script(*_made(folder))
    except BaseException as error:
        raise ScriptRaised(f"The MLflow model in {folder} cannot be loaded") from error


def _made(folder: str) -> Tuple[ModuleType, Any]:
    import mlflow.pyfunc
    from inference_schema.schema_decorators import input_schema, output_schema
    from mlflow.models import Model

    described = Model.load(folder)
    given, returned, params = parameter_types(described, folder)
    model = mlflow.pyfunc.load_model(folder)
    is_text_model = any(
        name in described.flavors for name in ("transformers", "langchain", "openai")
    )
    if is_text_model:
        raise NotImplementedModel(described.flavors)

    # The real decorators look for the function in closures: it has globals of its own instead.
    own = {**globals(), "_model": model, "_collectors": _collectors_of()}
    run = FunctionType(_run.__code__, own, "run", _run.__defaults__)
    run.__module__ = f"mlflow_score_script_{next(_LOADED)}"  # schemas are kept by function name
    # The decorators of the packages at hand: the same as the generated script's, in its order.
    decorated: Any = output_schema(returned)(run)
    decorated = input_schema("params", params, optional=True)(decorated)
    decorated = input_schema("input_data", given)(decorated)
    module = ModuleType("mlflow_score_script")
    module.__file__ = os.path.join(folder, "MLmodel")
    module.init = lambda: None  # type: ignore[attr-defined]
    module.run = decorated  # type: ignore[attr-defined]
    module.model = model  # type: ignore[attr-defined]
    module.input_type = given  # type: ignore[attr-defined]
    return module, decorated


_model: Any = None  # each loaded model's run() has its own
_collectors: Any = None  # and these


def _run(input_data: Any, params: Any = None) -> Any:
    data = loose(input_data)
    if _collectors is None:
        return jsonable(_model.predict(data, params=params))
    context = _collected(_collectors[0], data, None)
    output = _model.predict(data, params=params)
    _collected(_collectors[1], as_frame(output), context)
    return jsonable(output)


def _collectors_of() -> Any:
    """The two collectors of Azure's generated script; None where it could not make them."""
    if collecting.Pairs.configured() is None:
        return None
    from azureml.ai.monitoring import Collector

    return Collector(name="model_inputs"), Collector(name="model_outputs")


def _collected(collector: Any, data: Any, context: Any) -> Any:
    """Collect a frame; what goes wrong is logged and harms nobody."""
    try:
        return collector.collect(data, context)
    except Exception as error:
        logger.error("Error collecting %s collection request. %s", collector_name(collector), error)
        return context


def collector_name(collector: Any) -> str:
    """Its name, wherever the package at hand keeps it."""
    inner = getattr(collector, "_impl", collector)
    return str(getattr(inner, "name", "model data"))


def as_frame(data: Any) -> Any:
    """A prediction as the frame that is collected of it; what is no table stays what it is."""
    import pandas as pd

    try:
        return pd.DataFrame(data)
    except ValueError:
        return data


class NotImplementedModel(Exception):
    """NotEmulated: text models without a scoring script."""

    def __init__(self, flavors: Any) -> None:
        super().__init__(
            f"NotEmulated: a model of flavor {', '.join(flavors)} without a scoring script; "
            "write a score.py for it (see README, Not emulated)"
        )


def loose(data: Any) -> Any:
    """Read input that no sample converted: frames need all of columns, index and data."""
    import numpy as np
    import pandas as pd

    first = next(iter(data.values()), None) if isinstance(data, dict) else None
    if isinstance(data, (np.ndarray, pd.DataFrame)) or isinstance(first, np.ndarray):
        return data
    if isinstance(data, str):
        data = json.loads(data)
    if "input_data" in data:
        data = data["input_data"]
    if isinstance(data, list):
        return np.asarray(data)
    if isinstance(data, dict) and all(key in data for key in ("columns", "index", "data")):
        return pd.read_json(io.StringIO(json.dumps(data)), orient="split", dtype=False)
    return {name: np.asarray(value) for name, value in data.items()}


def jsonable(data: Any) -> Any:
    """Turn a prediction into what json.dumps takes: frames become records."""
    import numpy as np
    import pandas as pd

    if isinstance(data, np.ndarray):
        return data.tolist()
    if isinstance(data, pd.DataFrame):
        return data.to_dict(orient="records")
    if isinstance(data, pd.Series):
        return pd.DataFrame(data).to_dict(orient="records")
    return data


def parameter_types(described: Any, folder: str) -> Tuple[Any, Any, Any]:
    """The types of input_data, of the answer and of params, from example and signature."""
    from inference_schema.parameter_types.standard_py_parameter_type import (
        StandardPythonParameterType,
    )

    sample = _example(described, folder)
    signature = described.signature
    returned = params = None
    if signature is not None:
        if sample is None and signature.inputs:
            sample = _sample(signature.inputs)
        if signature.outputs:
            returned = _sample(signature.outputs)
        params = _params_sample(getattr(signature, "params", None))
    else:
        logger.warning("No signature information provided for model.")
    params_type = _no_sample() if params is None else StandardPythonParameterType(params)
    return _typed(sample, "split"), _typed(returned, "records"), params_type


def _example(described: Any, folder: str) -> Any:
    """The model's input example as a frame, an array or named arrays; None without a usable one."""
    import numpy as np
    import pandas as pd

    info = described.saved_input_example_info
    if not info:
        return None
    try:
        with open(os.path.join(folder, info["artifact_path"]), encoding="utf-8") as file:
            content = json.load(file)
        if info["type"] == "dataframe":
            orient: Any = "split" if "columns" in content else "values"
            return pd.read_json(io.StringIO(json.dumps(content)), orient=orient, dtype=False)
        if info["type"] == "ndarray":
            inputs = content["inputs"] if isinstance(content, dict) else content
            if isinstance(inputs, dict):
                return {name: np.asarray(value) for name, value in inputs.items()}
            return np.asarray(inputs)
    except Exception as error:
        logger.warning(
            "Failure processing model sample input: %s.\nWill attempt to create sample input based "
            "on model signature.",
            error,
        )
    return None


def _sample(schema: Any) -> Any:
    """An empty frame, or zeros, of the types of a signature's schema; None for other kinds."""
    import numpy as np
    import pandas as pd

    if schema.is_tensor_spec():
        zeros = {
            spec.name: np.zeros(
                [1 if i == 0 and n == -1 else n for i, n in enumerate(spec.shape)], spec.type
            )
            for spec in schema.inputs
        }
        return zeros if schema.has_input_names() else next(iter(zeros.values()))
    try:
        names = schema.input_names()
        types = {name: schema.pandas_types()[i] for i, name in enumerate(names)}
        return pd.DataFrame(columns=names).astype(types)
    except Exception as error:
        logger.warning("No sample can be made from the signature: %s", error)
        return None


def _params_sample(schema: Any) -> Optional[Dict[str, Any]]:
    if not schema:
        return None
    values = {"boolean": True, "string": "sample string", "integer": 42, "long": 42}
    return {
        param.name: values.get(param.dtype.name, 0.15) if param.default is None else param.default
        for param in schema.params
    }


def _typed(sample: Any, orient: str) -> Any:
    import numpy as np
    import pandas as pd
    from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
    from inference_schema.parameter_types.pandas_parameter_type import PandasParameterType
    from inference_schema.parameter_types.standard_py_parameter_type import (
        StandardPythonParameterType,
    )

    if isinstance(sample, np.ndarray):
        return NumpyParameterType(sample, enforce_shape=False)
    if isinstance(sample, pd.DataFrame):
        return PandasParameterType(sample, enforce_shape=False, orient=orient)
    if isinstance(sample, dict):
        named = {
            key: NumpyParameterType(value, enforce_shape=False) for key, value in sample.items()
        }
        return StandardPythonParameterType(named)
    return _no_sample()


def _no_sample() -> Any:
    from inference_schema.parameter_types.abstract_parameter_type import AbstractParameterType

    class NoSample(AbstractParameterType):  # type: ignore[misc]
        """Passes everything through."""

        def deserialize_input(self, input_data: Any) -> Any:
            return input_data

        def input_to_swagger(self) -> Any:
            return {"type": "object", "example": {}}

    return NoSample(None)
