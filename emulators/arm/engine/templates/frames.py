"""What an expression can see: names, loops, and where in a deployment it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from emulators.arm.engine.templates.values import Value
from emulators.arm.errors import ExpressionInvalid


@dataclass(frozen=True, slots=True)
class Place:
    """Where a template is deployed to: a group, a subscription, or (both empty) the tenant."""

    subscription: str = ""
    group: str = ""

    @property
    def path(self) -> str:
        """The id of the scope; empty for the tenant."""
        group = f"/resourceGroups/{self.group}" if self.group else ""
        return f"/subscriptions/{self.subscription}{group}" if self.subscription else ""


class Runtime(Protocol):
    """What can be asked of resources while a deployment runs."""

    def reference(self, name: str, version: str | None, full: bool) -> Value:
        """The state of a resource.

        Raises:
            Wanted: it has to be fetched first.
        """
        ...

    def action(self, action: str, name: str, version: str, body: Value) -> Value:
        """What a `list…` action of a resource answers.

        Raises:
            Wanted: it has to be fetched first.
        """
        ...


class Wanted(Exception):
    """A value that has to be fetched before an expression can be evaluated."""

    def __init__(self, path: str, version: str, action: str = "", body: Value = None) -> None:
        super().__init__(path)
        self.path, self.version, self.action, self.body = path, version, action, body

    @property
    def key(self) -> str:
        """What tells one question from another."""
        return f"{self.action} {self.path.lower()} {self.version} {self.body!r}"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Facts about the deployment that functions without arguments return."""

    place: Place
    facts: Mapping[str, Value]  # resourceGroup, subscription, tenant, deployment, environment
    now: datetime  # UTC
    guid: Callable[[], str]


class Names:
    """Named values that are worked out when first asked for, and may name each other."""

    def __init__(self, what: str, names: Iterable[str], work_out: Callable[[str], Value]) -> None:
        self._what = what
        self._names = {name.lower(): name for name in names}
        self._work_out = work_out
        self._found: dict[str, Value] = {}
        self._open: list[str] = []

    def get(self, name: str) -> Value:
        """The value of a name.

        Raises:
            ExpressionInvalid: there is none, or it depends on itself.
        """
        key = name.lower()
        if key in self._found:
            return self._found[key]
        if key not in self._names:
            raise ExpressionInvalid(
                f"The template {self._what} '{name}' is not found. Please see"
                f" https://aka.ms/arm-syntax-{self._what}s for usage details."
            )
        if key in self._open:
            chain = ", ".join([*self._open, key])
            raise ExpressionInvalid(
                f"The template {self._what}s '{chain}' cannot be evaluated: they depend on each"
                f" other. Please see https://aka.ms/arm-syntax-{self._what}s for usage details."
            )
        self._open.append(key)
        try:
            self._found[key] = self._work_out(self._names[key])
        finally:
            self._open.pop()
        return self._found[key]

    def all(self) -> dict[str, Value]:
        """Every value by its name as written."""
        return {name: self.get(name) for name in self._names.values()}


def nothing(what: str) -> Names:
    """Names where there are none."""
    return Names(what, (), lambda name: None)


@dataclass(frozen=True, slots=True)
class UserFunction:
    """A function that a template defines."""

    parameters: tuple[str, ...]
    output: Value


@dataclass(frozen=True, slots=True)
class Frame:
    """Everything an expression may refer to."""

    at: Surroundings
    parameters: Names = field(default_factory=lambda: nothing("parameter"))
    variables: Names = field(default_factory=lambda: nothing("variable"))
    functions: Mapping[str, UserFunction] = field(default_factory=dict)  # by lower-case name
    loops: Mapping[str, int] = field(default_factory=dict)  # by lower-case name
    loop: str = ""  # the innermost, for copyIndex() without a name
    lambdas: Mapping[str, Value] = field(default_factory=dict)  # by lower-case name
    runtime: Runtime | None = None  # where `reference` and `list…` may be used
    default: bool = False  # in a parameter's default, where newGuid and utcNow may be used

    def in_loop(self, name: str, index: int, *, named_only: bool = False) -> Frame:
        """The frame of one turn of a loop."""
        loops = {**self.loops, name.lower(): index}
        return replace(self, loops=loops, loop=self.loop if named_only else name.lower())

    def with_lambdas(self, names: Mapping[str, Value]) -> Frame:
        """The frame inside a lambda."""
        return replace(self, lambdas={**self.lambdas, **names})
