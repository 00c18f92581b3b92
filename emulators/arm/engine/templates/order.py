"""What has to be there before what: explicit, implied and batched dependencies of a plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from emulators.arm.engine.templates import syntax
from emulators.arm.engine.templates.evaluate import evaluate, resolve
from emulators.arm.engine.templates.frames import Frame, Wanted
from emulators.arm.engine.templates.parameters import failed
from emulators.arm.engine.templates.planning import (
    Plan,
    Planned,
    batch_size,
    inner_scope,
    nested,
)
from emulators.arm.engine.templates.values import look_up
from emulators.arm.errors import ExpressionInvalid
from emulators.kernel.errors import Unsupported


def ordered(made: Plan) -> Plan:
    """The plan with every resource's dependencies.

    Raises:
        InvalidTemplate: a dependency on nothing, or a circle.
    """
    book = Book(made.resources, _loops(made.template))
    linked = {
        key: replace(one, depends=frozenset(_depends(one, book) - {key})) if one.wanted else one
        for key, one in made.resources.items()
    }
    for loop in {one.loop for one in linked.values() if one.loop}:
        _batch(loop, linked)
    found = replace(made, resources=linked)
    _check_circles(found)
    return found


class Book:
    """Finds the resources of a template by all the ways in which it may name them."""

    def __init__(self, resources: Mapping[str, Planned], loops: Iterable[str] = ()) -> None:
        self._resources = resources
        self._named: dict[str, list[Planned]] = {}
        self._loops: dict[str, list[Planned]] = {loop.lower(): [] for loop in loops}
        for one in resources.values():
            self._named.setdefault(one.name.lower(), []).append(one)
            for mark in {one.loop.lower(), one.symbol.lower() if one.loop else ""} - {""}:
                self._loops.setdefault(mark, []).append(one)
            if one.symbol:
                turn = f"[{one.index}]" if one.loop else ""
                self._named.setdefault(f"{one.symbol.lower()}{turn}", []).append(one)

    def one(self, name: str) -> Planned | None:
        """The resource that a name, symbol or id means; None when it is not in the template.

        Raises:
            ExpressionInvalid: the name means more than one.
        """
        key = name.lower()
        if key in self._resources:
            return self._resources[key]
        found = self._named.get(key, [])
        wanted = [one for one in found if one.wanted] or found
        if not wanted and "/" in key.strip("/") and not key.startswith("/"):
            end = f"/providers/{key}"
            wanted = [one for one in self._resources.values() if one.key.endswith(end)]
        if len({one.key for one in wanted}) > 1:
            raise ExpressionInvalid(
                f"The template reference '{name}' is not valid: multiple resources with the same"
                " name were found. Please use fully qualified resource identifier to reference by"
                " type and name. Please see https://aka.ms/arm-template-expressions/#reference for"
                " usage details."
            )
        return wanted[0] if wanted else None

    def loop(self, name: str) -> list[Planned] | None:
        """The resources of a loop; None when there is none of that name."""
        return self._loops.get(name.lower())


def _depends(one: Planned, book: Book) -> set[str]:
    found: set[str] = set()
    listed = resolve(look_up(one.body, "dependsOn") or [], one.frame)
    if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
        raise failed(f"The dependsOn of the template resource '{one.name}' must be strings")
    for item in listed:
        loop = book.loop(item)
        named = book.one(item)
        if named is not None:
            found |= {named.key} if named.wanted else set()
        elif loop is not None:
            found |= {turn.key for turn in loop if turn.wanted}
        else:
            raise failed(
                f"The resource '{item}' is not defined in the template. Please see"
                " https://aka.ms/arm-syntax for usage details."
            )
    return found | _implied(one, book)


def _loops(template: Mapping[str, Any]) -> Iterator[str]:
    """Names and symbols of every loop, of those too that do not turn at all."""
    resources = look_up(template, "resources")
    named = resources.items() if isinstance(resources, dict) else (("", one) for one in resources)
    for symbol, one in named:
        loop = look_up(one, "copy")
        if loop is not None:
            yield from (name for name in (symbol, str(loop.get("name"))) if name)


def _implied(one: Planned, book: Book) -> set[str]:
    """Resources of the template that a `reference` or `list…` names."""
    found: set[str] = set()
    for text in _expressions(one):
        for call in syntax.calls(syntax.parse(text)):
            name = call.name.lower()
            is_reference = name == "reference"
            if not call.arguments or not (is_reference or name.startswith("list")):
                continue
            named = _static(call.arguments[0], one.frame)
            target = book.one(named) if named is not None else None
            by_name = named is not None and not named.startswith("/")
            implied = by_name or (is_reference and len(call.arguments) == 1)
            if target is not None and target.wanted and implied:
                found.add(target.key)
    return found


def _static(node: syntax.Node, frame: Frame) -> str | None:
    try:
        value = evaluate(node, frame)
    except (ExpressionInvalid, Wanted, Unsupported):
        return None  # known only where it is used
    return value if isinstance(value, str) else None


def _expressions(one: Planned) -> Iterator[str]:
    """Every expression that is evaluated when this resource is deployed."""
    skipped = {"resources", "dependson"}
    properties = nested(one)
    for name, value in one.body.items():
        if name.lower() in skipped:
            continue
        if value is properties and properties is not None and inner_scope(properties):
            value = {k: v for k, v in properties.items() if k.lower() != "template"}  # noqa: PLW2901
        yield from _texts(value)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if syntax.is_expression(value):
            yield value
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _texts(key)
            yield from _texts(one)


def _batch(loop: str, linked: dict[str, Planned]) -> None:
    turns = [one for one in linked.values() if one.loop == loop and one.wanted]
    size = batch_size(turns[0]) if turns else None
    if size is None:
        return
    for one in turns:
        start = one.index // size * size
        before = {other.key for other in turns if start - size <= other.index < start}
        linked[one.key] = replace(one, depends=one.depends | before)


def _check_circles(made: Plan) -> None:
    done: set[str] = set()
    for start in made.resources:
        stack: list[tuple[str, Iterator[str]]] = [(start, iter(made.resources[start].depends))]
        open_keys = {start}
        while stack:
            key, rest = stack[-1]
            after = next(rest, None)
            if after is None:
                stack.pop()
                open_keys.discard(key)
                done.add(key)
            elif after in open_keys:
                raise failed(
                    f"Circular dependency detected on resource: '{made.resources[after].id}'."
                    " Please see https://aka.ms/arm-syntax-resources for usage details."
                )
            elif after not in done:
                stack.append((after, iter(made.resources[after].depends)))
                open_keys.add(after)
