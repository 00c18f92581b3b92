"""XPath 1.0 over the document tree: axes, predicates, and the core functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from emulators.datafactory.engine.expressions.values import cut, float_text, spend, units
from emulators.datafactory.engine.expressions.xmls.dom import Node, is_declaration, text_of
from emulators.datafactory.engine.expressions.xmls.xpath_syntax import (
    BadXPath,
    Filter,
    Function,
    LocationStep,
    Negation,
    NodeTest,
    Number,
    Operation,
    Path,
    Text,
    Tree,
    parse_xpath,
)

Result: TypeAlias = list[Node] | str | float | bool


def select_xpath(document: Node, path: str) -> Result:
    """What an expression gives in a document: nodes in document order, or a scalar.

    Raises:
        BadXPath: the expression is not XPath 1.0 or cannot be evaluated.
    """
    for order, node in enumerate(_everything(document)):
        node.order = order
    return _evaluate(parse_xpath(path), _Context(document, 1, 1))


def _everything(node: Node) -> Iterator[Node]:
    yield node
    yield from node.attributes
    for child in node.children:
        yield from _everything(child)


@dataclass(frozen=True, slots=True)
class _Context:
    node: Node
    position: int
    size: int


def _evaluate(tree: Tree, context: _Context) -> Result:
    if isinstance(tree, Number | Text):
        return tree.value
    if isinstance(tree, Path):
        return _walk(tree, context)
    if isinstance(tree, Filter):
        return _filtered(_nodes(_evaluate(tree.primary, context)), tree.predicates)
    if isinstance(tree, Negation):
        return -number_of(_evaluate(tree.operand, context))
    if isinstance(tree, Operation):
        return _operate(tree, context)
    return _call(tree, context)


def _nodes(value: Result) -> list[Node]:
    if not isinstance(value, list):
        raise BadXPath("a node-set is expected")
    return value


def _walk(path: Path, context: _Context) -> list[Node]:
    if path.start is not None:
        nodes = _nodes(_evaluate(path.start, context))
    else:
        nodes = [_root(context.node) if path.absolute else context.node]
    for step in path.steps:
        found: dict[int, Node] = {}
        for node in nodes:
            for chosen in _take_step(step, node):
                found[id(chosen)] = chosen
        nodes = sorted(found.values(), key=lambda node: node.order)
        spend(len(nodes))
    return nodes


def _root(node: Node) -> Node:
    while node.parent is not None:
        node = node.parent
    return node


def _take_step(step: LocationStep, node: Node) -> list[Node]:
    if step.test.kind == "name" and ":" in step.test.name:
        raise BadXPath("prefixes are not bound to namespaces; use local-name()")
    principal = "attribute" if step.axis == "attribute" else "element"
    nodes = [one for one in _AXES[step.axis](node) if _passes(step.test, one, principal)]
    return _filtered(nodes, step.predicates)


def _passes(test: NodeTest, node: Node, principal: str) -> bool:
    if test.kind == "node":
        return node.kind != "declaration"
    if test.kind == "processing-instruction":
        return node.kind == "pi" and test.name in ("", node.name)
    if test.kind != "name":
        return node.kind == test.kind
    if node.kind != principal or test.name == "*":
        return node.kind == principal
    return node.name == test.name and (principal == "attribute" or not node.namespace_of(""))


def _filtered(nodes: list[Node], predicates: Iterable[Tree]) -> list[Node]:
    for predicate in predicates:
        size, kept = len(nodes), []
        spend(size)
        for position, node in enumerate(nodes, 1):
            value = _evaluate(predicate, _Context(node, position, size))
            if position == value if isinstance(value, float) else boolean_of(value):
                kept.append(node)
        nodes = kept
    return nodes


def _ancestors(node: Node) -> Iterator[Node]:
    at = node.parent
    while at is not None:
        yield at
        at = at.parent


def _descendants(node: Node) -> Iterator[Node]:
    for child in node.children:
        yield child
        yield from _descendants(child)


def _siblings(node: Node, *, after: bool) -> list[Node]:
    if node.parent is None or node.kind == "attribute":
        return []
    siblings = node.parent.children
    at = next(index for index, one in enumerate(siblings) if one is node)
    return siblings[at + 1 :] if after else siblings[:at][::-1]


def _following(node: Node) -> Iterator[Node]:
    for at in (node, *_ancestors(node)):
        for sibling in _siblings(at, after=True):
            yield sibling
            yield from _descendants(sibling)


def _preceding(node: Node) -> Iterator[Node]:
    for at in (node, *_ancestors(node)):
        for sibling in _siblings(at, after=False):
            yield from reversed((sibling, *_descendants(sibling)))


_AXES: dict[str, Callable[[Node], Iterable[Node]]] = {
    "self": lambda node: [node],
    "child": lambda node: node.children,
    "parent": lambda node: [node.parent] if node.parent else [],
    "attribute": lambda node: [one for one in node.attributes if not is_declaration(one)],
    "namespace": lambda node: [],
    "ancestor": _ancestors,
    "ancestor-or-self": lambda node: [node, *_ancestors(node)],
    "descendant": _descendants,
    "descendant-or-self": lambda node: [node, *_descendants(node)],
    "following-sibling": lambda node: _siblings(node, after=True),
    "preceding-sibling": lambda node: _siblings(node, after=False),
    "following": _following,
    "preceding": _preceding,
}


def string_of(value: Result) -> str:
    if isinstance(value, list):
        return text_of(value[0]) if value else ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else float_text(value)


def number_of(value: Result) -> float:
    if isinstance(value, bool | float):
        return float(value)
    text = string_of(value).strip(" \t\r\n")
    digits = text.removeprefix("-").replace(".", "", 1)
    return float(text) if digits.isascii() and digits.isdigit() else math.nan


def boolean_of(value: Result) -> bool:
    return bool(value) and not (isinstance(value, float) and math.isnan(value))


def _operate(tree: Operation, context: _Context) -> Result:
    left = _evaluate(tree.left, context)
    if tree.sign in ("or", "and"):
        if boolean_of(left) is (tree.sign == "or"):
            return tree.sign == "or"
        return boolean_of(_evaluate(tree.right, context))
    right = _evaluate(tree.right, context)
    if tree.sign == "|":
        both = {id(node): node for node in (*_nodes(left), *_nodes(right))}
        return sorted(both.values(), key=lambda node: node.order)
    if tree.sign in _ARITHMETIC:
        return _ARITHMETIC[tree.sign](number_of(left), number_of(right))
    return _compare(tree.sign, left, right)


def _divide(first: float, second: float) -> float:
    if second:  # NaN as well
        return first / second
    if not first or math.isnan(first):
        return math.nan
    return math.copysign(math.inf, first) * math.copysign(1, second)


def _modulo(first: float, second: float) -> float:
    if not math.isfinite(first) or not second or math.isnan(second):
        return math.nan
    return math.fmod(first, second)


_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": lambda first, second: first + second,
    "-": lambda first, second: first - second,
    "*": lambda first, second: first * second,
    "div": _divide,
    "mod": _modulo,
}
_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!="}


def _compare(sign: str, left: Result, right: Result) -> bool:
    if isinstance(left, list) and isinstance(right, list):
        spend(len(left) * len(right))
        texts = [text_of(node) for node in right]
        return any(_scalars(sign, text_of(node), text) for node in left for text in texts)
    if isinstance(right, list):
        return _compare(_MIRRORED[sign], right, left)
    if isinstance(left, list):
        if isinstance(right, bool):
            return _scalars(sign, bool(left), right)
        return any(_scalars(sign, text_of(node), right) for node in left)
    return _scalars(sign, left, right)


def _scalars(sign: str, left: Any, right: Any) -> bool:
    if sign in ("=", "!="):
        if isinstance(left, bool) or isinstance(right, bool):
            same = boolean_of(left) == boolean_of(right)
        elif isinstance(left, float) or isinstance(right, float):
            same = number_of(left) == number_of(right)
        else:
            same = left == right
        return same is (sign == "=")
    first, second = number_of(left), number_of(right)
    return {
        "<": first < second,
        ">": first > second,
        "<=": first <= second,
        ">=": first >= second,
    }[sign]


def _call(tree: Function, context: _Context) -> Result:
    known = _FUNCTIONS.get(tree.name)
    if known is None:
        raise BadXPath(f"there is no function '{tree.name}'")
    least, most, call = known
    if not least <= len(tree.arguments) <= most:
        raise BadXPath(f"'{tree.name}' has another number of arguments")
    return call(context, *[_evaluate(argument, context) for argument in tree.arguments])


def _one(context: _Context, given: tuple[Result, ...]) -> Result:
    return given[0] if given else [context.node]


def _first(context: _Context, given: tuple[Result, ...]) -> Node | None:
    nodes = _nodes(_one(context, given))
    return nodes[0] if nodes else None


def _name(context: _Context, *given: Result) -> str:
    node = _first(context, given)
    return node.name if node else ""


def _local_name(context: _Context, *given: Result) -> str:
    return _name(context, *given).rpartition(":")[2]


def _namespace_uri(context: _Context, *given: Result) -> str:
    node = _first(context, given)
    if node is None or node.kind not in ("element", "attribute"):
        return ""
    prefix = node.name.rpartition(":")[0]
    if node.kind == "attribute" and not prefix:
        return ""
    return node.namespace_of(prefix) or ""


def _substring(_context: _Context, text: Result, start: Result, *rest: Result) -> str:
    value = string_of(text)
    begin = _round(number_of(start))
    end = begin + _round(number_of(rest[0])) if rest else math.inf
    if math.isnan(begin) or math.isnan(end):
        return ""
    low = int(min(max(begin, 1), units(value) + 1)) - 1
    high = int(min(max(end, 1), units(value) + 1)) - 1
    return cut(value, low, max(high, low))


def _round(value: float) -> float:
    return float(math.floor(value + 0.5)) if math.isfinite(value) else value


def _whole(how: Callable[[float], int], value: float) -> float:
    return float(how(value)) if math.isfinite(value) else value


def _translate(_context: _Context, text: Result, old: Result, new: Result) -> str:
    targets = string_of(new)
    table: dict[int, str | None] = {}
    for at, character in enumerate(string_of(old)):
        table.setdefault(ord(character), targets[at] if at < len(targets) else None)
    return string_of(text).translate(table)


def _lang(context: _Context, wanted: Result) -> bool:
    for node in (context.node, *_ancestors(context.node)):
        for attribute in node.attributes:
            if attribute.name == "xml:lang":
                language, tag = attribute.value.lower(), string_of(wanted).lower()
                return language == tag or language.startswith(f"{tag}-")
    return False


def _concat(_context: _Context, *parts: Result) -> str:
    text = "".join(map(string_of, parts))
    spend(len(text))
    return text


_FUNCTIONS: dict[str, tuple[int, int, Callable[..., Result]]] = {
    "last": (0, 0, lambda context: float(context.size)),
    "position": (0, 0, lambda context: float(context.position)),
    "count": (1, 1, lambda context, nodes: float(len(_nodes(nodes)))),
    "name": (0, 1, _name),
    "local-name": (0, 1, _local_name),
    "namespace-uri": (0, 1, _namespace_uri),
    "string": (0, 1, lambda context, *given: string_of(_one(context, given))),
    "concat": (2, 999, _concat),
    "starts-with": (2, 2, lambda context, a, b: string_of(a).startswith(string_of(b))),
    "contains": (2, 2, lambda context, a, b: string_of(b) in string_of(a)),
    "substring-before": (
        2,
        2,
        lambda context, a, b: (
            string_of(a).partition(string_of(b))[0]
            if string_of(b) and string_of(b) in string_of(a)
            else ""
        ),
    ),
    "substring-after": (
        2,
        2,
        lambda context, a, b: (
            string_of(a).partition(string_of(b))[2] if string_of(b) else string_of(a)
        ),
    ),
    "substring": (2, 3, _substring),
    "string-length": (0, 1, lambda context, *given: float(units(string_of(_one(context, given))))),
    "normalize-space": (
        0,
        1,
        lambda context, *given: " ".join(string_of(_one(context, given)).split()),
    ),
    "translate": (3, 3, _translate),
    "boolean": (1, 1, lambda context, value: boolean_of(value)),
    "not": (1, 1, lambda context, value: not boolean_of(value)),
    "true": (0, 0, lambda context: True),
    "false": (0, 0, lambda context: False),
    "lang": (1, 1, _lang),
    "number": (0, 1, lambda context, *given: number_of(_one(context, given))),
    "sum": (1, 1, lambda context, nodes: sum((number_of([node]) for node in _nodes(nodes)), 0.0)),
    "floor": (1, 1, lambda context, value: _whole(math.floor, number_of(value))),
    "ceiling": (1, 1, lambda context, value: _whole(math.ceil, number_of(value))),
    "round": (1, 1, lambda context, value: _round(number_of(value))),
}
