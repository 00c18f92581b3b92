"""A ServiceError in the words of each service: ARM, Key Vault, Storage, Entra, MLflow, plain."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from xml.sax.saxutils import escape

import orjson

from emulators.kernel.errors import ServiceError

Rendered = tuple[bytes, str, dict[str, str]]
"""Body, media type, extra headers."""

ISO_SECONDS = "%Y-%m-%dT%H:%M:%S.%f0Z"
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _json(value: object) -> bytes:
    """JSON of whatever a message quotes, even half a surrogate pair."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", "replace")


def arm(error: ServiceError, request_id: str, now: datetime) -> Rendered:
    """Azure Resource Manager's error object."""
    inner: dict[str, object] = {"code": error.code, "message": error.message}
    if error.target is not None:
        inner["target"] = error.target
    if error.details:
        inner["details"] = error.details
    headers = {"x-ms-failure-cause": "gateway"} if error.status in (401, 403) else {}
    return _json({"error": inner}), "application/json; charset=utf-8", headers


def keyvault(error: ServiceError, request_id: str, now: datetime) -> Rendered:
    """Key Vault's error object: what decided is an inner error, the first of the details."""
    inner: dict[str, object] = {"code": error.code, "message": error.message}
    if error.details:
        inner["innererror"] = error.details[0]
    return _json({"error": inner}), "application/json; charset=utf-8", {}


def storage(error: ServiceError, request_id: str, now: datetime) -> Rendered:
    """Azure Storage's XML, and the code in a header since HEAD has no body."""
    stamp = now.strftime(ISO_SECONDS)
    message = _NOT_XML.sub("\ufffd", error.message)
    extra = "".join(
        f"<{name}>{escape(_NOT_XML.sub('?', str(value)))}</{name}>"
        for detail in error.details
        for name, value in detail.items()
    )
    body = (
        f'\ufeff<?xml version="1.0" encoding="utf-8"?><Error><Code>{escape(error.code)}</Code>'
        f"<Message>{escape(message)}\nRequestId:{request_id}\nTime:{stamp}</Message>"
        f"{extra}</Error>"
    )
    return body.encode(), "application/xml", {"x-ms-error-code": error.code}


def entra(error: ServiceError, request_id: str, now: datetime) -> Rendered:
    """Entra's OAuth error: `code` is the OAuth word, the AADSTS number begins the message."""
    stamp = now.strftime("%Y-%m-%d %H:%M:%SZ")
    number = re.match(r"AADSTS(\d+)", error.message)
    body = {
        "error": error.code,
        "error_description": (
            f"{error.message} Trace ID: {request_id} Correlation ID: {request_id}"
            f" Timestamp: {stamp}"
        ),
        "error_codes": [int(number.group(1))] if number else [],
        "timestamp": stamp,
        "trace_id": request_id,
        "correlation_id": request_id,
    }
    return _json(body), "application/json; charset=utf-8", {}


def mlflow(error: ServiceError, request_id: str, now: datetime) -> Rendered:
    """MLflow's error object; its code is an upper-case word."""
    body = {"error_code": error.code, "message": error.message}
    return _json(body), "application/json", {}


def plain(error: ServiceError, request_id: str, now: datetime) -> Rendered:
    """The message as text."""
    return error.message.encode("utf-8", "replace"), "text/plain; charset=utf-8", {}


DIALECTS: dict[str, Callable[[ServiceError, str, datetime], Rendered]] = {
    "arm": arm,
    "keyvault": keyvault,
    "storage": storage,
    "entra": entra,
    "mlflow": mlflow,
    "plain": plain,
}
