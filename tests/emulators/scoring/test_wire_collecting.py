"""What workers collect: the stand-in package, models without code, and a collector that is gone."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from emulators.kernel.workers import WorkerFailed
from emulators.scoring.engine.inside import collecting
from tests.emulators.scoring.workers import Asked, with_worker

SCRIPT = """
import pandas as pd
from azureml.ai.monitoring import Collector
from azureml.ai.monitoring.context import BasicCorrelationContext

def init():
    global inputs
    inputs = Collector(name="{name}")

def run(data):
    own = BasicCorrelationContext(id="mine", timestamp=1767225600, headers={{"h": 1}})
    return inputs.collect(pd.DataFrame({{"a": [1, 2], "b": ["x", None]}}), own).get_id()
"""


@contextmanager
def sidecar(status: int = 200) -> Iterator[tuple[int, list[tuple[dict[str, str], Any]]]]:
    """A collector that keeps what it is sent; its port, and that."""
    kept: list[tuple[dict[str, str], Any]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            kept.append(({k.lower(): v for k, v in self.headers.items()}, json.loads(body)))
            assert self.path == "/modeldata/log"
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1], kept
        server.shutdown()


def env(folder: Path, port: int, script: str, **rates: float) -> dict[str, str]:
    """A script's folder and the variables of a deployment that collects at those rates."""
    (folder / "score.py").write_text(script)
    collections = {
        name: {"enabled": True, "sampleRatePercentage": rate} for name, rate in rates.items()
    }
    config = folder / "mdc.json"
    config.write_text(json.dumps({"runMode": "cloud", "collections": collections}))
    return {
        "AZUREML_ENTRY_SCRIPT": "score.py",
        "AZUREML_MDC_CONFIG_PATH": str(config),
        "AZUREML_MDC_HOST": "mdc:secret@127.0.0.1",
        "AZUREML_MDC_PORT": str(port),
    }


async def thrice(asked: Asked) -> list[bytes]:
    return [(await asked.post(b"x", [])).body for _ in range(3)]


def test_the_stand_in_sends_what_the_package_sends(tmp_path: Path) -> None:
    with sidecar() as (port, kept):
        given = env(tmp_path, port, SCRIPT.format(name="model_inputs"), model_inputs=100)
        # The worker ends at once: what waits is sent before.
        assert with_worker(thrice, root=tmp_path, env=given) == [b'"mine"'] * 3
    assert len(kept) == 3
    headers, rows = kept[0]
    assert rows == [{"a": 1, "b": "x"}, {"a": 2, "b": None}]
    assert headers["authorization"] == "Basic bWRjOnNlY3JldA=="
    assert headers["ce-type"] == "azureml.inference.model_inputs"
    assert headers["ce-x-request-id"] == "mine"
    assert headers["ce-time"] == "1767225600"
    assert headers["ce-h"] == "1"
    assert headers["ce-collect-data-type"] == "pandas.core.frame.DataFrame"


def test_a_collector_that_is_not_enabled_cannot_be_made(tmp_path: Path) -> None:
    for name, why in (("Model_Inputs", "collection Model_Inputs is not enabled"),
                      ("request", "custom logging is not enabled")):  # fmt: skip
        rates = {"model_inputs": 100.0} if name != "request" else {"request": 100.0}
        given = env(tmp_path, 1, SCRIPT.format(name=name), **rates)
        with pytest.raises(WorkerFailed, match=why):
            with_worker(thrice, root=tmp_path, env=given)


def test_nothing_is_sent_of_what_is_not_drawn(tmp_path: Path) -> None:
    with sidecar() as (port, kept):
        given = env(tmp_path, port, SCRIPT.format(name="model_inputs"), model_inputs=0)
        with_worker(thrice, root=tmp_path, env=given)
    assert kept == []


def test_a_collector_that_is_gone_or_refuses_harms_no_request(tmp_path: Path) -> None:
    script = SCRIPT.format(name="model_inputs")
    assert with_worker(thrice, root=tmp_path, env=env(tmp_path, 9, script, model_inputs=100))
    assert "failed to send payload" in (tmp_path / "worker.log").read_text()
    with sidecar(401) as (port, kept):
        given = env(tmp_path, port, script, model_inputs=100)
        assert with_worker(thrice, root=tmp_path, env=given) == [b'"mine"'] * 3
    assert len(kept) == 3


@pytest.mark.parametrize(
    ("value", "rows"),
    [
        ([1, 0.12345678901234], [{"0": 1}, {"0": 0.123456789}]),
        ([[1, 2], [3, 4]], [{"0": 1, "1": 2}, {"0": 3, "1": 4}]),
        ([{"a": float("nan")}], [{"a": None}]),
        ({"p": [1], "q": ["x"]}, [{"p": 1, "q": "x"}]),
        ([], []),
    ],
)
def test_predictions_as_records(value: Any, rows: Any) -> None:
    import pandas as pd

    assert json.loads(collecting.records(value)) == rows
    frame = json.loads(pd.DataFrame(value).to_json(orient="records"))
    assert frame == rows


def test_what_is_no_table_is_no_collected_input() -> None:
    for body in (b'{"input_data": [[1]]}', b'{"input_data": {"columns": ["a"]}}'):
        with pytest.raises(TypeError):
            collecting.input_table(body)
    with pytest.raises(TypeError):
        collecting.records("text")
