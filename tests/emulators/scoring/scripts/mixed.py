"""A schema whose sample mixes types, which Swagger 2 cannot say; and a default."""

# mypy: ignore-errors

from inference_schema.parameter_types.standard_py_parameter_type import (
    StandardPythonParameterType,
)
from inference_schema.schema_decorators import input_schema


def init():
    pass


@input_schema("data", StandardPythonParameterType([1, "two", {"three": b"bytes"}]))
def run(data, limit=3):
    return {"data": data, "limit": limit}
