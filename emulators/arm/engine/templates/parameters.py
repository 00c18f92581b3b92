"""Parameters: what a template asks for, what is given, and what is thus to be used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emulators.arm.engine.templates.evaluate import resolve
from emulators.arm.engine.templates.frames import Frame, Names
from emulators.arm.engine.templates.values import (
    Value,
    key_of,
    look_up,
    same,
    text_of,
    title,
    whole,
)
from emulators.arm.errors import InvalidTemplate
from emulators.kernel.errors import Unsupported

TRACKED = 'emulators/arm/README.md, "Template deployments"'
TYPES = {
    "string": "String", "securestring": "SecureString", "int": "Int", "bool": "Bool",
    "object": "Object", "secureobject": "SecureObject", "array": "Array",
}  # fmt: skip
SECURE = frozenset({"securestring", "secureobject"})
_EXPECTED = {
    "string": ("String", "String, Uri"),
    "securestring": ("String", "String, Uri"),
    "int": ("Integer", "Integer"),
    "bool": ("Boolean", "Boolean"),
    "object": ("Object", "Object"),
    "secureobject": ("Object", "Object"),
    "array": ("Array", "Array"),
}
_BOUNDS = (
    ("minValue", False, "The value should be greater than or equal to '{}'"),
    ("maxValue", True, "The value should be less than or equal to '{}'"),
)
_LENGTHS = (
    ("minLength", False, "Length of the value should be greater than or equal to '{}'"),
    ("maxLength", True, "Length of the value should be less than or equal to '{}'"),
)
_HELP = "Please see https://aka.ms/arm-create-parameter-file for usage details."


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter as its template declares it."""

    name: str
    type: str  # in lower case
    declared: Mapping[str, Any]

    @property
    def secure(self) -> bool:
        """Whether its value is a secret, which is neither kept nor shown."""
        return self.type in SECURE


def failed(why: str) -> InvalidTemplate:
    """A template that does not hold, in the service's words."""
    return InvalidTemplate(f"Deployment template validation failed: '{why}'.")


def declared(template: Mapping[str, Any]) -> dict[str, Parameter]:
    """The parameters that a template declares, by name as written.

    Raises:
        InvalidTemplate: one without a type that exists.
    """
    found = {}
    for name, one in section(template, "parameters").items():
        if isinstance(one, dict) and "$ref" in one:
            raise Unsupported("type definitions ('$ref') in templates", tracked=TRACKED)
        kind = str(one.get("type", "")).lower() if isinstance(one, dict) else ""
        if kind not in TYPES:
            raise failed(
                f"The template parameter '{name}' is not valid: its type '{kind}' must be one of"
                f" '{', '.join(TYPES.values())}'"
            )
        found[name] = Parameter(name, kind, one)
    return found


def section(template: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A section of a template that is an object; absent and null are empty.

    Raises:
        InvalidTemplate: it is something else.
    """
    value = look_up(template, name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise failed(f"The template section '{name}' must be an object")
    return value


def check_given(parameters: Mapping[str, Parameter], given: Mapping[str, Any]) -> dict[str, Value]:
    """What was given, by the name of its parameter in lower case; null is as if not given.

    Raises:
        InvalidTemplate: a value for a parameter that is not there, or no value where one is due.
        Unsupported: a reference to a vault's secret.
    """
    unknown = [name for name in given if key_of(parameters, name) is None]
    if unknown:
        raise failed(
            f"The template parameters '{', '.join(unknown)}' in the parameters file are not valid;"
            " they are not present in the original template and can therefore not be provided at"
            " deployment time. The only supported parameters for this template are"
            f" '{', '.join(parameters)}'. Please see https://aka.ms/arm-pass-parameter-values for"
            " usage details."
        )
    found: dict[str, Value] = {}
    for name, one in given.items():
        if not isinstance(one, dict) or not ("value" in one or "reference" in one):
            raise failed(
                f"The value of the template parameter '{name}' must be an object with a 'value'"
            )
        if one.get("reference") is not None:
            raise Unsupported("parameters that refer to a vault's secret", tracked=TRACKED)
        if one.get("value") is not None:
            found[name.lower()] = one["value"]
    for name, parameter in parameters.items():
        if name.lower() not in found and "defaultValue" not in parameter.declared:
            if parameter.declared.get("nullable") is True:
                continue
            raise failed(f"The value for the template parameter '{name}' is not provided. {_HELP}")
    return found


def names(parameters: Mapping[str, Parameter], given: Mapping[str, Value], frame: Frame) -> Names:
    """The values of parameters; defaults are worked out in `frame` and may name each other."""

    def work_out(name: str) -> Value:
        parameter = parameters[name]
        if name.lower() in given:
            return checked(parameter, given[name.lower()])
        default = parameter.declared.get("defaultValue")
        if default is None and parameter.declared.get("nullable") is True:
            return None
        return checked(parameter, resolve(default, inner))

    found = Names("parameter", parameters, work_out)
    inner = Frame(frame.at, found, frame.variables, frame.functions, default=True)
    return found


def checked(parameter: Parameter, value: Value) -> Value:
    """A parameter's value, if its declaration allows it.

    Raises:
        InvalidTemplate: it does not.
    """
    wanted, shown = _EXPECTED[parameter.type]
    if wanted == "Integer" and whole(value) is not None:
        value = whole(value)
    if title(value) != wanted:
        raise failed(
            f"Template parameter JToken type is not valid. Expected '{shown}'. Actual"
            f" '{title(value)}'. Please see https://aka.ms/arm-deploy/#parameter-file for usage"
            f" details. (parameter '{parameter.name}')"
        )
    allowed = parameter.declared.get("allowedValues")
    if isinstance(allowed, list):
        _check_allowed(parameter, value, allowed)
    size = value if wanted == "Integer" else len(value) if wanted in ("String", "Array") else None
    rules = _BOUNDS if wanted == "Integer" else _LENGTHS
    for rule, most, words in rules:
        bound = whole(parameter.declared.get(rule))
        if size is None or bound is None:
            continue
        if size > bound if most else size < bound:
            raise failed(
                f"The provided value for the template parameter '{parameter.name}' is not valid."
                f" {words.format(bound)}. Please see https://aka.ms/arm-parameters for usage"
                " details."
            )
    return value


def _check_allowed(parameter: Parameter, value: Value, allowed: list[Value]) -> None:
    """A value among the allowed ones; of an array every element may be."""
    options = [text_of(one) for one in allowed]
    wanted = value if isinstance(value, list) and value not in allowed else [value]
    if all(any(same(one, option) for option in allowed) for one in wanted):
        return
    shown = "***" if parameter.secure else text_of(value)
    raise failed(
        f"The provided value for the template parameter '{parameter.name}' is not valid. The value"
        f" '{shown}' is not part of the allowed value(s): '{','.join(options)}'. Please see"
        " https://aka.ms/arm-parameters for usage details."
    )


def shown(parameters: Mapping[str, Parameter], values: Names) -> dict[str, dict[str, Value]]:
    """Parameters as a deployment shows them: secrets by their type alone."""
    found: dict[str, dict[str, Value]] = {}
    for name, parameter in parameters.items():
        found[name] = {"type": TYPES[parameter.type]}
        if not parameter.secure:
            found[name]["value"] = values.get(name)
    return found
