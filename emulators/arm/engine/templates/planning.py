"""A template and its parameters to the resources that are to be, in their order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from emulators.arm.engine.templates import parameters as given_parameters
from emulators.arm.engine.templates.evaluate import count_of, is_property_copy, resolve, unroll
from emulators.arm.engine.templates.frames import (
    Frame,
    Names,
    Place,
    Surroundings,
    UserFunction,
    nothing,
)
from emulators.arm.engine.templates.functions.scopes import path_of
from emulators.arm.engine.templates.parameters import TRACKED, Parameter, failed, section
from emulators.arm.engine.templates.values import Value, key_of, look_up, whole
from emulators.arm.errors import ExpressionInvalid, InvalidTemplate
from emulators.kernel.errors import Unsupported

DEPLOYMENTS = "microsoft.resources/deployments"
GROUPS = "microsoft.resources/resourcegroups"
MOST_RESOURCES = 800
_KNOWN = frozenset(
    {"$schema", "contentversion", "apiprofile", "parameters", "functions", "variables", "resources",
     "outputs", "languageversion", "definitions", "metadata", "imports", "extensions", "asserts"}
)  # fmt: skip
_REFUSED = ("apiProfile", "definitions", "imports", "extensions", "asserts")
_REQUIRED = ("$schema", "contentVersion", "resources")
ABOUT = frozenset(
    {"type", "name", "apiversion", "condition", "dependson", "copy", "scope", "comments",
     "metadata", "resources", "resourcegroup", "subscriptionid", "existing", "dependsonmode"}
)  # fmt: skip
"""Of a resource in a template, what is for the resource manager and not for its provider."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One resource of a template, its name known and its body not yet evaluated."""

    id: str
    type: str
    name: str  # with the names of its parents
    version: str
    body: Mapping[str, Any]
    frame: Frame
    place: Place  # where it is deployed, which for a deployment may be another group
    wanted: bool  # its condition; a resource that already exists is not wanted
    symbol: str = ""
    loop: str = ""
    index: int = -1  # turn of the loop
    depends: frozenset[str] = frozenset()  # keys

    @property
    def key(self) -> str:
        """Its id in lower case."""
        return self.id.lower()


@dataclass(frozen=True, slots=True)
class Plan:
    """A template ready to be deployed."""

    template: Mapping[str, Any]
    frame: Frame
    parameters: Mapping[str, Parameter]
    place: Place
    resources: dict[str, Planned] = field(default_factory=dict)  # by key, in template order

    def shown_parameters(self) -> dict[str, dict[str, Value]]:
        """Parameters as a deployment shows them."""
        return given_parameters.shown(self.parameters, self.frame.parameters)


def check_form(template: object) -> dict[str, Any]:
    """A template that has the parts of one and no others.

    Raises:
        InvalidTemplate: it has not.
        Unsupported: a part that Azure knows and this does not.
    """
    if not isinstance(template, dict):
        raise _unread("A template must be a JSON object. Path ''.")
    for name in template:
        if name.lower() not in _KNOWN:
            raise _unread(f"Could not find member '{name}' on object of type 'Template'.")
    for name in _REQUIRED:
        if look_up(template, name) is None:
            raise _unread(f"Required property '{name}' not found in JSON. Path ''.")
    for name in _REFUSED:
        if look_up(template, name):
            raise Unsupported(f"'{name}' in templates", tracked=TRACKED)
    if not isinstance(look_up(template, "resources"), list | dict):
        raise _unread("The 'resources' of a template must be an array or an object.")
    return template


def _unread(why: str) -> InvalidTemplate:
    return InvalidTemplate(f"Deployment template parse failed: '{why}'.")


def plan(template: object, given: Mapping[str, Any], at: Surroundings, place: Place) -> Plan:
    """Read a template and what is given for its parameters.

    Raises:
        InvalidTemplate: as the service says.
        Unsupported: something that Azure would do and this does not.
    """
    checked = check_form(template)
    try:
        declared = given_parameters.declared(checked)
        values = given_parameters.check_given(declared, given)
        base = Frame(at, functions=_functions(checked))
        names = given_parameters.names(declared, values, base)
        frame = replace(base, parameters=names)
        frame = replace(frame, variables=_variables(checked, frame))
        names.all()
        frame.variables.all()
        return _with_resources(Plan(checked, frame, declared, place))
    except RecursionError:
        raise failed("The template is nested too deeply") from None
    except ExpressionInvalid as wrong:
        raise InvalidTemplate(
            f"Deployment template language expression evaluation failed: '{wrong.message}'. Please"
            " see https://aka.ms/arm-template-expressions for usage details."
        ) from None


