"""Operations on blobs, their bytes coming in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from emulators.kernel.azure_http import http_date
from emulators.kernel.errors import Unsupported
from emulators.kernel.http import Reply, read_body
from emulators.storage import errors
from emulators.storage.engine import blobs, blocks, naming
from emulators.storage.engine.access import Need
from emulators.storage.engine.blobs import Content, Guard
from emulators.storage.engine.conditions import check_write
from emulators.storage.store import Blob
from emulators.storage.wire import xml
from emulators.storage.wire.ask import Ask, bad_query, checked_md5, missing_header
from emulators.storage.wire.bodies import declared_length, receive
from emulators.storage.wire.containers import XML, found_container, version_headers
from emulators.storage.wire.routes import Route

MAX_BLOB = 5000 << 20
"""Bytes of a blob that is put at once."""

MAX_BLOCK = 4000 << 20
ENCRYPTED = {"x-ms-request-server-encrypted": "true"}
TRACKED = "emulators/storage/README.md, Not emulated"


def written_headers(made: Blob) -> dict[str, str]:
    """The headers of an answer to a write."""
    return {**version_headers(made.etag, made.modified), **ENCRYPTED}


async def put(ask: Ask) -> Reply:
    """Put Blob, Put Blob From URL and Copy Blob share a verb and a path."""
    if ask.header("x-ms-copy-source"):
        from emulators.storage.wire import copying

        return await copying.put(ask)
    ask.refuse_unserved_headers()
    kind = ask.header("x-ms-blob-type")
    if not kind:
        raise missing_header("x-ms-blob-type")
    if kind == "PageBlob":
        raise Unsupported("page blobs", tracked=TRACKED)
    if kind not in ("BlockBlob", "AppendBlob"):
        raise errors.InvalidHeaderValue(
            detail={"HeaderName": "x-ms-blob-type", "HeaderValue": kind}
        )
    return await (_put_block_blob(ask) if kind == "BlockBlob" else _create_append_blob(ask))


async def _put_block_blob(ask: Ask) -> Reply:
    ask.operation = "PutBlob"
    content, guard = plain_content(ask), ask.creation_guard()
    naming.check_metadata(content.metadata)
    blobs.check_tier(content.tier)
    container = found_container(ask)
    blobs.for_replacement(ask.vault, container, ask.blob, guard)
    written = await receive(ask, MAX_BLOB, hashed=True)
    try:
        if content.md5 and content.md5 != written.md5_base64 and not ask.header("content-md5"):
            raise errors.Md5Mismatch(
                detail={
                    "UserSpecifiedMd5": content.md5,
                    "ServerCalculatedMd5": written.md5_base64,
                }
            )
        container = blobs.still_there(ask.vault, container)
        content = replace(content, md5=content.md5 or written.md5_base64)
        made = blobs.put(ask.vault, container, ask.blob, written, content, guard)
    except errors.StorageError:
        ask.vault.files.remove([written.file])
        raise
    headers = written_headers(made) | {"Content-MD5": written.md5_base64}
    if ask.header("x-ms-content-crc64"):
        headers["x-ms-content-crc64"] = ask.header("x-ms-content-crc64")
    return Reply(201, headers=headers)


async def _create_append_blob(ask: Ask) -> Reply:
    ask.operation = "PutBlob"
    if declared_length(ask) != 0:
        raise errors.InvalidHeaderValue(
            detail={
                "HeaderName": "Content-Length",
                "HeaderValue": ask.header("content-length"),
            }
        )
    container = found_container(ask)
    made = blobs.put(ask.vault, container, ask.blob, None, plain_content(ask), ask.creation_guard())
    return Reply(201, headers=written_headers(made))


def plain_content(ask: Ask) -> Content:
    """A blob's headers as Put Blob takes them: the plain ones stand in for the `x-ms-` ones."""
    said = ask.content()
    return replace(
        said,
        content_type=ask.header("x-ms-blob-content-type")
        or ask.header("content-type")
        or "application/octet-stream",
        content_encoding=said.content_encoding or ask.header("content-encoding"),
        content_language=said.content_language or ask.header("content-language"),
        cache_control=said.cache_control or ask.header("cache-control"),
        content_disposition=said.content_disposition,
    )


