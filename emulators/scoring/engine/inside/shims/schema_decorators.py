"""Stand-in: @input_schema and @output_schema, which convert arguments and record schemas."""

from __future__ import annotations

import copy
import functools
import inspect
from typing import Any, Callable

from inference_schema import schema_util
from inference_schema.parameter_types.abstract_parameter_type import AbstractParameterType

Decorator = Callable[[Any], Any]


def input_schema(
    param_name: str, param_type: Any, convert_to_provided_type: bool = True, optional: bool = False
) -> Decorator:
    """Describe one parameter, and convert what is given for it."""
    _check(param_type)
    described = param_type.input_to_swagger()
    versions = param_type.supported_versions()

    def decorate(func: Any) -> Any:
        inner = schema_util._innermost(func)
        names = inspect.getfullargspec(inner).args
        _record_input(inner, names, param_name, described)
        _record_versions(inner, "input_schema", versions)

        @functools.wraps(func)
        def converted(*args: Any, **kwargs: Any) -> Any:
            if convert_to_provided_type and not _already_split(args):
                if param_name in kwargs:
                    if not optional or kwargs[param_name]:
                        kwargs[param_name] = _convert(kwargs[param_name], param_type)
                elif not optional:
                    if param_name not in names:
                        raise Exception(
                            f'Error, provided param_name "{param_name}" is not in the decorated '
                            "function."
                        )
                    at = names.index(param_name)
                    args = (*args[:at], _convert(args[at], param_type), *args[at + 1 :])
            return func(*args, **kwargs)

        return converted

    return decorate


def output_schema(output_type: Any) -> Decorator:
    """Describe what the function returns; it is not converted."""
    _check(output_type)
    described = output_type.input_to_swagger()
    versions = output_type.supported_versions()

    def decorate(func: Any) -> Any:
        inner = schema_util._innermost(func)
        name = schema_util._get_function_full_qual_name(inner)
        recorded = schema_util.__functions_schema__.setdefault(name, {})
        if "output_schema" in recorded:
            raise Exception(f"Error, output schema already defined for function: {name}.")
        recorded["output_schema"] = described
        _record_versions(inner, "output_schema", versions)

        @functools.wraps(func)
        def same(*args: Any, **kwargs: Any) -> Any:
            return func(*args, **kwargs)

        return same

    return decorate


def _check(param_type: Any) -> None:
    if not isinstance(param_type, AbstractParameterType):
        raise Exception(
            "Error, provided param_type must be a subclass of the AbstractParameterType."
        )


def _already_split(args: Any) -> bool:
    """One dictionary of `parameters` and `input_string` is passed through, as by the package."""
    return bool(args and type(args[0]) is dict and set(args[0]) == {"parameters", "input_string"})


def _record_input(inner: Any, names: Any, param_name: str, described: Any) -> None:
    name = schema_util._get_function_full_qual_name(inner)
    recorded = schema_util.__functions_schema__.setdefault(name, {})
    if "input_schema" not in recorded:
        recorded["input_schema"] = {
            "type": "object",
            "properties": {other: {} for other in names},
            "example": dict.fromkeys(names, ""),
        }
    schema = copy.deepcopy(described)
    recorded["input_schema"]["example"][param_name] = schema.pop("example")
    recorded["input_schema"]["properties"][param_name] = schema


def _record_versions(inner: Any, kind: str, versions: Any) -> None:
    name = schema_util._get_function_full_qual_name(inner)
    schema_util.__versions__.setdefault(name, {})[kind] = versions


def _convert(value: Any, param_type: Any) -> Any:
    """Convert one argument, and what it nests, to the types of the sample."""
    wanted = param_type.sample_data_type
    if wanted is dict:
        if not isinstance(value, dict):
            raise _wrong(wanted, value)
        for key, inner in param_type.sample_data_type_map.items():
            if key in value:
                value[key] = _convert(value[key], inner)
        return value
    if wanted in (list, tuple):
        if not isinstance(value, (list, tuple)):
            raise _wrong(wanted, value)
        inner_types = param_type.sample_data_type_list
        return [_convert(item, inner_types[0]) for item in value] if inner_types else value
    return value if isinstance(value, wanted) else param_type.deserialize_input(value)


def _wrong(wanted: Any, value: Any) -> ValueError:
    return ValueError(f"Invalid input data type to parse. Expected: {wanted} but got {type(value)}")
