"""Stand-in: parameters that are pandas frames."""

from __future__ import annotations

import io
import json
from typing import Any, Dict

import pandas as pd
from inference_schema.parameter_types.abstract_parameter_type import (
    AbstractParameterType,
    describe_dict,
    describe_list,
)

ORIENTS = ("split", "records", "index", "columns", "values", "table")


class PandasParameterType(AbstractParameterType):  # type: ignore[misc]
    """A frame like the sample: its column types, and its number of columns."""

    def __init__(
        self,
        sample_input: Any,
        enforce_column_type: bool = True,
        enforce_shape: bool = True,
        apply_column_names: bool = False,
        orient: str = "records",
    ) -> None:
        if not isinstance(sample_input, pd.DataFrame):
            raise Exception(
                "Invalid sample input provided, must provide a sample Pandas Dataframe."
            )
        if orient not in ORIENTS:
            raise Exception(f"Invalid orient provided, must be one of {ORIENTS}")
        super().__init__(sample_input)
        self.enforce_column_type = enforce_column_type
        self.enforce_shape = enforce_shape
        self.apply_column_names = apply_column_names
        self.orient = orient

    def deserialize_input(self, input_data: Any) -> Any:
        """Convert parsed JSON in the sample's orient.

        Raises:
            ValueError: another number of columns, or values a column type cannot hold.
        """
        if isinstance(input_data, pd.DataFrame):
            return input_data
        if not isinstance(input_data, (list, dict)):
            raise Exception(
                f"Error, unable to convert input of type {type(input_data)} into Pandas Dataframe"
            )
        text = io.StringIO(json.dumps(input_data))
        frame: Any = pd.read_json(text, orient=self.orient, dtype=False)  # type: ignore[call-overload]
        if self.apply_column_names:
            frame.columns = self.sample_input.columns.copy()
        if self.enforce_column_type:
            frame = self._typed(frame)
        if self.enforce_shape and frame.shape[1] != self.sample_input.shape[1]:
            raise ValueError(
                f"Invalid input data frame: data frame has size {frame.shape[1]} on dimension #1, "
                f"while expected value is {self.sample_input.shape[1]}"
            )
        return frame

    def _typed(self, frame: Any) -> Any:
        known = self.sample_input.dtypes.to_dict()
        wanted = {name: known.get(name, object) for name in frame.columns}
        for name, dtype in wanted.items():
            if str(dtype).startswith("timedelta"):
                frame[name] = pd.to_timedelta(frame[name])
        return frame.astype(dtype=wanted)

    def input_to_swagger(self) -> Dict[str, Any]:
        """Describe the sample in its orient."""
        sample = json.loads(self.sample_input.to_json(orient=self.orient, date_format="iso"))
        listed = self.orient in ("records", "values")
        schema: Dict[str, Any] = describe_list(sample) if listed else describe_dict(sample)
        for name in self.sample_input.columns:
            dtype = str(self.sample_input.dtypes[name])
            for start, form in (("datetime", "date-time"), ("timedelta", "timedelta")):
                if dtype.startswith(start):
                    self._mark(schema, str(name), form)
        schema["format"] = f"pandas.DataFrame:{self.orient}"
        return schema

    def _mark(self, schema: Any, name: str, form: str) -> None:
        if self.orient == "records":
            schema["items"]["properties"][name]["format"] = form
        elif self.orient == "index":
            for row in schema["properties"].values():
                row["properties"][name]["format"] = form
        elif self.orient == "columns":
            for cell in schema["properties"][name]["properties"].values():
                cell["format"] = form
        elif self.orient == "table":
            schema["properties"]["data"]["items"]["properties"][name]["format"] = form
