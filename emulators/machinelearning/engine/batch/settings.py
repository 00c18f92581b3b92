"""A deployment's batch settings: read with Azure's defaults, overridden by an invocation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from emulators.machinelearning.engine.jobs.spelling import seconds, text_of
from emulators.machinelearning.errors import ValidationError

APPEND_ROW, SUMMARY_ONLY = "AppendRow", "SummaryOnly"
LEVELS = ("debug", "info", "warning")
DEFAULTS: dict[str, Any] = {
    "errorThreshold": -1,
    "loggingLevel": "Info",
    "maxConcurrencyPerInstance": 1,
    "miniBatchSize": 10,
    "outputAction": APPEND_ROW,
    "outputFileName": "predictions.csv",
}
"""Source: learn.microsoft.com/azure/machine-learning/reference-yaml-deployment-batch."""

RETRIES, TIMEOUT_S, INSTANCES = 3, 30.0, 1
MAX_INT = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Settings:
    """How a deployment's files are scored."""

    mini_batch_size: int = 10  # files
    concurrency: int = 1  # processes an instance
    instances: int = INSTANCES
    retries: int = RETRIES  # after the first try of a mini-batch
    timeout_s: float = TIMEOUT_S  # of one try
    error_threshold: int = -1  # files that may fail; -1: all
    append: bool = True  # False: the script writes its own files
    file_name: str = "predictions.csv"
    level: str = "info"  # one of LEVELS

    @property
    def workers(self) -> int:
        """Processes that Azure would run at most."""
        return self.concurrency * self.instances


def whole(value: Any, name: str, least: int) -> int:
    """A whole number of at least `least`.

    Raises:
        ValidationError: it is something else.
    """
    if isinstance(value, str) and value.strip().lstrip("-").isdigit():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= MAX_INT:
        raise ValidationError(
            f"'{name}' must be a whole number of at least {least}, not {value!r}.", target=name
        )
    return value


def read(values: Mapping[str, Any]) -> Settings:
    """The settings of a deployment's properties; what is absent has Azure's default.

    Raises:
        ValidationError: one cannot be.
    """
    given = {**DEFAULTS, **{k: v for k, v in values.items() if v is not None}}
    action = str(given["outputAction"])
    if action.lower() not in (APPEND_ROW.lower(), SUMMARY_ONLY.lower()):
        raise ValidationError(
            f"outputAction must be {APPEND_ROW} or {SUMMARY_ONLY}, not '{action}'.",
            target="outputAction",
        )
    level = str(given["loggingLevel"]).lower()
    if level not in LEVELS:
        raise ValidationError(
            f"loggingLevel must be Debug, Info or Warning, not '{given['loggingLevel']}'.",
            target="loggingLevel",
        )
    base = Settings(
        mini_batch_size=whole(given["miniBatchSize"], "miniBatchSize", 1),
        concurrency=whole(given["maxConcurrencyPerInstance"], "maxConcurrencyPerInstance", 1),
        instances=_instances(given.get("resources")),
        error_threshold=whole(given["errorThreshold"], "errorThreshold", -1),
        append=action.lower() == APPEND_ROW.lower(),
        file_name=file_name(given["outputFileName"]),
        level=level,
    )
    return _retrying(base, given.get("retrySettings"))


def overridden(base: Settings, given: Mapping[str, Any]) -> Settings:
    """The settings of one invocation; what it does not mention stays as deployed.

    Args:
        given: keys as on the wire, in camel case.

    Raises:
        ValidationError: one cannot be.
    """
    changed = base
    if given.get("miniBatchSize") is not None:
        changed = replace(
            changed, mini_batch_size=whole(given["miniBatchSize"], "miniBatchSize", 1)
        )
    if given.get("errorThreshold") is not None:
        changed = replace(
            changed, error_threshold=whole(given["errorThreshold"], "errorThreshold", -1)
        )
    if given.get("outputFileName") is not None:
        changed = replace(changed, file_name=file_name(given["outputFileName"]))
    if given.get("compute") is not None:
        changed = replace(changed, instances=_instances(given["compute"], changed.instances))
    return _retrying(changed, given.get("retrySettings"))


def file_name(given: Any) -> str:
    """A plain file name.

    Raises:
        ValidationError: empty, or a path.
    """
    name = str(given)
    if not name or PurePosixPath(name).name != name or "\0" in name or name in (".", ".."):
        raise ValidationError(
            f"outputFileName must be a file's name, not '{name[:100]}'.", target="outputFileName"
        )
    return name


def variables(values: Mapping[str, Any]) -> dict[str, str]:
    """The environment variables a deployment gives its script.

    Raises:
        ValidationError: not a map of text.
    """
    given = values.get("environmentVariables") or {}
    if not isinstance(given, Mapping):
        raise ValidationError("environmentVariables must be an object.")
    for name, value in given.items():
        if not name or "=" in name or "\0" in f"{name}{value}" or isinstance(value, dict | list):
            raise ValidationError(
                f"The environment variable '{str(name)[:80]}' is not valid.",
                target="environmentVariables",
            )
    return {str(k): text_of(v) for k, v in given.items()}


def _instances(given: Any, default: int = INSTANCES) -> int:
    """How many instances `resources` or `compute` asks for."""
    if given is None:
        return default
    if not isinstance(given, Mapping):
        raise ValidationError("resources must be an object.", target="resources")
    count = given.get("instanceCount")
    return default if count is None else whole(count, "instanceCount", 1)


def _retrying(base: Settings, given: Any) -> Settings:
    if given is None:
        return base
    if not isinstance(given, Mapping):
        raise ValidationError("retrySettings must be an object.", target="retrySettings")
    retries, timeout = given.get("maxRetries"), seconds(given.get("timeout"))
    if timeout is not None and timeout <= 0:
        raise ValidationError("The timeout must be above 0.", target="retrySettings")
    return replace(
        base,
        retries=base.retries if retries is None else whole(retries, "maxRetries", 0),
        timeout_s=base.timeout_s if timeout is None else timeout,
    )
