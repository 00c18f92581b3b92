"""Hostile names and bodies at every operation there is: an answer in order, nothing outside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from emulators.commands.coverage import packages
from emulators.kernel import catalogue
from tests.adversarial.conftest import ARM, Target, error_code

CANARY = "root:x:0:0"
NAMES = {
    "up": "..%2f..%2f..%2f..%2fetc%2fpasswd",
    "up-twice-coded": "%252e%252e%252fetc%252fpasswd",
    "up-dots": "%2e%2e",
    "backslash": "..%5c..%5cetc%5cpasswd",
    "absolute": "%2fetc%2fpasswd",
    "nul": "a%00b",
    "overlong": "%c0%ae%c0%ae%c0%af",
    "half": "%ed%a0%80",
    "not-utf8": "%ff%fe",
    "percent": "%",
    "separator": "a%1fb",
    "line": "a%0d%0aSet-Cookie:%20x",
    "long": "n" * 2000,
    "pattern": "*%3f%5b%25_",
    "quote": "'%3b--%22%3e%3cx%3e",
    "turned": "%e2%80%aegpj.exe",
}
BODIES: dict[str, bytes] = {
    "none": b"",
    "cut": b'{"properties": {"a": ',
    "list": b"[]",
    "null": b"null",
    "number": b"7",
    "not-utf8": b'{"a": "\xff\xfe"}',
    "deep": b'{"properties":' + b'{"a":' * 5000 + b"1" + b"}" * 5001,
    "deep-list": b'{"properties":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "wrong-kinds": json.dumps(
        {"properties": 5, "location": [], "identity": "x", "tags": 7, "name": {}, "sku": []}
    ).encode(),
    "nulls": json.dumps({"properties": None, "location": None, "tags": None}).encode(),
    "inner": json.dumps({"properties": {"jobType": [], "description": 5, "properties": [],
        "tags": "x", "isArchived": "maybe", "dataUri": 7, "modelUri": {}, "codeUri": [],
        "authMode": 5, "traffic": [], "environmentId": {}, "model": 7, "code": [],
        "credentials": 5, "datastoreType": [], "componentSpec": 7, "image": [], "jobs": [],
        "inputs": [], "outputs": 7, "command": {}, "limits": [], "computeType": 7}}).encode(),
    "twice": b'{"properties": {}, "properties": []}',
    "numbers": b'{"properties": {"version": 1e999, "x": NaN}}',
    "surrogate": b'{"properties": {"description": "\\ud800", "path": "\\u0000"}}',
    "xml": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
}  # fmt: skip


MLFLOW = (
    "/mlflow/v1.0/subscriptions/{sub}/resourceGroups/{rg}/providers/"
    "Microsoft.MachineLearningServices/workspaces/{ws}/api/2.0/mlflow"
)


def rows() -> Iterator[tuple[str, str, str]]:
    """Method, host and path template of every operation, told once each."""
    seen = set()
    for package in packages():
        if package.endswith("storage"):
            continue  # its own tests do the like
        for row in catalogue.rows(package):
            key = (row.method, row.host or "", row.path)
            if row.path.startswith("/") and key not in seen:
                seen.add(key)
                yield key
    yield ("POST", "*.api.azureml.ms", f"{MLFLOW}/runs/create")  # whatever MLflow has is passed on
    yield ("POST", "*.api.azureml.ms", f"{MLFLOW}/experiments/create")
    yield ("POST", "*.api.azureml.ms", f"{MLFLOW}/runs/log-batch")
    yield ("GET", "*.api.azureml.ms", f"{MLFLOW}/{{anything}}")


def audience(host: str) -> str:
    return "https://graph.microsoft.com" if host.startswith("graph") else ARM


def filled(target: Target, template: str, value: str) -> tuple[str, bool]:
    """A path with `value` for all that is not ours, and whether there was such."""
    sub = target.env["AZURE_SUBSCRIPTION_ID"]
    known = {"sub": sub, "subscription": sub, "rg": "rehearsal", "ws": "rehearsal",
             "workspace": "rehearsal", "registry": "azureml", "api": "v1.0",
             "tenant": target.env["AZURE_TENANT_ID"]}  # fmt: skip
    parts, hostile = [], False
    for part in template.split("/"):
        if part.startswith("{"):
            name = part[1:-1].removesuffix(":path")
            hostile = hostile or name not in known
            parts.append(known.get(name, value))
        else:
            parts.append(part)
    return "/".join(parts), hostile


def send(target: Target, row: tuple[str, str, str], path: str, **more: Any) -> Any:
    method, host, _ = row
    where = host.replace("*", "eastus")
    request = target.client.build_request(method, f"https://{where}/", **more)
    request.headers["authorization"] = f"Bearer {target.token(audience(host))}"
    # The path as it stands: a client's own tidying would take the attack out of it.
    raw = f"{path}?api-version=2024-10-01".encode("latin-1")
    request.url = request.url.copy_with(raw_path=raw)
    return target.client.send(request)


def told(row: tuple[str, str, str], answer: httpx.Response) -> str:
    return f"{row[0]} {row[1]}{row[2]}: {answer.status_code} {answer.text[:150]!r}"


def in_dialect(answer: httpx.Response) -> bool:
    """Whether an error is one of the service's; HEAD has no body to say so."""
    try:
        return answer.request.method == "HEAD" or bool(error_code(answer))
    except ValueError:
        return False


@pytest.mark.parametrize("kind", NAMES)
def test_hostile_names_get_an_answer_in_order(attacked: Target, kind: str) -> None:
    wrong = []
    for row in rows():
        path, hostile = filled(attacked, row[2], NAMES[kind])
        if not hostile:
            continue
        body: dict[str, Any] = (
            {"json": {"properties": {}}} if row[0] in ("PUT", "POST", "PATCH") else {}
        )
        answer = send(attacked, row, path, **body)
        broken = answer.status_code >= 500 and answer.status_code not in (501, 503)
        leaks = CANARY in answer.text or "set-cookie" in answer.headers
        if broken or leaks or (answer.status_code >= 400 and not in_dialect(answer)):
            wrong.append(told(row, answer))
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("kind", BODIES)
def test_hostile_bodies_get_an_answer_in_order(attacked: Target, kind: str) -> None:
    wrong = []
    for row in rows():
        if row[0] not in ("PUT", "POST", "PATCH"):
            continue
        path, hostile = filled(attacked, row[2], "x")
        if not hostile and row[0] != "POST":
            continue  # it would change the workspace that other tests use
        answer = send(
            attacked, row, path, content=BODIES[kind], headers={"content-type": "application/json"}
        )
        if answer.status_code >= 500 and answer.status_code not in (501, 503):
            wrong.append(told(row, answer))
    assert not wrong, "\n".join(wrong)


def test_nothing_was_written_outside_the_state_folder(attacked: Target) -> None:
    around = attacked.running.state.parent
    assert {p.name for p in around.iterdir()} == {attacked.running.state.name}
