"""The user's scoring script: found, loaded, examined, and called with a time limit."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import importlib
import importlib.util
import inspect
import logging
import os
import signal
import sys
import time
from types import FrameType, ModuleType
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from . import inputs

logger = logging.getLogger("azmlinfsrv.user_script")
RAW_FLAG_MODULES = (
    "azureml_inference_server_http.api.aml_request",
    "azureml.contrib.services.aml_request",
)


# The functions under `signal`'s: the module's own turn numbers into enums, twice for each request.
_ALARM, _REAL = int(signal.SIGALRM), int(signal.ITIMER_REAL)


class ScriptError(Exception):
    """The script cannot be used as it is written."""


class ScriptRaised(ScriptError):
    """The script raised."""


class ScriptTimeout(ScriptError):
    """run() took longer than SCORING_TIMEOUT_MS."""

    def __init__(self, timeout_ms: int) -> None:
        super().__init__(
            f"Script failed to finish execution within the allocated time: {timeout_ms}ms"
        )
        self.timeout_ms = timeout_ms


class Result(NamedTuple):
    elapsed_ms: float
    output: Any


class Script:
    """A module with init() and run(), and how to call them."""

    def __init__(self, module: Any, run: Callable[..., Any]) -> None:
        """Examine `run`.

        Raises:
            ScriptError: its parameters are not what the server can fill.
        """
        self.module, self.run = module, run
        self._init: Callable[[], Any] = module.init
        parameters = list(inspect.signature(run).parameters.values())
        named = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        if any(parameter.kind not in named for parameter in parameters):
            raise ScriptError("run() cannot accept positional-only arguments, *args, or **kwargs.")
        others = [p for p in parameters if p.name != "request_headers"]
        self.wants_headers = len(others) < len(parameters)
        if not others:
            wanted = 'an argument other than "request_headers"'
            wanted = wanted if self.wants_headers else "an argument for input data"
            raise ScriptError(f"run() needs to accept {wanted}.")
        self.schemas: Any = None
        self.raw = _raw_requested()
        self.decorated = is_decorated(run)
        self.parse = self._parser(others)

    def _parser(self, parameters: List[inspect.Parameter]) -> inputs.Parser:
        first = parameters[0].name
        if self.raw and self.decorated:
            raise ScriptError("run() cannot be decorated with both @rawhttp and @input_schema")
        if self.raw:
            logger.info(
                "run() is decorated with @rawhttp. Server will invoke it with the flask request "
                "object."
            )
            return inputs.raw(first)
        if self.decorated:
            logger.info(
                "run() is decorated with @input_schema. Server will invoke it with the following "
                "arguments: %s.",
                ", ".join(parameter.name for parameter in parameters),
            )
            return inputs.fields(parameters)
        logger.info("run() is not decorated. Server will invoke it with the input in JSON string.")
        return inputs.text(first)

    def init(self) -> None:
        """Call the script's init().

        Raises:
            ScriptRaised: it raised, even SystemExit.
        """
        logger.info("Invoking user's init function")
        try:
            self._init()
        except BaseException as error:
            raise ScriptRaised("Caught an unhandled exception from the user script") from error
        logger.info("Users's init has completed successfully")

    def call(self, arguments: Dict[str, Any], headers: Any, timeout_ms: int) -> Result:
        """Call run().

        Raises:
            ScriptTimeout: it took too long (or itself raised TimeoutError).
            ScriptRaised: it raised another exception.
        """
        if self.wants_headers:
            arguments = dict(arguments, request_headers=dict(headers.items()))
        try:
            before = _signal.signal(_ALARM, _raise_timeout)
            _signal.setitimer(_REAL, timeout_ms / 1000)
            try:
                began = time.perf_counter()
                output = self.run(**arguments)
                elapsed_ms = (time.perf_counter() - began) * 1000
            finally:
                _signal.setitimer(_REAL, 0)
                _signal.signal(_ALARM, before)
        except TimeoutError:
            raise ScriptTimeout(timeout_ms) from None
        except Exception as error:
            raise ScriptRaised("Caught an unhandled exception from the user script") from error
        return Result(elapsed_ms, output)


def _raise_timeout(number: int, frame: Optional[FrameType]) -> None:
    raise TimeoutError


def load(app_root: str, entry_script: str) -> Script:
    """Import the script as module `entry_module`, or a module called `main` when none is named.

    Raises:
        ScriptError: it cannot be imported, or lacks init() or run().
    """
    try:
        if entry_script:
            path = os.path.join(app_root, entry_script.replace("/", os.sep))
            spec = importlib.util.spec_from_file_location("entry_module", path)
            if spec is None or spec.loader is None:
                raise FileNotFoundError(f"[Errno 2] No such file or directory: {path!r}")
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        else:
            module = importlib.import_module("main")
    except BaseException as error:
        raise ScriptRaised(
            "Failed to import user script because it raised an unhandled exception"
        ) from error
    for name in ("init", "run"):
        if not hasattr(module, name):
            raise ScriptError(
                f"User script at {module.__file__} does not have a {name}() function defined."
            )
    inner = getattr(module, "driver_module", None)
    if isinstance(inner, ModuleType) and hasattr(inner, "run"):
        logger.info(
            "Found driver script at %s and the score script at %s", module.__file__, inner.__file__
        )
        return Script(module, inner.run)
    logger.info("Found user script at %s", module.__file__)
    return Script(module, module.run)


def is_decorated(run: Any) -> bool:
    """Tell whether inference-schema decorates `run`; without that package nothing does."""
    schemas = sys.modules.get("inference_schema.schema_util")
    return bool(schemas is not None and schemas.is_schema_decorated(run))


def _raw_requested() -> bool:
    modules = (sys.modules.get(name) for name in RAW_FLAG_MODULES)
    return any(getattr(module, "_rawHttpRequested", False) for module in modules)
