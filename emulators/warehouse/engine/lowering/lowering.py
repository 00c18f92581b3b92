"""One statement on its way to a plan: its parameters, its aliases, what it touches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from emulators.warehouse.engine.lowering.binding import Binder
from emulators.warehouse.engine.lowering.plans import LoweringEnv
from emulators.warehouse.engine.lowering.predicting import Prediction
from emulators.warehouse.engine.lowering.queries import Queries


class Lowering:
    """What every part of the lowering of one statement shares."""

    def __init__(self, env: LoweringEnv) -> None:
        self.env = env
        self.schema = env.schema
        self.binder = Binder(self)
        self.queries = Queries(self)
        self.predictions: list[Prediction] = []
        self.cacheable = True
        self.common_depth = 0
        self._parameters: dict[str, str] = {}
        self._aliases = 0
        self._objects: dict[tuple[str, str, str], None] = {}
        self._trusted = 0

    def parameter(self, name: str) -> str:
        """A variable as DuckDB's parameter."""
        if name not in self._parameters:
            self._parameters[name] = f"p{len(self._parameters) + 1}"
        return f"${self._parameters[name]}"

    @property
    def parameters(self) -> tuple[str, ...]:
        """The variables in the order of their parameters p1, p2, …"""
        return tuple(self._parameters)

    def alias(self, letter: str = "s") -> str:
        """A name that nothing else in the statement has."""
        self._aliases += 1
        return f"{letter}{self._aliases}"

    def touches(self, schema: str, name: str, action: str) -> None:
        """Note what the caller must be allowed to do; what a view reads is its owner's."""
        if not self._trusted:
            self._objects[schema, name, action] = None

    @property
    def objects(self) -> tuple[tuple[str, str, str], ...]:
        return tuple(self._objects)

    @contextmanager
    def inside_view(self, schema: str) -> Iterator[None]:
        """Names are looked for beside the view, and its owner answers for the rights."""
        before, self.schema = self.schema, schema
        self._trusted += 1
        try:
            yield
        finally:
            self.schema = before
            self._trusted -= 1