def plan_within(template: object, parent: Plan, frame: Frame, place: Place) -> Plan:
    """Read a nested template whose expressions are the parent's."""
    checked = check_form(template)
    for name in ("parameters", "variables"):
        if look_up(checked, name):
            raise Unsupported(
                f"'{name}' in a nested template whose expressions are evaluated in the outer scope",
                tracked=TRACKED,
            )
    return _with_resources(Plan(checked, frame, {}, place))


def _functions(template: Mapping[str, Any]) -> dict[str, UserFunction]:
    found: dict[str, UserFunction] = {}
    spaces = look_up(template, "functions") or []
    if not isinstance(spaces, list):
        raise failed("The template section 'functions' must be an array")
    for space in spaces:
        members = space.get("members") if isinstance(space, dict) else None
        if not isinstance(members, dict):
            raise failed("The template functions must be objects with a 'namespace' and 'members'")
        for name, one in members.items():
            found[f"{space.get('namespace')}.{name}".lower()] = _function(name, one)
    return found


def _function(name: str, declared: object) -> UserFunction:
    given = declared if isinstance(declared, dict) else {}
    output, inputs = given.get("output"), given.get("parameters") or []
    if not isinstance(output, dict) or "value" not in output:
        raise failed(f"The template function '{name}' has no output value")
    if not isinstance(inputs, list) or not all(isinstance(one, dict) for one in inputs):
        raise failed(f"The parameters of the template function '{name}' must be objects")
    return UserFunction(tuple(str(one.get("name")) for one in inputs), output["value"])


def _variables(template: Mapping[str, Any], frame: Frame) -> Names:
    declared = section(template, "variables")
    loops = declared.get("copy")
    is_loop = is_property_copy(loops)
    listed = loops if is_loop and isinstance(loops, list) else []
    looped = {one["name"]: one for one in listed}
    names = [name for name in declared if not (name == "copy" and is_loop)]

    def work_out(name: str) -> Value:
        inner = replace(frame, variables=found)
        return unroll(looped[name], inner) if name in looped else resolve(declared[name], inner)

    found = Names("variable", [*names, *looped], work_out)
    return found


def _with_resources(made: Plan) -> Plan:
    listed = list(_expanded(made))
    if len(listed) > MOST_RESOURCES:
        raise failed(
            f"The number of template resources limit exceeded. Limit: {MOST_RESOURCES} and actual:"
            f" {len(listed)}. Please see https://aka.ms/arm-resource-manager-quotas for usage"
            " details"
        )
    for one in listed:
        had = made.resources.get(one.key)
        if had is not None and had.wanted and one.wanted:
            raise failed(
                f"The resource '{one.id}' is defined multiple times in a template. Please see"
                " https://aka.ms/arm-syntax-resources for usage details."
            )
        if had is None or one.wanted:
            made.resources[one.key] = one
    return made


def _expanded(made: Plan) -> Iterator[Planned]:
    resources = look_up(made.template, "resources")
    named = resources.items() if isinstance(resources, dict) else (("", one) for one in resources)
    for symbol, raw in named:
        for body, frame, loop, index in _turns(raw, made.frame):
            yield from _one(made, body, frame, None, (symbol, loop, index))


def _turns(raw: object, frame: Frame) -> Iterator[tuple[dict[str, Any], Frame, str, int]]:
    if not isinstance(raw, dict):
        raise failed("The resources of a template must be objects")
    loop = look_up(raw, "copy")
    if loop is None:
        yield raw, frame, "", -1
        return
    name = loop.get("name") if isinstance(loop, dict) else None
    if not isinstance(name, str) or not name:
        raise failed("The copy of a resource must be an object with a 'name' and a 'count'")
    for index in range(count_of(loop, frame)):
        yield raw, frame.in_loop(name, index), name, index


