"""Find the operation a path means: a tree of segments, literals before names, case ignored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import unquote

T = TypeVar("T")


@dataclass(slots=True)
class _Node(Generic[T]):
    literals: dict[str, _Node[T]] = field(default_factory=dict)
    names: dict[str, _Node[T]] = field(default_factory=dict)
    rest: dict[str, dict[str, T]] = field(default_factory=dict)  # name -> method -> value
    here: dict[str, T] = field(default_factory=dict)  # method -> value


@dataclass(frozen=True, slots=True)
class Match(Generic[T]):
    """What a path means: values by method, and what its named segments hold, decoded."""

    by_method: dict[str, T]
    params: dict[str, str]


class Routes(Generic[T]):
    """Path templates such as `/subscriptions/{sub}/providers` or `/{container}/{blob:path}`.

    Literals match in any case, as Azure's do; `{x:path}` takes all that is left, slashes and
    all, and may be empty. A literal wins over a name, a name over a rest.
    """

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()

    def add(self, method: str, template: str, value: T) -> None:
        """Add a route.

        Raises:
            ValueError: the same method and path are taken.
        """
        node = self._root
        segments = template.strip("/").split("/") if template.strip("/") else []
        for index, segment in enumerate(segments):
            if segment.startswith("{") and segment.endswith(":path}"):
                if index != len(segments) - 1:
                    raise ValueError(f"a rest must come last: {template}")
                _claim(node.rest.setdefault(segment[1:-6], {}), method, template, value)
                return
            if segment.startswith("{"):
                node = node.names.setdefault(segment[1:-1], _Node())
            else:
                node = node.literals.setdefault(segment.lower(), _Node())
        _claim(node.here, method, template, value)

    def find(self, raw_path: str, method: str) -> Match[T] | None:
        """The best match that knows `method`; failing that, the best that knows another."""
        segments = raw_path[1:].split("/") if len(raw_path) > 1 else []
        other: Match[T] | None = None
        for by_method, params in self._walk(self._root, segments, 0):
            found = Match(by_method, params)
            if method in by_method:
                return found
            other = other or found
        return other

    def _walk(
        self, node: _Node[T], segments: list[str], at: int
    ) -> Iterator[tuple[dict[str, T], dict[str, str]]]:
        if at == len(segments) or (at == len(segments) - 1 and segments[at] == "" and node.here):
            if node.here:
                yield node.here, {}
        else:
            literal = node.literals.get(segments[at].lower())
            if literal is not None:
                yield from self._walk(literal, segments, at + 1)
            if segments[at]:
                for name, child in node.names.items():
                    for values, params in self._walk(child, segments, at + 1):
                        yield values, {name: unquote(segments[at]), **params}
        for name, values in node.rest.items():
            yield values, {name: unquote("/".join(segments[at:]))}


def _claim(taken: dict[str, T], method: str, template: str, value: T) -> None:
    if method in taken:
        raise ValueError(f"{method} {template} is routed twice")
    taken[method] = value
