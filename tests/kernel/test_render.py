"""Errors in each dialect: valid JSON and XML for any message, and nothing lost."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.kernel.errors import NotFound, ServiceError, Unsupported
from emulators.kernel.render import DIALECTS

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ID = "11111111-2222-3333-4444-555555555555"
messages = st.text(st.characters(codec="utf-8"), max_size=80)


def error(message: str) -> ServiceError:
    return NotFound(message, target="t", details=[{"code": "Inner", "message": message}])


@given(messages)
def test_arm(message: str) -> None:
    body, media, _ = DIALECTS["arm"](error(message), ID, NOW)
    assert media.startswith("application/json")
    assert json.loads(body) == {
        "error": {
            "code": "ResourceNotFound",
            "message": message,
            "target": "t",
            "details": [{"code": "Inner", "message": message}],
        }
    }


@given(messages)
def test_storage(message: str) -> None:
    plain = NotFound(message, details=[{"HeaderName": message}])
    plain.code = "BlobNotFound"
    body, media, headers = DIALECTS["storage"](plain, ID, NOW)
    assert (media, headers) == ("application/xml", {"x-ms-error-code": "BlobNotFound"})
    root = ElementTree.fromstring(body.decode("utf-8-sig"))
    assert root.tag == "Error"
    assert root.findtext("Code") == "BlobNotFound"
    assert f"RequestId:{ID}" in (root.findtext("Message") or "")
    assert root.find("HeaderName") is not None


@given(messages)
def test_entra(message: str) -> None:
    numbered = NotFound(f"AADSTS700016: {message}")
    numbered.code = "unauthorized_client"
    body = json.loads(DIALECTS["entra"](numbered, ID, NOW)[0])
    assert body["error"] == "unauthorized_client"
    assert body["error_codes"] == [700016]
    assert message in body["error_description"]
    assert body["correlation_id"] == ID
    assert body["timestamp"] == "2026-03-04 05:06:07Z"


@given(messages)
def test_mlflow_and_plain(message: str) -> None:
    assert json.loads(DIALECTS["mlflow"](error(message), ID, NOW)[0])["message"] == message
    assert DIALECTS["plain"](error(message), ID, NOW)[0] == message.encode()


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_half_a_surrogate_pair_is_no_reason_to_fail(dialect: str) -> None:
    assert DIALECTS[dialect](error("x\ud800y"), ID, NOW)[0]


def test_unsupported_names_what_and_where() -> None:
    refused = Unsupported("moving", tracked="operations.toml")
    assert (refused.status, refused.code) == (501, "NotEmulated")
    assert "moving" in refused.message
    assert "operations.toml" in refused.message
