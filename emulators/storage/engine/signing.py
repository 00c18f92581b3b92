"""Shared Key: what a client signs with an account's key, in every form that clients use.

Source: learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from emulators.kernel.ids import same_secret

SIGNED_HEADERS = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)
LITE_HEADERS = ("content-md5", "content-type", "date")
MAX_SKEW = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Signable:
    """A request as far as signatures see it."""

    method: str
    paths: tuple[str, ...]  # raw; by the explicit door the client may have signed either form
    query: tuple[tuple[str, str], ...]  # raw names and values, decoded by no one yet
    headers: tuple[tuple[str, str], ...]  # lower-case names, in order of arrival
    values: dict[str, str] = field(default_factory=dict)  # the query, decoded
    address: str = ""  # the caller's
    protocol: str = "https"

    def header(self, name: str) -> str:
        """A header's values joined by commas, trimmed; empty when absent."""
        return ",".join(value.strip() for key, value in self.headers if key == name)


def sign(key: str, text: str) -> str:
    """HMAC-SHA256 of `text` under a base64 key, in base64."""
    digest = hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def is_timely(request: Signable, now: datetime) -> bool:
    """Whether the request's date is within 15 minutes of now."""
    given = request.header("x-ms-date") or request.header("date")
    try:
        return abs(parsedate_to_datetime(given) - now) <= MAX_SKEW
    except (TypeError, ValueError):
        return False


def _headers(request: Signable, names: tuple[str, ...]) -> str:
    lines = []
    for name in names:
        value = request.header(name)
        if name == "content-length" and value == "0":
            value = ""
        if name == "date" and request.header("x-ms-date"):
            value = ""
        lines.append(value)
    return "\n".join([request.method, *lines]) + "\n"


def _dictionary_key(name: str) -> tuple[str, list[bool]]:
    """Azure's own order: hyphens count only between names that are else equal; `_` comes first."""
    return name.replace("-", "").replace("_", "!"), [char == "-" for char in name]


def _ms_headers(request: Signable) -> Iterator[str]:
    """The `x-ms-` headers in the orders that clients sort them in."""
    names = {name for name, _ in request.headers if name.startswith("x-ms-")}
    dictionary = sorted(names, key=_dictionary_key)
    ordinal = sorted(names)
    for order in [dictionary] if dictionary == ordinal else [dictionary, ordinal]:
        yield "".join(f"{name}:{' '.join(request.header(name).split())}\n" for name in order)
        plain = "".join(f"{name}:{request.header(name)}\n" for name in order)
        yield plain


def _resources(request: Signable, account: str, *, lite: bool) -> Iterator[str]:
    from urllib.parse import unquote, unquote_plus

    for path in request.paths:
        for decode in (unquote, unquote_plus):
            values: dict[str, list[str]] = {}
            for name, value in request.query:
                values.setdefault(decode(name).lower(), []).append(decode(value))
            if lite:
                comp = values.get("comp")
                yield f"/{account}{path}" + (f"?comp={comp[0]}" if comp else "")
            else:
                lines = [f"\n{name}:{','.join(sorted(values[name]))}" for name in sorted(values)]
                yield f"/{account}{path}{''.join(lines)}"


def texts(request: Signable, account: str, *, lite: bool = False) -> Iterator[str]:
    """Every text the client may have signed, Azure's own form first."""
    head = _headers(request, LITE_HEADERS if lite else SIGNED_HEADERS)
    seen = set()
    for ms_headers in _ms_headers(request):
        for resource in _resources(request, account, lite=lite):
            text = f"{head}{ms_headers}{resource}"
            if text not in seen:
                seen.add(text)
                yield text


def is_signature(text: str) -> bool:
    """Whether `text` is base64 of 32 bytes."""
    try:
        return len(base64.b64decode(text, validate=True)) == 32
    except (binascii.Error, ValueError):
        return False


def signed_by(keys: list[str], candidates: Iterator[str], signature: str) -> bool:
    """Whether one of the keys gives the signature for one of the texts."""
    return any(same_secret(signature, sign(key, text)) for text in candidates for key in keys)
