"""Stand-in: parameters that are NumPy arrays."""

from __future__ import annotations

import base64
from typing import Any, Dict

import numpy as np
from inference_schema.parameter_types.abstract_parameter_type import AbstractParameterType

UNITS = {
    "years": "Y",
    "months": "M",
    "weeks": "W",
    "days": "D",
    "hours": "h",
    "minutes": "m",
    "seconds": "s",
    "milliseconds": "ms",
    "microseconds": "us",
    "nanoseconds": "ns",
    "picoseconds": "ps",
    "femtoseconds": "fs",
    "attoseconds": "as",
}
NAMED: Dict[str, Dict[str, str]] = {
    "bool": {"type": "boolean"},
    "object": {"type": "object"},
    "float16": {"type": "number", "format": "float"},
    "float32": {"type": "number", "format": "float"},
    "float64": {"type": "number", "format": "double"},
}
FAMILIES: Dict[str, Dict[str, str]] = {
    "datetime": {"type": "string", "format": "date-time"},
    "timedelta": {"type": "string", "format": "timedelta"},
    "str": {"type": "string"},
    "bytes": {"type": "string", "format": "binary"},
    "void": {"type": "string", "format": "binary"},
}


class NumpyParameterType(AbstractParameterType):  # type: ignore[misc]
    """An array like the sample: its dtype, and its size on every dimension but the first."""

    def __init__(
        self, sample_input: Any, enforce_column_type: bool = True, enforce_shape: bool = True
    ) -> None:
        if not isinstance(sample_input, np.ndarray):
            raise Exception("Invalid sample input provided, must provide a sample Numpy array.")
        super().__init__(sample_input)
        self.enforce_column_type = enforce_column_type
        self.enforce_shape = enforce_shape

    def deserialize_input(self, input_data: Any) -> Any:
        """Convert a list.

        Raises:
            ValueError: no list, other dimensions, or values the dtype cannot hold.
        """
        if isinstance(input_data, np.ndarray):
            return input_data
        if not isinstance(input_data, list):
            raise ValueError("Invalid input format: expected an array of items.")
        if self.enforce_column_type:
            dtype = self.sample_input.dtype
            array = np.array([_item(value, dtype) for value in input_data], dtype=dtype)
        else:
            array = np.array(input_data)
        if self.enforce_shape:
            self._check_shape(array.shape)
        return array

    def _check_shape(self, shape: Any) -> None:
        wanted = self.sample_input.shape
        if len(shape) != len(wanted):
            raise ValueError(
                f"Invalid input array: an array with {len(wanted)} dimensions is expected; "
                f"input has {len(shape)} [shape {shape}]"
            )
        for dimension in range(1, len(wanted)):
            if shape[dimension] != wanted[dimension]:
                raise ValueError(
                    f"Invalid input array: array has size {shape[dimension]} on dimension "
                    f"#{dimension}, while expected value is {wanted[dimension]}"
                )

    def input_to_swagger(self) -> Dict[str, Any]:
        """Describe the sample."""
        schema: Dict[str, Any] = _describe_dtype(self.sample_input.dtype)
        for _ in range(max(1, self.sample_input.ndim)):
            schema = {"type": "array", "items": schema}
        schema["example"] = [_example(schema["items"], item) for item in self.sample_input]
        schema["format"] = "numpy.ndarray"
        return schema


def _item(value: Any, dtype: Any) -> Any:
    """Prepare one JSON value: fields in the order of a structured dtype, moments, spans."""
    if len(dtype):
        keys = dtype.names if type(value) is dict else range(len(dtype))
        return tuple(_item(value[key], dtype[number]) for number, key in enumerate(keys))
    kind = dtype.name.lower()
    if kind.startswith("datetime"):
        return np.datetime64(value)
    if kind.startswith("timedelta"):
        return _span(value)
    return value


def _span(text: str) -> Any:
    amount, _, unit = text.partition(" ")
    if unit.strip().lower() not in UNITS:
        raise ValueError(f"Invalid numpy.timestamp64 value specified: {text}.")
    return np.timedelta64(int(amount), UNITS[unit.strip().lower()])  # type: ignore[call-overload]


def _describe_dtype(dtype: Any) -> Dict[str, Any]:
    if len(dtype):
        return {
            "type": "object",
            "properties": {name: _describe_dtype(dtype[name]) for name in dtype.names},
        }
    if dtype.subdtype is not None:
        schema = _describe_dtype(dtype.subdtype[0])
        for _ in dtype.subdtype[1]:
            schema = {"type": "array", "items": schema}
        return schema
    kind = dtype.name.lower()
    if kind in NAMED:
        return dict(NAMED[kind])
    if kind.startswith(("int", "uint")):
        return {"type": "integer", "format": kind}
    for start, described in FAMILIES.items():
        if kind.startswith(start):
            return dict(described)
    raise TypeError(f"We currently do not support extracting schema from data of type {kind}")


def _example(schema: Dict[str, Any], value: Any) -> Any:
    kind, form = schema["type"], schema.get("format")
    if kind == "object" and "properties" in schema:
        return {name: _example(inner, value[name]) for name, inner in schema["properties"].items()}
    if kind == "array":
        return [_example(schema["items"], item) for item in value]
    if kind == "number":
        return float(value)
    if kind == "integer":
        return int(value)
    if form == "binary":
        return base64.b64encode(value).decode()
    if form == "date-time":
        import datetime

        return value.astype(datetime.datetime).strftime("%Y-%m-%d %H:%M:%S,%f")
    return str(value)
