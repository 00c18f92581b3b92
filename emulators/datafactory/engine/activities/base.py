"""What an activity is given when it runs, what it gives back, and how it fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from emulators.datafactory.engine.definitions import Activity
from emulators.datafactory.engine.expressions import Scope, evaluate
from emulators.datafactory.store import PipelineRun
from emulators.kernel.context import Context

RUNTIME = "AutoResolveIntegrationRuntime"


class ActivityFailed(Exception):
    """An attempt failed, in the words that the activity run's `error` shows.

    `failure_type` is UserError or SystemError; `output` is what expressions still see.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        failure_type: str = "UserError",
        details: object = "",
        output: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.failure_type = code, message, failure_type
        self.details, self.output = details, dict(output or {})


class Published(Protocol):
    """The published resources of the factory that the run belongs to."""

    def find(self, kind: str, name: str) -> Mapping[str, Any] | None:
        """The properties of a child by the wire's kind (`datasets`, `linkedservices`, ...)."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt of one activity."""

    ctx: Context
    activity: Activity
    run: PipelineRun
    scope: Scope
    published: Published
    id: str  # activityRunId
    note: Callable[[Mapping[str, Any]], None]  # keeps facts that survive a restart (child run, ...)
    noted: Mapping[str, Any] = field(default_factory=dict)  # what an interrupted attempt had noted
    leaving: Callable[[], bool] = bool  # cancelled because the server ends: leave remote work alone

    def value(self, name: str, default: Any = None) -> Any:
        """A member of `typeProperties`, expressions in it evaluated at any depth.

        Raises:
            ExpressionError: it cannot be evaluated.
        """
        raw = self.activity.properties.get(name)
        return default if raw is None else evaluate(raw, self.scope)


@dataclass(frozen=True, slots=True)
class Done:
    """What a successful attempt leaves: `output` for expressions and monitor, `input` for it."""

    output: Mapping[str, Any]
    input: Mapping[str, Any] = field(default_factory=dict)
    integration_runtimes: tuple[str, ...] = ()


Executor = Callable[[Call], Awaitable[Done]]
"""Runs one attempt. Containers and control activities are the runner's own, not executors.

Raises:
    ActivityFailed: the attempt failed; the runner retries by the policy.
    ExpressionError: a field cannot be evaluated; never retried.
"""
