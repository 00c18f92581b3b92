"""How a request becomes the arguments of run(): decided once, when the script is loaded."""

from __future__ import annotations

import inspect
import json
from typing import Any, Callable, Dict, List

Parser = Callable[[Any], Dict[str, Any]]


class BadInput(Exception):
    """400: the request does not carry what run() takes."""


class UnsupportedInput(Exception):
    """415: a script with a schema reads JSON only."""


class UnsupportedMethod(Exception):
    """405, or the empty 200 of OPTIONS: only GET and POST reach a script that is not raw."""


def raw(parameter: str) -> Parser:
    """@rawhttp: the request itself, whatever its method."""
    return lambda request: {parameter: request}


def text(parameter: str) -> Parser:
    """A plain run(x): the body as a string, or the query parameters as a JSON string."""

    def parse(request: Any) -> Dict[str, Any]:
        if request.method == "POST":
            try:
                return {parameter: str(request.data, "utf-8")}
            except UnicodeDecodeError as error:
                raise BadInput(f"Input cannot be decoded as UTF-8: {error}") from None
        if request.method == "GET":
            return {parameter: json.dumps(_query(request))}
        raise UnsupportedMethod(request.method)

    return parse


def fields(parameters: List[inspect.Parameter]) -> Parser:
    """A run() with a schema: one value of the JSON object for each parameter."""

    def parse(request: Any) -> Dict[str, Any]:
        if request.method == "POST":
            return _pick(_json_object(request), parameters)
        if request.method == "GET":
            return _pick(_query(request), parameters)
        raise UnsupportedMethod(request.method)

    return parse


def _json_object(request: Any) -> Dict[str, Any]:
    if not request.is_json:
        raise UnsupportedInput("Expects Content-Type to be application/json")
    body = request.get_data()
    try:
        content = json.loads(body)
    except json.JSONDecodeError as error:
        if body:
            raise BadInput(f"POST body could not be decoded as JSON: {error}") from None
        raise BadInput("POST body is empty. Expecting a JSON dictionary.") from None
    if not isinstance(content, dict):
        raise BadInput("POST body should be a JSON dictionary.")
    return content


def _pick(values: Dict[str, Any], parameters: List[inspect.Parameter]) -> Dict[str, Any]:
    picked: Dict[str, Any] = {}
    for parameter in parameters:
        value = values.get(parameter.name, parameter.default)
        if value is inspect.Parameter.empty:
            raise BadInput(f"A value is not provided for the {parameter.name!r} parameter.")
        picked[parameter.name] = value
    return picked


def _query(request: Any) -> Dict[str, Any]:
    """Query parameters: each value as JSON where it is JSON; a repeated name becomes a list."""
    values: Dict[str, Any] = {}
    for name in request.args:
        found = [_loose(value) for value in request.args.getlist(name)]
        values[name] = found[0] if len(found) == 1 else found
    return values


def _loose(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value
