"""Reading blobs: whole, in ranges, or only what is said of them."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass

from emulators.kernel.azure_http import http_date
from emulators.kernel.http import Reply
from emulators.storage import errors
from emulators.storage.engine import blobs
from emulators.storage.engine.access import Need
from emulators.storage.store import Blob
from emulators.storage.wire.ask import Ask
from emulators.storage.wire.blobs import copied_headers, date_header
from emulators.storage.wire.bodies import INLINE, Download, read_small
from emulators.storage.wire.containers import (
    found_container,
    lease_headers,
    meta_headers,
    version_headers,
)
from emulators.storage.wire.routes import Route

MAX_HASHED_RANGE = 4 << 20
"""Bytes of a range up to which its own checksum can be asked for."""

_RANGE = re.compile(r"bytes=(\d{1,19})-(\d{0,19})")


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of a blob."""

    start: int
    size: int


def blob_headers(found: Blob, ask: Ask) -> dict[str, str]:
    """Everything that is said of a blob, but for its length and checksum."""
    headers = {
        **version_headers(found.etag, found.modified),
        "Content-Type": found.content_type,
        "x-ms-blob-type": found.kind,
        "x-ms-creation-time": http_date(found.created),
        "x-ms-server-encrypted": "true",
        "Accept-Ranges": "bytes",
        **meta_headers(found.metadata),
        **copied_headers(found),
    }
    optional = {
        "Content-Encoding": found.content_encoding,
        "Content-Language": found.content_language,
        "Content-Disposition": found.content_disposition,
        "Cache-Control": found.cache_control,
    }
    headers |= {name: value for name, value in optional.items() if value}
    if not found.snapshot:
        headers |= lease_headers(found.lease, ask)
    if found.kind == "AppendBlob":
        headers["x-ms-blob-committed-block-count"] = str(found.appended)
        headers |= {"x-ms-blob-sealed": "true"} if found.sealed else {}
    return headers | dict(ask.caller.overrides)


async def head(ask: Ask) -> Reply:
    ask.refuse_unserved_headers()
    found = blobs.read(
        ask.vault, found_container(ask), ask.blob, ask.values.get("snapshot", ""), ask.guard()
    )
    headers = blob_headers(found, ask) | {"Content-Length": str(found.size)}
    if found.md5:
        headers["Content-MD5"] = found.md5
    if found.kind == "BlockBlob":
        headers["x-ms-access-tier"] = found.tier or "Hot"
        if found.tier:
            headers["x-ms-access-tier-change-time"] = date_header(found.tiered)
        else:
            headers["x-ms-access-tier-inferred"] = "true"
    return Reply(200, headers=headers)


def range_in(text: str, size: int) -> Span | None:
    """The bytes of a blob of `size` that a range names; None when it does not read.

    Raises:
        InvalidRange: it begins after the end.
    """
    found = _RANGE.fullmatch(text.strip())
    if found is None or (found[2] and int(found[2]) < int(found[1])):
        return None
    start = int(found[1])
    if start >= size:
        raise errors.InvalidRange(headers={"Content-Range": f"bytes */{size}"})
    last = min(int(found[2]), size - 1) if found[2] else size - 1
    return Span(start, last - start + 1)


async def get(ask: Ask) -> Reply:
    ask.refuse_unserved_headers()
    found = blobs.read(
        ask.vault, found_container(ask), ask.blob, ask.values.get("snapshot", ""), ask.guard()
    )
    if found.tier == "Archive":
        raise errors.BlobArchived
    asked = range_in(ask.header("x-ms-range") or ask.header("range"), found.size)
    span = asked or Span(0, found.size)
    headers = blob_headers(found, ask) | {"Content-Length": str(span.size)}
    if asked is None:
        headers |= {"Content-MD5": found.md5} if found.md5 else {}
    else:
        last = span.start + span.size - 1
        headers["Content-Range"] = f"bytes {span.start}-{last}/{found.size}"
        headers |= {"x-ms-blob-content-md5": found.md5} if found.md5 else {}
    headers |= _range_checksums(ask, found, span, asked is not None)
    status = 200 if asked is None else 206
    if span.size <= INLINE:
        return Reply(status, read_small(ask.vault, found.parts, span.start, span.size), headers)
    return Reply(status, Download(ask.vault, found.parts, span.start, span.size), headers)


def _range_checksums(ask: Ask, found: Blob, span: Span, is_range: bool) -> dict[str, str]:
    """The checksums of the range itself, where asked for.

    Raises:
        InvalidHeaderValue: asked for a whole blob.
        OutOfRangeInput: the range is over 4 MiB.
    """
    wants_md5 = ask.header("x-ms-range-get-content-md5").lower() == "true"
    wants_crc = ask.header("x-ms-range-get-content-crc64").lower() == "true"
    if not wants_md5 and not wants_crc:
        return {}
    if not is_range or (wants_md5 and wants_crc):
        raise errors.InvalidHeaderValue
    if span.size > MAX_HASHED_RANGE:
        raise errors.OutOfRangeInput
    data = read_small(ask.vault, found.parts, span.start, span.size)
    if wants_md5:
        digest = hashlib.md5(data, usedforsecurity=False).digest()
        return {"Content-MD5": base64.b64encode(digest).decode()}
    from emulators.storage.engine.crc64 import Crc64

    crc = Crc64()
    crc.update(data)
    return {"x-ms-content-crc64": base64.b64encode(crc.digest()).decode()}


ROUTES = [
    Route("GetBlob", "GET", "blob", "", Need("o", "r", "blob"), get),
    Route("GetBlobProperties", "HEAD", "blob", "", Need("o", "r", "blob"), head),
    *(
        Route("GetBlobMetadata", verb, "blob", "comp=metadata", Need("o", "r", "blob"), head)
        for verb in ("GET", "HEAD")
    ),
]
