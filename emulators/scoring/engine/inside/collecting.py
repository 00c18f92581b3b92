"""What a deployment collects, sent to the data collector beside it. Standard library only.

The real package does the same and wins where it is installed. This one is for models without a
script, which may be served where pandas is not, and for scripts in environments that lack it.
"""

from __future__ import annotations

import base64
import http.client
import json
import logging
import os
import queue
import random
import threading
import time
import uuid
from typing import Any, Dict, List, Optional, Tuple

logger = logging.getLogger("mdc")
CAPACITY = 1500  # payloads that wait; the package's default
DEFAULT_PORT = 50011
TIMEOUT_S = 30.0
AGENT = "rehearsal-scoring/1.0"
FRAME = "pandas.core.frame.DataFrame"
DECIMALS = 10  # what pandas writes of a number
PAYLOADS = ("request", "response")  # collected by the gateway, not in here


class Config:
    """The file that AZUREML_MDC_CONFIG_PATH names."""

    def __init__(self, path: str) -> None:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        self.local = content.get("runMode", "cloud") == "local"
        self.rates: Dict[str, float] = {}
        for name, about in (content.get("collections") or {}).items():
            if about.get("enabled"):
                self.rates[name.lower()] = float(about.get("sampleRatePercentage", 100))
        self.on = any(name not in PAYLOADS for name in self.rates)

    def refusal(self, name: str) -> str:
        """Why a collector of that name cannot be; empty when it can."""
        if not name:
            return "collection name is not provided"
        if not self.on:
            return "custom logging is not enabled, drop the data"
        if name not in self.rates:
            return f"collection {name} is not enabled, drop the data"
        return ""

    def drawn(self, name: str) -> bool:
        """Whether this payload is one of those to keep."""
        rate = self.rates[name]
        return rate >= 100 or rate > random.random() * 100.0


def config() -> Optional[Config]:
    """The deployment's configuration; None where nothing is collected."""
    path = os.environ.get("AZUREML_MDC_CONFIG_PATH")
    return Config(path) if path else None


class Sender:
    """Sends payloads from a thread of its own, one after the other, on one connection."""

    def __init__(self) -> None:
        given = os.environ.get("AZUREML_MDC_HOST", "127.0.0.1")
        user, _, self._host = given.rpartition("@")
        self._port = int(os.environ.get("AZUREML_MDC_PORT", str(DEFAULT_PORT)))
        self._login = base64.b64encode(user.encode()).decode() if user else ""
        self._waiting: queue.Queue[Tuple[Dict[str, str], bytes]] = queue.Queue(CAPACITY)
        self._link: Optional[http.client.HTTPConnection] = None
        threading.Thread(target=self._work, name="mdc", daemon=True).start()

    def put(self, headers: Dict[str, str], body: bytes) -> str:
        """Queue a payload; why it was not, or nothing."""
        try:
            self._waiting.put_nowait((headers, body))
        except queue.Full:
            return (
                "Too many requests lead to message queue is full, please reduce the number of "
                "requests."
            )
        return ""

    def flush(self, timeout_s: float) -> None:
        """Wait until all is sent, but not for ever."""
        end = time.monotonic() + timeout_s
        while self._waiting.unfinished_tasks and time.monotonic() < end:
            time.sleep(0.01)

    def _work(self) -> None:
        while True:
            headers, body = self._waiting.get()
            try:
                self._post(headers, body)
            except Exception as error:
                self._link = None
                logger.error("failed to send payload: %r", error)
            finally:
                self._waiting.task_done()

    def _post(self, headers: Dict[str, str], body: bytes) -> None:
        if self._login:
            headers["Authorization"] = f"Basic {self._login}"
        for fresh in (self._link is None, True):
            if self._link is None:
                self._link = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
            try:
                self._link.request("POST", "/modeldata/log", body, headers)
                answer = self._link.getresponse()
                said = answer.read()
            except (OSError, http.client.HTTPException):
                self._link = None
                if fresh:  # a kept connection may have been closed meanwhile
                    raise
                continue
            if answer.status >= 300:
                logger.error("failed to send payload: %d, %r", answer.status, said[:300])
            return


