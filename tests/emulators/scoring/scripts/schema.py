"""A script with every parameter type of the schema package that needs no Spark."""

# mypy: ignore-errors

import datetime

import numpy as np
import pandas as pd
from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
from inference_schema.parameter_types.pandas_parameter_type import PandasParameterType
from inference_schema.parameter_types.standard_py_parameter_type import (
    StandardPythonParameterType,
)
from inference_schema.schema_decorators import input_schema, output_schema

FRAME = pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5], "c": ["x", "y"]})
TEXT = StandardPythonParameterType("t")
MOMENT = datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.timezone(datetime.timedelta(0)))
ARRAY = np.array([[1.0, 2.0, 3.0]])


def init():
    pass


@input_schema("frame", PandasParameterType(FRAME))
@input_schema("array", NumpyParameterType(ARRAY))
@input_schema("number", StandardPythonParameterType(1.5))
@input_schema("nested", StandardPythonParameterType({"deep": NumpyParameterType(ARRAY), "s": TEXT}))
@input_schema("when", StandardPythonParameterType(MOMENT), optional=True)
@output_schema(StandardPythonParameterType({"types": ["a"], "sum": 1.5}))
def run(frame, array, number, nested, when=None):
    return {
        "types": [str(t) for t in frame.dtypes if str(t) in ("int64", "float64")],
        "rows": len(frame),
        "sum": float(array.sum()) + number,
        "deep": nested["deep"].tolist(),
        "when": when and when.isoformat(),
    }
