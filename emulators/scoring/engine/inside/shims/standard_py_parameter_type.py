"""Stand-in: parameters of standard Python types."""

from __future__ import annotations

import base64
import datetime
import json
from typing import Any, Dict, List

from inference_schema.parameter_types.abstract_parameter_type import (
    AbstractParameterType,
    describe,
)


class StandardPythonParameterType(AbstractParameterType):  # type: ignore[misc]
    """The type of a plain sample; dictionaries and lists may hold further parameter types."""

    def __init__(self, sample_input: Any) -> None:
        super().__init__(sample_input)
        self.sample_data_type_map: Dict[Any, Any] = {}
        self.sample_data_type_list: List[Any] = []
        if self.sample_data_type is dict:
            self.sample_data_type_map = {
                key: value
                for key, value in sample_input.items()
                if isinstance(value, AbstractParameterType)
            }
        elif self.sample_data_type in (list, tuple):
            self.sample_data_type_list = [
                value for value in sample_input if isinstance(value, AbstractParameterType)
            ]

    def deserialize_input(self, input_data: Any) -> Any:
        """Convert.

        Raises:
            ValueError: another type than the sample's.
        """
        wanted = self.sample_data_type
        if wanted is datetime.date:
            # The package itself fails on dates (they have no strptime): so does this.
            raise AttributeError("type object 'datetime.date' has no attribute 'strptime'")
        if wanted is datetime.datetime:
            input_data = _moment(input_data)
        elif wanted is datetime.time:
            input_data = _moment(input_data).timetz()
        elif wanted in (bytes, bytearray):
            input_data = base64.b64decode(input_data.encode("utf-8"))
        if wanted is float and type(input_data) is int:
            return input_data
        if not isinstance(input_data, wanted):
            raise ValueError(
                f"Invalid input data type to parse. Expected: {wanted} but got {type(input_data)}"
            )
        return input_data

    def input_to_swagger(self) -> Dict[str, Any]:
        """Describe the sample.

        Raises:
            ValueError: there is none.
            TypeError: it is no JSON.
        """
        if self.sample_input is None:
            raise ValueError("Sample input cannot be None")
        schema: Dict[str, Any] = describe(self.sample_input)
        try:
            json.dumps(schema)
        except TypeError as error:
            raise TypeError(
                "Invalid python data sample provided: ensure that the data is fully JSON "
                "serializable to be able to generate swagger schema from it. "
                f"Actual error: {error}"
            ) from None
        return schema


def _moment(text: Any) -> Any:
    try:
        from dateutil import parser  # type: ignore[import-untyped]
    except ImportError:
        return datetime.datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    return parser.parse(text)
