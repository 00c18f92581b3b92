"""Deployments' properties as a request states them: refused where they cannot be, or be served."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emulators.kernel.errors import Unsupported
from emulators.machinelearning.engine.collection import wanted
from emulators.machinelearning.engine.endpoints import contents
from emulators.machinelearning.engine.endpoints.records import MAX_INSTANCES, README
from emulators.machinelearning.errors import UserError, ValidationError

MAX_TIMEOUT_MS = 180_000
MAX_CONCURRENCY = 10_000
MAX_PROCESSES = 64  # of one deployment, on this one machine
TEXTS = ("model", "environmentId", "instanceType", "description", "modelMountPath")
OBJECTS = (
    "codeConfiguration",
    "environmentVariables",
    "requestSettings",
    "dataCollector",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "properties",
)


def check(values: Mapping[str, Any], capacity: int) -> None:
    """Refuse properties that cannot be as they are stated; assets are looked up elsewhere.

    Args:
        values: properties of a deployment as on the wire.
        capacity: how many instances.

    Raises:
        ValidationError, UserError: Azure would refuse it, too.
        Unsupported: Azure would not.
    """
    _check_shapes(values)
    kind = values.get("endpointComputeType") or "Managed"
    if kind != "Managed":
        raise Unsupported(f"online deployments of type {kind}", tracked=README)
    if values.get("modelMountPath"):
        raise Unsupported("modelMountPath: containers of one's own", tracked=README)
    if not 1 <= capacity <= MAX_INSTANCES:
        raise ValidationError(f"The instance count must be 1 to {MAX_INSTANCES}.", target="sku")
    _check_settings(values.get("requestSettings") or {}, values)
    _check_variables(values.get("environmentVariables") or {}, capacity)
    _check_code(values)
    wanted.read(values.get("dataCollector"))


def _check_shapes(values: Mapping[str, Any]) -> None:
    for name in TEXTS:
        if not isinstance(values.get(name), str | None):
            raise ValidationError(f"The field '{name}' must be text.", target=name)
    for name in OBJECTS:
        if not isinstance(values.get(name), Mapping | None):
            raise ValidationError(f"The field '{name}' must be an object.", target=name)


def _check_settings(settings: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    if not 1 <= contents.timeout_ms(values) <= MAX_TIMEOUT_MS:
        raise ValidationError(
            f"The request timeout must be 1 to {MAX_TIMEOUT_MS} ms.", target="requestSettings"
        )
    given = settings.get("maxConcurrentRequestsPerInstance")
    whole = isinstance(given, int) and not isinstance(given, bool)
    if given is not None and not (whole and 1 <= given <= MAX_CONCURRENCY):
        raise ValidationError(
            f"maxConcurrentRequestsPerInstance must be 1 to {MAX_CONCURRENCY}.",
            target="requestSettings",
        )


def _check_variables(variables: Mapping[str, Any], capacity: int) -> None:
    for name, value in variables.items():
        plain = isinstance(value, str | int | float)
        if not plain or not name or "=" in name or "\0" in f"{name}{value}":
            raise ValidationError(
                f"The environment variable '{name[:80]}' is not valid.",
                target="environmentVariables",
            )
    processes = capacity * contents.worker_count(variables)
    if processes > MAX_PROCESSES:
        raise Unsupported(
            f"{processes} processes for one deployment (instances x WORKER_COUNT); at most"
            f" {MAX_PROCESSES} run on this machine",
            tracked=README,
        )


def _check_code(values: Mapping[str, Any]) -> None:
    code = values.get("codeConfiguration") or {}
    for name in ("codeId", "scoringScript"):
        if not isinstance(code.get(name), str | None) or "\0" in (code.get(name) or ""):
            raise ValidationError(f"codeConfiguration.{name} must be text.", target=name)
    if bool(code.get("codeId")) != bool(code.get("scoringScript")):
        raise UserError("codeConfiguration needs both code and scoringScript.")
    if code.get("codeId") and not values.get("environmentId"):
        raise UserError("A deployment with a scoring script needs an environment.")
    if not code.get("codeId") and not values.get("model"):
        raise Unsupported(
            "deployments of a container without model and scoring script", tracked=README
        )