async def put_block(ask: Ask) -> Reply:
    if ask.header("x-ms-copy-source"):
        from emulators.storage.wire import copying

        return await copying.put_block(ask)
    ask.refuse_unserved_headers()
    name = ask.values.get("blockid", "")
    if not name:
        raise bad_query("blockid", "")
    container = found_container(ask)
    naming.check_blob(ask.blob)
    blocks.check_stage(ask.vault, container, ask.blob, name, ask.lease_id())
    written = await receive(ask, MAX_BLOCK)
    try:
        if not written.size:
            raise errors.InvalidHeaderValue(
                detail={"HeaderName": "Content-Length", "HeaderValue": "0"}
            )
        container = blobs.still_there(ask.vault, container)
        blocks.stage(ask.vault, container, ask.blob, name, written, ask.lease_id())
    except errors.StorageError:
        ask.vault.files.remove([written.file])
        raise
    headers = dict(ENCRYPTED)
    if ask.header("x-ms-content-crc64"):
        headers["x-ms-content-crc64"] = ask.header("x-ms-content-crc64")
    if ask.header("content-md5"):
        headers["Content-MD5"] = written.md5_base64
    return Reply(201, headers=headers)


async def put_block_list(ask: Ask) -> Reply:
    ask.refuse_unserved_headers()
    body = await read_body(ask.request, xml.MAX_BODY)
    check_body(ask, body)
    container = found_container(ask)
    made = blocks.commit(
        ask.vault,
        container,
        ask.blob,
        xml.block_list(body),
        ask.content(),
        ask.creation_guard(),
    )
    given = {"Content-MD5": ask.header("content-md5")} if ask.header("content-md5") else {}
    return Reply(201, headers=written_headers(made) | given)


def check_body(ask: Ask, body: bytes) -> None:
    """Compare a small body with the checksums it came with.

    Raises:
        Md5Mismatch: not the bytes its MD5 says.
        Crc64Mismatch: not the bytes its CRC64 says.
    """
    from base64 import b64encode
    from hashlib import md5

    from emulators.storage.engine.crc64 import Crc64

    given = checked_md5(ask.header("content-md5"))
    if given and given != b64encode(md5(body, usedforsecurity=False).digest()).decode():
        raise errors.Md5Mismatch
    if ask.header("x-ms-content-crc64"):
        found = Crc64()
        found.update(body)
        if b64encode(found.digest()).decode() != ask.header("x-ms-content-crc64"):
            raise errors.Crc64Mismatch


async def get_block_list(ask: Ask) -> Reply:
    show = ask.values.get("blocklisttype", "committed").lower()
    if show not in ("committed", "uncommitted", "all"):
        raise bad_query("blocklisttype", show)
    found, staged = blocks.listed(
        ask.vault, found_container(ask), ask.blob, ask.values.get("snapshot", "")
    )
    headers = {"x-ms-blob-content-length": str(found.size if found else 0)}
    if found is not None:
        if found.kind != "BlockBlob":
            raise errors.InvalidBlobType
        headers |= version_headers(found.etag, found.modified)
    return Reply(200, xml.blocks(found, staged, show=show), headers, XML)


async def append_block(ask: Ask) -> Reply:
    if ask.header("x-ms-copy-source"):
        raise Unsupported("Append Block From URL", tracked=TRACKED)
    ask.refuse_unserved_headers()
    container = found_container(ask)
    blobs.for_change(ask.vault, container, ask.blob, ask.guard())
    position = ask.number("x-ms-blob-condition-appendpos")
    max_size = ask.number("x-ms-blob-condition-maxsize")
    if 0 <= declared_length(ask) <= blocks.JOINED_UP_TO:
        data = await read_body(ask.request, blocks.JOINED_UP_TO)
        check_body(ask, data)
        found = blobs.for_change(ask.vault, container, ask.blob, ask.guard())
        made, offset = blocks.append(ask.vault, found, data, position, max_size)
    else:
        written = await receive(ask, 100 << 20)
        try:
            found = blobs.for_change(ask.vault, container, ask.blob, ask.guard())
            made, offset = blocks.append(ask.vault, found, written, position, max_size)
        except errors.StorageError:
            ask.vault.files.remove([written.file])
            raise
    headers = written_headers(made) | {
        "x-ms-blob-append-offset": str(offset),
        "x-ms-blob-committed-block-count": str(made.appended),
    }
    return Reply(201, headers=headers)


async def seal(ask: Ask) -> Reply:
    found = blobs.for_change(ask.vault, found_container(ask), ask.blob, ask.guard())
    if found.kind != "AppendBlob":
        raise errors.InvalidBlobType
    sealed = blobs.change(ask.vault, found, sealed=True)
    headers = version_headers(sealed.etag, sealed.modified) | {"x-ms-blob-sealed": "true"}
    return Reply(200, headers=headers)


