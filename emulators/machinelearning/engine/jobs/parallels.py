"""What a parallel step asks for, read from its node over its component; what is refused, by name.

Source: learn.microsoft.com/azure/machine-learning/reference-yaml-job-parallel for the keys and
their defaults.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emulators.kernel.errors import Unsupported
from emulators.machinelearning.engine.jobs.refusals import README
from emulators.machinelearning.engine.jobs.spelling import seconds, snaked, snaked_keys_kept
from emulators.machinelearning.errors import InvalidJob

KIND = "parallel"
LEVELS = ("debug", "info", "warning")
RETRIES, TIMEOUT_S, MINI_BATCH = 2, 60.0, 1
OWN = ("mini_batch_size", "retry_settings", "resources")
"""Keys that a command may not have, and a parallel step does."""

_NAMED = re.compile(r"\$\{\{\s*(inputs|outputs)\.(\w+)\s*\}\}\Z")
_NOT_DONE = ("--allowed_failed_percent", "--allowed_failed_count")


@dataclass(frozen=True, slots=True)
class Parallel:
    """A parallel step, checked."""

    script: str  # below its code
    code: str | None
    environment: str | None
    arguments: str  # of the script, with placeholders
    data: str  # name of the input whose files are split
    target: str | None  # name of the output that rows are appended to; None: the script writes
    mini_batch_size: int = MINI_BATCH  # files
    concurrency: int = 1  # processes an instance
    instances: int = 1
    retries: int = RETRIES  # after the first try of a mini-batch
    timeout_s: float = TIMEOUT_S  # of one try
    error_threshold: int = -1  # files that may fail; -1: all
    mini_batch_error_threshold: int = -1  # mini-batches that may fail; -1: all
    level: str = "info"  # one of LEVELS


def read(step: str, node: Mapping[str, Any], component: Mapping[str, Any]) -> Parallel:
    """A parallel step's own part.

    Args:
        step: its name, for messages.
        node: keys in snake case; what it leaves out is the component's.
        component: the component's spec.

    Raises:
        InvalidJob: it cannot be run as it is written.
        Unsupported: it asks for what is not emulated.
    """
    own = snaked(component)
    given = {**own, **{key: value for key, value in node.items() if value is not None}}
    task = {**snaked(own.get("task")), **_present(snaked(node.get("task")))}
    _refuse(step, given, task)
    script = task.get("entry_script")
    if not isinstance(script, str) or not script:
        raise InvalidJob(f"The task of step '{step}' names no entry_script.")
    arguments = str(task.get("program_arguments") or "")
    retry = {**snaked(own.get("retry_settings")), **_present(snaked(node.get("retry_settings")))}
    timeout = seconds(retry.get("timeout"))
    level = str(given.get("logging_level") or "info").lower()
    whole = _Whole(step, given)
    return Parallel(
        script=script,
        code=task.get("code") or None,
        environment=task.get("environment") or None,
        arguments=arguments,
        data=_data(step, given, component),
        target=_target(step, task, component),
        mini_batch_size=whole("mini_batch_size", 0, 0) or MINI_BATCH,
        concurrency=whole("max_concurrency_per_instance", 1, os.cpu_count() or 1),
        instances=_Whole(step, snaked(given.get("resources")))("instance_count", 1, 1),
        retries=_Whole(step, retry)("max_retries", 0, RETRIES),
        timeout_s=TIMEOUT_S if timeout is None else timeout,
        error_threshold=_in_arguments(step, arguments, whole("error_threshold", -1, -1)),
        mini_batch_error_threshold=whole("mini_batch_error_threshold", -1, -1),
        level=level if level in LEVELS else "info",
    )


def _present(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _refuse(step: str, given: Mapping[str, Any], task: Mapping[str, Any]) -> None:
    kind = str(task.get("type") or "run_function").lower()
    if kind not in ("run_function", "function"):
        raise Unsupported(f"parallel tasks of type '{kind}' (step '{step}')", tracked=README)
    if given.get("partition_keys") not in (None, "", [], "[]", "null"):
        raise Unsupported(f"partition_keys (step '{step}')", tracked=README)
    words = _split(step, str(task.get("program_arguments") or ""))
    for flag in _NOT_DONE:
        if any(word.partition("=")[0] == flag for word in words):
            raise Unsupported(f"{flag} of a parallel job (step '{step}')", tracked=README)


def _data(step: str, given: Mapping[str, Any], component: Mapping[str, Any]) -> str:
    named = _NAMED.match(str(given.get("input_data") or ""))
    inputs = snaked_keys_kept(component.get("inputs"))
    if named is None or named[1] != "inputs" or named[2] not in inputs:
        raise InvalidJob(f"The input_data of step '{step}' must name one of its inputs.")
    about = inputs[named[2]]
    if isinstance(about, Mapping) and str(about.get("type")).lower() == "mltable":
        raise Unsupported(f"parallel jobs over tables (step '{step}')", tracked=README)
    return named[2]


def _target(step: str, task: Mapping[str, Any], component: Mapping[str, Any]) -> str | None:
    given = task.get("append_row_to")
    if not given:
        return None
    named = _NAMED.match(str(given))
    outputs = snaked_keys_kept(component.get("outputs"))
    if named is None or named[1] != "outputs" or named[2] not in outputs:
        raise InvalidJob(f"append_row_to of step '{step}' must name one of its outputs.")
    about = outputs[named[2]]
    kind = str(about.get("type") if isinstance(about, Mapping) else about).lower()
    if kind != "uri_file":
        raise Unsupported(
            f"append_row_to an output of type {kind}, not uri_file (step '{step}')", tracked=README
        )
    return named[2]


@dataclass(frozen=True, slots=True)
class _Whole:
    """Reads whole numbers."""

    step: str
    values: Mapping[str, Any]

    def __call__(self, name: str, least: int, default: int) -> int:
        given = self.values.get(name)
        if given is None or given == "":
            return default
        if "${{" in str(given):
            raise Unsupported(
                f"{name} from a pipeline's input (step '{self.step}')", tracked=README
            )
        try:
            found = int(str(given))
        except ValueError:
            found = least - 1
        if found < least:
            raise InvalidJob(
                f"'{name}' of step '{self.step}' must be a whole number of at least {least}, not"
                f" '{given}'."
            )
        return found


def _in_arguments(step: str, arguments: str, default: int) -> int:
    """The error threshold, which YAML gives among the program's arguments."""
    words = _split(step, arguments)
    for at, word in enumerate(words):
        flag, joined, value = word.partition("=")
        if flag == "--error_threshold":
            found = {"error_threshold": value if joined else "".join(words[at + 1 : at + 2])}
            return _Whole(step, found)("error_threshold", -1, default)
    return default


def _split(step: str, arguments: str) -> list[str]:
    try:
        return shlex.split(arguments)
    except ValueError as wrong:
        raise InvalidJob(f"The program_arguments of step '{step}': {wrong}.") from None
