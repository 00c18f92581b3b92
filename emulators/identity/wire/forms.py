"""Urlencoded forms and Basic credentials, sans-I/O: bytes in, one value a name out."""

from __future__ import annotations

import base64
from urllib.parse import parse_qsl, unquote_plus

from emulators.identity.errors import DuplicateParameter, MalformedRequest

MAX_BYTES = 128 * 1024
MAX_FIELDS = 100


def parse(body: bytes) -> dict[str, str]:
    """The fields of a form; names are kept as written.

    Raises:
        MalformedRequest: not a form in UTF-8, or too many fields.
        DuplicateParameter: a name is there twice.
    """
    try:
        pairs = parse_qsl(
            body.decode("utf-8"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except (ValueError, UnicodeDecodeError):
        raise MalformedRequest from None
    fields: dict[str, str] = {}
    for name, value in pairs:
        if name in fields:
            raise DuplicateParameter(name)
        fields[name] = value
    return fields


def basic(header: str) -> tuple[str, str] | None:
    """Client id and secret of an `Authorization: Basic` header, or None when it is another.

    Raises:
        MalformedRequest: Basic, and not decodable.

    Source: RFC 6749, 2.3.1: both parts are form-encoded before they are joined.
    """
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(value.strip(), validate=True).decode("utf-8")
    except ValueError:
        raise MalformedRequest from None
    name, colon, secret = text.partition(":")
    if not colon:
        raise MalformedRequest
    return unquote_plus(name), unquote_plus(secret)