_sender: List[Sender] = []


def sender() -> Sender:
    """This process's one sender; its thread is started when something is first sent."""
    if not _sender:
        _sender.append(Sender())
    return _sender[0]


def flush(timeout_s: float) -> None:
    """Send what waits, before the process ends."""
    for one in _sender:
        one.flush(timeout_s)


def send(name: str, records: str, context: Any) -> str:
    """Send rows of a collection; why they were not taken, or nothing.

    Args:
        records: JSON, a list of objects.
        context: has get_id(), get_timestamp() in seconds since the epoch, and get_headers().
    """
    headers = {f"ce-{key}": str(value) for key, value in context.get_headers().items()}
    headers.update(
        {
            "Accept": "*/*",
            "Content-Type": "application/json",
            "trace-id": str(uuid.uuid4()),
            "ce-time": str(context.get_timestamp()),
            "ce-type": f"azureml.inference.{name}",
            "ce-collect-data-type": FRAME,
            "ce-agent": AGENT,
            "ce-x-request-id": context.get_id(),
            "ce-model-version": "default",
        }
    )
    return sender().put(headers, records.encode("utf-8"))


class Pairs:
    """Inputs and outputs of a model without a script, as Azure's generated script collects them."""

    def __init__(self, settings: Config) -> None:
        self._settings = settings

    @classmethod
    def configured(cls) -> Optional[Pairs]:
        """This process's one; None, and a line in the log, unless both collections are enabled."""
        if not _pairs:
            _pairs.append(cls._made())
        return _pairs[0]

    @classmethod
    def _made(cls) -> Optional[Pairs]:
        settings = config()
        if settings is None:
            return None
        for name in ("model_inputs", "model_outputs"):
            why = settings.refusal(name)
            if why:
                logger.error("model_inputs and model_outputs are not collected: %s", why)
                return None
        logger.info("Input and output collector initialized")
        return cls(settings)

    def collect(self, given: Any, output: Any) -> None:
        """Collect one request's rows; what goes wrong is logged and harms nobody.

        Args:
            given: a function without arguments that gives the input's records as JSON text.
            output: the prediction, as JSON values.
        """
        from azureml.ai.monitoring.context import BasicCorrelationContext

        context = BasicCorrelationContext()
        for name, text in (("model_inputs", given), ("model_outputs", lambda: records(output))):
            if not self._settings.drawn(name):
                continue
            try:
                why = send(name, text(), context)
            except Exception as error:
                why = repr(error)
            if why:
                logger.error("Error collecting %s collection request. %s", name, why)


_pairs: List[Optional[Pairs]] = []


def records(values: Any) -> str:
    """A prediction as the records that a data frame of it would be written as.

    Raises:
        TypeError: it is neither a list nor lists by name.
    """
    if isinstance(values, dict):
        columns = list(values.values())
        rows: Any = [list(row) for row in zip(*columns)]  # noqa: B905
        return table([str(name) for name in values], rows)
    if not isinstance(values, list):
        raise TypeError(f"data type ({type(values).__name__}) is no table")
    if values and isinstance(values[0], dict):
        return json.dumps([{k: _number(v) for k, v in row.items()} for row in values])
    rows = [row if isinstance(row, list) else [row] for row in values]
    return table([str(at) for at in range(max(map(len, rows), default=0))], rows)


def table(names: List[str], rows: List[List[Any]]) -> str:
    """Rows and their columns' names as records."""
    named = [{names[at]: _number(value) for at, value in enumerate(row)} for row in rows]
    return json.dumps(named)


def _number(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, DECIMALS) if value - value == 0.0 else None
    return value


def input_table(body: bytes) -> str:
    """The table of a request as records.

    Raises:
        TypeError: its input_data is no table in split orientation.
    """
    data = json.loads(body)["input_data"]
    if not isinstance(data, dict) or not {"columns", "data"} <= set(data):
        raise TypeError("input_data is no table")
    return table([str(name) for name in data["columns"]], data["data"])
