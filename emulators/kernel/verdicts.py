"""Who answers for a host, and how a refusal is put so that its reader understands it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from xml.sax.saxutils import escape


@dataclass(frozen=True, slots=True)
class Emulated:
    """Answered by the app. `plain`: Azure serves this host over http, as the metadata address."""

    plain: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """Answered with an error, inside TLS, where every client can read it."""

    reason: str
    status: int = 501
    code: str = "NotEmulated"


@dataclass(frozen=True, slots=True)
class Tunnel:
    """Passed on as it is."""


Verdict = Emulated | Refused | Tunnel


def not_emulated(host: str) -> Refused:
    """The refusal of an Azure host that nothing here answers for."""
    return Refused(
        f"Rehearsal does not emulate {host}, and never forwards an Azure host to the real cloud. "
        "See `rehearse coverage` for what is emulated; use TARGET=azure, or a shell without "
        "`rehearse env`, to reach the real service."
    )


def quiet(host: str) -> Refused:
    """The answer to a client's side call (a version check, telemetry) that nobody waits for."""
    return Refused(f"{host} is not needed here.", 404, "NotFound")


def offline(host: str) -> Refused:
    """The refusal of any other host under `--offline`."""
    return Refused(
        f"{host} is not Azure's, and Rehearsal runs with --offline: nothing leaves this machine.",
        403,
        "Offline",
    )


def no_network(host: str) -> Refused:
    """The refusal of any other host to a container that has no network."""
    return Refused(
        f"{host} is not Azure's, and this container has no network: give the job the property"
        " rehearsal.network=bridge, or start Rehearsal with REHEARSAL_DOCKER_NETWORK=bridge.",
        403,
        "NoNetwork",
    )


def https_required(host: str) -> Refused:
    """The refusal of an Azure host over plain HTTP, as the service itself answers."""
    if is_storage(host):
        return Refused(
            "The account being accessed does not support http.", 400, "AccountRequiresHttps"
        )
    return Refused(
        f"Azure refuses plain HTTP: use https://{host} (Rehearsal answers there).",
        400,
        "HttpsRequired",
    )


def is_storage(host: str) -> bool:
    """Whether `host` answers in Storage's XML."""
    return host.endswith(".core.windows.net") and not host.startswith("management.")


def body_of(refused: Refused, host: str) -> tuple[str, bytes]:
    """Media type and body of a refusal, in the dialect of the host's clients."""
    if is_storage(host):
        text = f"<Code>{refused.code}</Code><Message>{escape(refused.reason)}</Message>"
        xml = f'<?xml version="1.0" encoding="utf-8"?><Error>{text}</Error>'
        return "application/xml", xml.encode()
    error = {"code": refused.code, "message": refused.reason, "target": host}
    return "application/json", json.dumps({"error": error}).encode()


def plain_answer(refused: Refused, host: str) -> bytes:
    """A whole HTTP answer, for a client that is spoken to without the app."""
    media, body = body_of(refused, host)
    try:
        phrase = HTTPStatus(refused.status).phrase
    except ValueError:
        phrase = ""
    lines = [
        f"HTTP/1.1 {refused.status} {phrase}",
        f"Content-Type: {media}",
        f"Content-Length: {len(body)}",
        f"x-ms-error-code: {refused.code}",
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


async def refusal_app(scope: Any, receive: Any, send: Any) -> None:
    """Answer every request with the refusal that the connection's state carries."""
    refused, host = scope["state"]["refused"], scope["state"]["host"]
    media, body = body_of(refused, host)
    headers = [
        (b"content-type", media.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"x-ms-error-code", refused.code.encode()),
    ]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