async def set_properties(ask: Ask) -> Reply:
    ask.refuse_unserved_headers()
    if ask.header("x-ms-blob-content-length") or ask.header("x-ms-sequence-number-action"):
        raise Unsupported("page blobs", tracked=TRACKED)
    found = blobs.for_change(ask.vault, found_container(ask), ask.blob, ask.guard())
    changed = blobs.set_content(ask.vault, found, ask.content())
    return Reply(200, headers=version_headers(changed.etag, changed.modified))


async def set_metadata(ask: Ask) -> Reply:
    ask.refuse_unserved_headers()
    found = blobs.for_change(ask.vault, found_container(ask), ask.blob, ask.guard())
    changed = blobs.set_metadata(ask.vault, found, ask.metadata())
    return Reply(200, headers=written_headers(changed))


async def set_tier(ask: Ask) -> Reply:
    ask.refuse_unserved_headers()
    tier = ask.header("x-ms-access-tier")
    if not tier:
        raise missing_header("x-ms-access-tier")
    container, kept = found_container(ask), ask.values.get("snapshot", "")
    found = blobs.find(ask.vault, container, ask.blob, kept)
    blobs.set_tier(ask.vault, found, tier)
    return Reply(200)


async def snapshot(ask: Ask) -> Reply:
    ask.refuse_unserved_headers()
    guard = ask.guard()
    found = blobs.read(ask.vault, found_container(ask), ask.blob, "", Guard(lease=guard.lease))
    check_write(guard.asked, (found.etag, found.modified))
    kept = blobs.snapshot(ask.vault, found, ask.metadata())
    headers = version_headers(kept.etag, kept.modified) | {"x-ms-snapshot": kept.snapshot}
    return Reply(201, headers=headers)


async def delete(ask: Ask) -> Reply:
    if ask.values.get("deletetype"):
        raise Unsupported("permanent deletion (soft delete)", tracked=TRACKED)
    kept, also = ask.values.get("snapshot", ""), ask.header("x-ms-delete-snapshots").lower()
    if also not in ("", "include", "only") or (also and kept):
        raise errors.InvalidHeaderValue(
            detail={"HeaderName": "x-ms-delete-snapshots", "HeaderValue": also}
        )
    container = found_container(ask)
    found = blobs.for_change(ask.vault, container, ask.blob, ask.guard(), kept)
    blobs.delete(ask.vault, container, found, also)
    return Reply(202, headers={"x-ms-delete-type-permanent": "true"})


def copied_headers(found: Blob) -> Mapping[str, str]:
    """The headers of a blob that a copy made."""
    if not found.copied:
        return {}
    return {
        "x-ms-copy-id": found.copied["id"],
        "x-ms-copy-source": found.copied["source"],
        "x-ms-copy-status": "success",
        "x-ms-copy-progress": f"{found.size}/{found.size}",
        "x-ms-copy-completion-time": found.copied["completed"],
    }


def date_header(text: str) -> str:
    """A stored ISO instant as an HTTP date."""
    from datetime import datetime

    return http_date(datetime.fromisoformat(text))


async def abort_copy(ask: Ask) -> Reply:
    blobs.find(ask.vault, found_container(ask), ask.blob)
    raise errors.NoPendingCopy


ROUTES = [
    Route("PutBlob", "PUT", "blob", "", Need("o", "cw"), put),
    Route("PutBlock", "PUT", "blob", "comp=block", Need("o", "cw"), put_block),
    Route("PutBlockList", "PUT", "blob", "comp=blocklist", Need("o", "cw"), put_block_list),
    Route("GetBlockList", "GET", "blob", "comp=blocklist", Need("o", "r"), get_block_list),
    Route("AppendBlock", "PUT", "blob", "comp=appendblock", Need("o", "aw"), append_block),
    Route("SealAppendBlob", "PUT", "blob", "comp=seal", Need("o", "w"), seal),
    Route("SetBlobProperties", "PUT", "blob", "comp=properties", Need("o", "w"), set_properties),
    Route("SetBlobMetadata", "PUT", "blob", "comp=metadata", Need("o", "w"), set_metadata),
    Route("SetBlobTier", "PUT", "blob", "comp=tier", Need("o", "w"), set_tier),
    Route("SnapshotBlob", "PUT", "blob", "comp=snapshot", Need("o", "cw"), snapshot),
    Route("AbortCopyBlob", "PUT", "blob", "comp=copy", Need("o", "w"), abort_copy),
    Route("DeleteBlob", "DELETE", "blob", "", Need("o", "d"), delete),
]
