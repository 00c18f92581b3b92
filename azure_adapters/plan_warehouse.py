"""The SQL pool of a plan: it runs nothing, and notes what would run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from azure_adapters.planned import Add
from azure_adapters.ports import Called
from azure_adapters.warehouse import batches


class Warehouse:
    """A pool that keeps nothing."""

    def __init__(self, add: Add, answers: Callable[[str], list[Mapping[str, Any]]] | None) -> None:
        self._add, self._answers = add, answers

    def deploy(
        self, folder: Path, values: Mapping[str, str], database: str | None = None
    ) -> tuple[str, ...]:
        """Note each file; one whose variables have no values is refused as in earnest."""
        files = sorted(folder.glob("*.sql"))
        for file in files:
            count = len(batches(file.read_text(encoding="utf-8"), values))
            self._add(
                "run", "T-SQL file", file.name, f"{count} batches in {database or 'the pool'}"
            )
        return tuple(file.name for file in files)

    def execute(self, statement: str, *values: Any) -> list[Mapping[str, Any]]:
        """Note what changes something; return what the scenario is told."""
        verb = statement.split(maxsplit=1)[0].upper()
        if verb != "SELECT":
            self._add("run", "statement", " ".join(statement.split())[:60])
        return [] if self._answers is None else self._answers(statement)

    def call(self, procedure: str, values: Mapping[str, Any]) -> Called:
        """Note it; return what the scenario is told."""
        self._add("call", "procedure", procedure, ", ".join(values))
        return Called(0, () if self._answers is None else tuple(self._answers(procedure)))
