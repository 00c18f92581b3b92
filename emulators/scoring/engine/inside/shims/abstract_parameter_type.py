"""Stand-in: the base of parameter types, and swagger from plain values."""

from __future__ import annotations

import base64
import datetime
from typing import Any, Dict, List

DATE_FORMAT = "%Y-%m-%d"
DATETIME_FORMAT = "%Y-%m-%d %H:%M:%S.%f %z"
TIME_FORMAT = "%H:%M:%S.%f %z"
PLAIN: Dict[type, Dict[str, str]] = {
    int: {"type": "integer", "format": "int64"},
    float: {"type": "number", "format": "double"},
    bool: {"type": "boolean"},
    str: {"type": "string"},
}


class AbstractParameterType:
    """A type known from one sample; own types override the two methods that raise here."""

    def __init__(self, sample_input: Any) -> None:
        self.sample_input = sample_input
        self.sample_data_type = type(sample_input)

    def deserialize_input(self, input_data: Any) -> Any:
        """Convert parsed JSON to the type."""
        raise TypeError(f"{type(self).__name__} must define deserialize_input")

    def input_to_swagger(self) -> Dict[str, Any]:
        """Describe the type."""
        raise TypeError(f"{type(self).__name__} must define input_to_swagger")

    def supported_versions(self) -> List[str]:
        """Swagger 2.0 has no lists of mixed types; the later versions have."""
        uniform = _uniform(self.input_to_swagger()["example"])
        return ["2.0", "3.0", "3.1"] if uniform else ["3.0", "3.1"]


def _uniform(value: Any) -> bool:
    if type(value) is list and value:
        first = type(value[0])
        return all(type(item) is first and (first is not list or _uniform(item)) for item in value)
    if type(value) is dict:
        return all(_uniform(item) for item in value.values())
    return True


def describe(value: Any) -> Dict[str, Any]:
    """Swagger of a plain Python value, with the value as example."""
    kind = type(value)
    if kind in PLAIN:
        return dict(PLAIN[kind], example=value)
    if kind in (bytes, bytearray):
        text = base64.b64encode(value).decode()
        return {"type": "string", "format": "byte", "example": text}
    if kind is datetime.date:
        return _moment("date", value, DATE_FORMAT)
    if kind is datetime.datetime:
        return _moment("date-time", _zoned(value), DATETIME_FORMAT)
    if kind is datetime.time:
        return _moment("time", _zoned(value), TIME_FORMAT)
    if kind in (list, tuple, range):
        return describe_list(value)
    if kind is dict:
        return describe_dict(value)
    return {"type": "object", "example": value}


def _moment(kind: str, value: Any, pattern: str) -> Dict[str, Any]:
    return {"type": "string", "format": kind, "example": value.strftime(pattern)}


def _zoned(value: Any) -> Any:
    return value if value.tzinfo else value.replace(tzinfo=datetime.timezone.utc)


def describe_list(values: Any) -> Dict[str, Any]:
    """Swagger of a list: items as the last element is."""
    item: Dict[str, Any] = {"type": "object"}
    example = []
    nested = bool(values) and isinstance(values[0], AbstractParameterType)
    for value in values:
        item = value.input_to_swagger() if nested else describe(value)
        example.append(item.pop("example"))
    return {"type": "array", "items": item, "example": example}


def describe_dict(values: Any) -> Dict[str, Any]:
    """Swagger of a dictionary: every key is required."""
    properties: Dict[str, Any] = {}
    example: Dict[str, Any] = {}
    for key, value in values.items():
        nested = isinstance(value, AbstractParameterType)
        item = value.input_to_swagger() if nested else describe(value)
        example[key] = item.pop("example")
        properties[key] = item
    required = list(values)
    return {"type": "object", "required": required, "properties": properties, "example": example}