def _one(
    made: Plan,
    raw: Mapping[str, Any],
    frame: Frame,
    parent: Planned | None,
    mark: tuple[str, str, int],
) -> Iterator[Planned]:
    """A resource, and the children that are written inside it."""
    symbol, loop, index = mark
    kind, name = _text(raw, "type", frame), _text(raw, "name", frame)
    if parent is not None and not kind.lower().startswith(f"{parent.type.lower()}/"):
        kind, name = f"{parent.type}/{kind}", f"{parent.name}/{name}"
    existing = look_up(raw, "existing") is True
    condition = resolve(look_up(raw, "condition", True), frame)
    if isinstance(condition, str) and condition.lower() in ("true", "false"):
        condition = condition.lower() == "true"
    if not isinstance(condition, bool):
        raise failed(f"The condition of the template resource '{name}' must be a boolean")
    place = _place(raw, kind, frame, made.place)
    found = Planned(
        _id(raw, kind, name, frame, place),
        kind,
        name,
        _text(raw, "apiVersion", frame),
        raw,
        frame,
        place,
        condition and not existing,
        symbol,
        loop,
        index,
    )
    yield found
    children = look_up(raw, "resources") or []
    for child in children if isinstance(children, list) else [None]:
        if not isinstance(child, dict) or look_up(child, "copy") is not None:
            raise failed(
                f"The child resources of '{name}' must be objects without a 'copy'. Please see"
                " https://aka.ms/arm-copy for usage details."
            )
        yield from _one(made, child, frame, found, ("", "", -1))


def _text(raw: Mapping[str, Any], field_name: str, frame: Frame) -> str:
    value = resolve(look_up(raw, field_name), frame)
    if not isinstance(value, str) or not value:
        shown = raw.get("name") or raw.get("type") or ""
        raise failed(
            f"The template resource '{shown}' is not valid: its '{field_name}' must be a string"
            " that is not empty. Please see https://aka.ms/arm-syntax-resources for usage details."
        )
    return value


def _place(raw: Mapping[str, Any], kind: str, frame: Frame, place: Place) -> Place:
    """Where a resource goes; only deployments may name another group or subscription."""
    if kind.lower() != DEPLOYMENTS:
        return place
    subscription, group = look_up(raw, "subscriptionId"), look_up(raw, "resourceGroup")
    if subscription is None and group is None:
        return place
    return Place(
        place.subscription if subscription is None else str(resolve(subscription, frame)),
        "" if group is None else str(resolve(group, frame)),
    )


def _id(raw: Mapping[str, Any], kind: str, name: str, frame: Frame, place: Place) -> str:
    namespace, *types = kind.split("/")
    if not types or len(types) != len(name.split("/")) or not namespace:
        raise failed(
            f"The template resource '{name}' for type '{kind}' has incorrect segment lengths. A"
            " nested resource type must have identical number of segments as its resource name. A"
            " root resource type must have segment length one greater than its resource name."
            " Please see https://aka.ms/arm-syntax-resources for usage details."
        )
    if kind.lower() == GROUPS:
        return f"/subscriptions/{place.subscription}/resourceGroups/{name}"
    rest = path_of("resourceId", kind, tuple(name.split("/")))
    scope = look_up(raw, "scope")
    if scope is None:
        return f"{place.path}/providers/{rest}"
    where = resolve(scope, frame)
    if not isinstance(where, str):
        raise failed(f"The scope of the template resource '{name}' must be a string")
    base = where if where.startswith("/") else f"{place.path}/providers/{where}"
    return f"{base.rstrip('/')}/providers/{rest}"


def batch_size(one: Planned) -> int | None:
    """How many turns of its loop run at once; None when all do."""
    loop = look_up(one.body, "copy") or {}
    if str(loop.get("mode", "parallel")).lower() != "serial":
        return None
    return max(1, whole(resolve(loop.get("batchSize", 1), one.frame)) or 1)


def body_of(one: Planned, frame: Frame) -> dict[str, Any]:
    """What is sent to the provider, as far as the template says it, evaluated in `frame`.

    Only in `properties` may expressions ask for what other resources have become.
    """
    static = replace(frame, runtime=None)
    return {
        name: resolve(value, frame if name.lower() == "properties" else static)
        for name, value in one.body.items()
        if name.lower() not in ABOUT
    }


def nested(one: Planned) -> dict[str, Any] | None:
    """The properties of a deployment inside a template, as written; None for any other resource."""
    if one.type.lower() != DEPLOYMENTS:
        return None
    properties = look_up(one.body, "properties")
    if not isinstance(properties, dict):
        raise failed(f"The nested deployment '{one.name}' has no properties")
    return properties


def inner_scope(properties: Mapping[str, Any]) -> bool:
    """Whether a nested template's expressions are its own; those of a linked one always are."""
    if look_up(properties, "templateLink") is not None:
        return True
    options = look_up(properties, "expressionEvaluationOptions") or {}
    return isinstance(options, dict) and str(look_up(options, "scope", "")).lower() == "inner"


__all__ = ["Plan", "Planned", "key_of", "nothing", "plan", "plan_within"]
