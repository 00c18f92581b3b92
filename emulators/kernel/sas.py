"""Service SAS for a container or a blob: a signature that the storage service itself checks."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from datetime import datetime, timedelta
from urllib.parse import urlencode

VERSION = "2023-11-03"
SKEW = timedelta(minutes=15)
"""How long before now a signature already holds, for clocks that differ."""


def sign_service_sas(
    account: str,
    key: str,
    container: str,
    permissions: str,
    expiry: datetime,
    now: datetime,
) -> str:
    """The query string that opens one container, without its question mark.

    Args:
        container: its name, or `name/path/of/blob` to open one blob and nothing else.
        key: the account key in base64.
        permissions: letters in Azure's order, such as "racwdl".
        expiry: end of its life, UTC.
        now: the present, UTC; it holds from fifteen minutes earlier.

    Raises:
        ValueError: the key is not base64.

    Source: learn.microsoft.com/rest/api/storageservices/create-service-sas
    """
    start, end = _stamp(now - SKEW), _stamp(expiry)
    resource = f"/blob/{account}/{container}"
    kind = "b" if "/" in container else "c"
    signed = "\n".join(
        (permissions, start, end, resource, "", "", "https", VERSION, kind, *([""] * 7))
    )
    try:
        secret = base64.b64decode(key, validate=True)
    except binascii.Error:
        raise ValueError("the account key is not base64") from None
    digest = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    return urlencode(
        {
            "sv": VERSION,
            "st": start,
            "se": end,
            "sr": kind,
            "sp": permissions,
            "spr": "https",
            "sig": base64.b64encode(digest).decode(),
        }
    )


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
