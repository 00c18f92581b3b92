"""The data factory and the vault of a plan: they touch nothing and note what would be made."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from azure_adapters.planned import Add
from azure_adapters.ports import FactoryRun, PublishedFactory, Say


class Secrets:
    """A vault that keeps nothing."""

    def __init__(self, add: Add) -> None:
        self._add = add

    def keep_credential(self, name: str) -> str:
        """Note it."""
        self._add("create", "secret", name, "the application's own secret")
        return "next"

    def keep(self, name: str, value: str) -> str:
        """Note it, but for the value."""
        del value
        self._add("create", "secret", name)
        return "next"

    def let_read(self, principal: str) -> None:
        """Note it."""
        self._add("create", "role assignment", "Key Vault Secrets User", f"for {principal}")


class Factories:
    """A factory that runs nothing."""

    def __init__(
        self,
        add: Add,
        name: str,
        answers: Callable[[str, Mapping[str, Any]], FactoryRun] | None,
    ) -> None:
        self._add, self._name, self._answers = add, name or "(not set)", answers
        self._runs: dict[str, tuple[str, Mapping[str, Any]]] = {}
        self._triggers: dict[str, str] = {}

    def publish(self, folder: Path, values: Mapping[str, str | int]) -> PublishedFactory:
        """Note the factory and every file of the folder."""
        self._add("create", "data factory", self._name, f"{len(values)} global parameters set")
        kinds = ("credential", "integrationRuntime", "linkedService", "dataset", "dataflow")
        for kind in (*kinds, "pipeline", "trigger"):
            for name in _names(folder / kind):
                self._add("create", kind, f"{self._name}/{name}")
        for file in sorted((folder / "trigger").glob("*.json")):
            properties = json.loads(file.read_text(encoding="utf-8"))["properties"]
            (started, *_) = properties["pipelines"]
            self._triggers[file.stem] = started["pipelineReference"]["referenceName"]
        pipelines, triggers = _names(folder / "pipeline"), _names(folder / "trigger")
        return PublishedFactory(self._name, "the factory's identity", pipelines, triggers)

    def run(self, pipeline: str, parameters: Mapping[str, Any]) -> str:
        """Note it; return a made-up id."""
        self._add("submit", "pipeline run", pipeline, ", ".join(parameters))
        return self._started(pipeline, parameters)

    def _started(self, pipeline: str, parameters: Mapping[str, Any]) -> str:
        run = f"run-{len(self._runs) + 1}"
        self._runs[run] = (pipeline, parameters)
        return run

    def wait(self, run: str, say: Say) -> FactoryRun:
        """Return what the scenario is told of the run."""
        say(f"{run} is not run: this is a plan")
        assert self._answers is not None, "this scenario runs no pipeline"
        return self._answers(*self._runs[run])

    def start(self, trigger: str, in_seconds: float) -> None:
        """Note it."""
        self._add("update", "trigger", trigger, f"started, first in {in_seconds:g} s")

    def fired(self, trigger: str, timeout_s: float = 300) -> str:
        """Note the run that it would start."""
        self._add("submit", "pipeline run", self._triggers[trigger], f"by {trigger}")
        return self._started(self._triggers[trigger], {})

    def stop(self, trigger: str) -> None:
        """Note it."""
        self._add("update", "trigger", trigger, "stopped")


def _names(folder: Path) -> tuple[str, ...]:
    return tuple(file.stem for file in sorted(folder.glob("*.json")))
