"""Waiting rows scored together: only where declared and proven, and never at another's cost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emulators.kernel.workers import Request, Response
from tests.emulators.scoring.test_engine_convert import GOOD, payload
from tests.emulators.scoring.workers import JSON, Asked, with_worker

Get = Callable[[str], Path]
SCRIPT = """
import time
from inference_schema.schema_decorators import input_schema
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType

REHEARSAL_MERGE_ROWS = True
calls = []

def init():
    pass

@input_schema("data", StandardPythonParameterType([{"n": 1}, {"n": 2}]))
def run(data):
    calls.append(len(data))
    time.sleep(0.05)
    if any(row["n"] == 13 for row in data):
        raise ValueError("unlucky")
    if data[0]["n"] == "calls":
        return [list(calls)]
    BODY
"""


def script(root: Path, body: str) -> dict[str, str]:
    (root / "score.py").write_text(SCRIPT.replace("BODY", body))
    return {"AZUREML_ENTRY_SCRIPT": "score.py"}


def rows(*numbers: Any) -> dict[str, Any]:
    return {"data": [{"n": number} for number in numbers]}


async def many(asked: Asked, bodies: list[Any]) -> list[Response]:
    return await asyncio.gather(*(asked.post(body) for body in bodies))


def test_a_declared_script_scores_waiting_rows_together(tmp_path: Path) -> None:
    async def scenario(asked: Asked) -> None:
        bodies = [rows(i, i + 100) for i in range(20, 60)]
        answers = await many(asked, bodies)
        assert [json.loads(a.body) for a in answers] == [
            [i * 2, i * 2 + 200] for i in range(20, 60)
        ]
        assert all(dict(a.headers)["x-ms-run-function-failed"] == "False" for a in answers)
        calls = json.loads((await asked.post(rows("calls"))).body)[0]
        assert sum(calls[3:]) - 1 == 80
        assert len(calls) < 12

    env = script(tmp_path, 'return [row["n"] * 2 for row in data]')
    with_worker(scenario, root=tmp_path, env=env)


def test_one_that_raises_does_not_spoil_the_others(tmp_path: Path) -> None:
    async def scenario(asked: Asked) -> None:
        answers = await many(asked, [rows(i) for i in (1, 2, 13, 4)])
        assert [a.status for a in answers] == [200, 200, 500, 200]
        assert [json.loads(a.body) for a in answers if a.status == 200] == [[2], [4], [8]]
        unserialisable = await many(asked, [rows(i) for i in (1, 7, 2)])
        assert [a.status for a in unserialisable] == [200, 500, 200]
        assert b"unexpected internal error" in unserialisable[1].body
        odd = await many(asked, [rows(1), {"data": []}, {"data": 5}, {}, rows(3)])
        assert [a.status for a in odd] == [200, 500, 500, 400, 200]
        health = await asked.pool.call(Request("GET", "/"))
        assert health.body == b"Healthy"
        text = await asked.post(b"x", [("content-type", "text/plain")])
        assert text.status == 415

    env = script(
        tmp_path, 'return [row["n"] * 2 if row["n"] != 7 else {7} for row in data] or 1 / 0'
    )
    with_worker(scenario, root=tmp_path, env=env)


@pytest.mark.parametrize(
    "body",
    [
        'return [row["n"] - sum(r["n"] for r in data) for row in data]',
        'return [sum(row["n"] for row in data)]',
        'return {"all": len(data)}',
    ],
)
def test_a_false_declaration_is_found_out(tmp_path: Path, body: str) -> None:
    async def scenario(asked: Asked) -> list[Any]:
        answers = await many(asked, [rows(i) for i in range(5)])
        assert "REHEARSAL_MERGE_ROWS is set, but rows are not merged" in asked.lines()
        return [json.loads(a.body) for a in answers]

    together = with_worker(scenario, root=tmp_path, env=script(tmp_path, body))
    alone: dict[str, Any] = {}
    source = f"def run(data):\n    {body}\n"
    exec(source, alone)
    assert together == [alone["run"]([{"n": i}]) for i in range(5)]


def test_rows_that_are_not_declared_are_not_merged(tmp_path: Path) -> None:
    async def scenario(asked: Asked) -> None:
        await many(asked, [rows(i) for i in range(6)])
        calls = json.loads((await asked.post(rows("calls"))).body)[0]
        assert calls == [1] * 7

    env = script(tmp_path, 'return [row["n"] for row in data]')
    text = (tmp_path / "score.py").read_text().replace("REHEARSAL_MERGE_ROWS", "SOMETHING")
    (tmp_path / "score.py").write_text(text)
    with_worker(scenario, root=tmp_path, env=env)


BODIES = [
    {"input_data": payload([GOOD, GOOD | {"dept": "it", "age": 50}])},
    {"input_data": payload([GOOD | {"income": None, "dept": "unknown"}])},
    {"input_data": payload([GOOD | {"age": 20, "over time": "No"}]) | {"index": [7]}},
    {"input_data": payload([GOOD]), "params": None},
    {"input_data": payload([GOOD | {"extra": {"deep": 1}}])},
    {"input_data": payload([GOOD | {"income": "50000"}])},
    {"input_data": payload([{"age": 1, "income": 2.0}])},
    {"input_data": payload([GOOD | {"age": "old"}])},
    {"input_data": [[30, 50_000.0, "hr", "Yes"]]},
    {"input_data": {"age": [1]}},
    {"input_data": None},
    {"other": 1},
    {},
]


def _answers(root: Path, arguments: tuple[str, ...]) -> list[tuple[int, Any]]:
    async def scenario(asked: Asked) -> list[tuple[int, Any]]:
        alone = [await asked.post(body) for body in BODIES]
        together = await many(asked, BODIES)
        found = [(a.status, json.loads(a.body)) for a in alone]
        assert found == [(a.status, json.loads(a.body)) for a in together]
        swagger = await asked.pool.call(Request("GET", "/swagger.json?version=3"))
        found.append((swagger.status, json.loads(swagger.body)))
        wrong = await asked.pool.call(Request("POST", "/score", JSON, b"{"))
        found.append((wrong.status, json.loads(wrong.body)))
        return found

    root.mkdir(exist_ok=True)
    return with_worker(scenario, root=root, arguments=arguments)


def test_a_converted_model_is_served_as_the_original(
    tmp_path: Path, saved_model: Get, converted: Get
) -> None:
    model = ("--mlflow-model", str(saved_model("forest")))
    original = _answers(tmp_path / "original", model)
    fast = _answers(tmp_path / "fast", (*model, "--onnx", str(converted("forest"))))
    assert fast == original
    assert [status for status, _ in original] == [200] * 6 + [500] * 5 + [400] * 2 + [200, 400]
    log = (tmp_path / "original" / "worker.log").read_text()
    assert "Rows of waiting requests are scored together" in log


def test_a_model_whose_rows_depend_on_each_other_is_not_merged(
    tmp_path: Path, saved_model: Get
) -> None:
    async def scenario(asked: Asked) -> None:
        bodies = [{"input_data": payload([{"age": i, "income": 1.0}])} for i in range(5)]
        assert [json.loads(a.body) for a in await many(asked, bodies)] == [[0.0]] * 5
        assert "Rows are not merged" in asked.lines()

    folder = saved_model("centred")
    with_worker(scenario, root=tmp_path, arguments=("--mlflow-model", str(folder)))


def _onnx_folder(root: Path, body: str) -> Path:
    """A model of one float matrix: `rows` doubles each row, `sum` adds all rows up."""
    import onnx
    from onnx import TensorProto, helper

    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 2])
    made = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    nodes = {
        "rows": [helper.make_node("Add", ["x", "x"], ["y"])],
        "sum": [
            helper.make_node("ReduceSum", ["x"], ["s"]),
            helper.make_node("Add", ["x", "s"], ["y"]),
        ],
    }[body]
    graph = helper.make_graph(nodes, "g", [given], [made])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    folder = root / "onnx"
    folder.mkdir()
    onnx.save(model, str(folder / "model.onnx"))
    return folder


@pytest.mark.parametrize(("body", "merged"), [("rows", True), ("sum", False)])
def test_a_plain_onnx_model_is_served(tmp_path: Path, body: str, merged: bool) -> None:
    async def scenario(asked: Asked) -> None:
        forms: list[Any] = [
            [[1, 2]],
            {"x": [[1, 2]]},
            {"columns": ["a", "b"], "data": [[1, 2]], "index": [0]},
        ]
        double = [[2.0, 4.0]] if merged else [[4.0, 5.0]]
        answers = await many(asked, [{"input_data": form} for form in forms] * 4)
        assert [json.loads(a.body) for a in answers] == [double] * 12
        wrong = await many(
            asked, [{"input_data": f} for f in ([[1]], {"z": 1}, "text", [["a", 1]])]
        )
        assert [a.status for a in wrong] == [500] * 4
        assert (await asked.post({})).status == 400
        assert ("Rows of waiting requests are scored together" in asked.lines()) == merged

    folder = _onnx_folder(tmp_path, body)
    with_worker(scenario, root=tmp_path, arguments=("--onnx", str(folder)))
