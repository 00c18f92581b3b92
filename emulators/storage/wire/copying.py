"""Copies: from a URL of an account of this state folder; bytes are shared, not copied."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from emulators.kernel import explicit
from emulators.kernel.azure_http import http_date
from emulators.kernel.errors import ServiceError, Unsupported
from emulators.kernel.http import Reply
from emulators.storage import errors
from emulators.storage.engine import (
    access,
    accounts,
    blobs,
    blocks,
    containers,
    naming,
    permissions,
)
from emulators.storage.engine.access import Caller, Need
from emulators.storage.engine.conditions import check_source
from emulators.storage.engine.files import Written
from emulators.storage.store import Blob, Part
from emulators.storage.wire import ask as asking
from emulators.storage.wire.ask import Ask, checked_md5
from emulators.storage.wire.blobs import ENCRYPTED, TRACKED, plain_content, written_headers
from emulators.storage.wire.bodies import check, spans
from emulators.storage.wire.containers import found_container

READ = Need("o", "r", "blob")
SAID_PLAINLY = {"BlobNotFound", "ContainerNotFound"}
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def _located(ask: Ask, url: str) -> tuple[str, str, str]:
    """Host, raw path on it and query of a source.

    Raises:
        InvalidHeaderValue: it is not a URL.
    """
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
    except ValueError:
        raise asking.bad_header("x-ms-copy-source", url) from None
    if not host:
        raise asking.bad_header("x-ms-copy-source", url)
    path = parts.path
    if host in LOOPBACK:
        default = accounts.seed(ask.ctx).name
        host, path = explicit.target_of(path, ask.ctx.settings.region, default)
    return host, path, parts.query


def source_of(ask: Ask) -> Blob:
    """The blob the request copies from, if its caller may read it.

    Raises:
        Unsupported: it is not in this state folder.
        CannotVerifyCopySource: it is not there, or may not be read.
        SourceConditionNotMet: it is not the version that was meant.
    """
    url = ask.header("x-ms-copy-source")
    host, path, query_text = _located(ask, url)
    name = host.partition(".")[0]
    account = accounts.find(ask.ctx, name) if ".blob." in host or ".dfs." in host else None
    if account is None:
        raise Unsupported(f"copies from {host or url}, outside this state folder", tracked=TRACKED)
    container, blob = asking.address(path)
    query = asking.raw_query(query_text)
    try:
        caller = _reader(ask, account.name, container, blob, query)
        access.authorize(ask.ctx, caller, READ, account, container, "")
        reader = permissions.responsible(caller, asking.query_values(query))
        permissions.check(ask.ctx, reader, "GetBlob", account, container)
        found = blobs.find(
            ask.vault,
            containers.find(ask.vault, account.name, container),
            blob,
            asking.query_values(query).get("snapshot", ""),
        )
    except ServiceError as refused:
        own = account.name == ask.account.name and refused.code in SAID_PLAINLY
        if refused.status == 501 or own:
            raise
        error = errors.CannotVerifyCopySource(refused.message)
        error.status = refused.status
        raise error from None
    if found.tier == "Archive":
        raise errors.BlobArchived
    check_source(ask.conditions("x-ms-source-"), found.etag, found.modified)
    return found


def _reader(
    ask: Ask, account: str, container: str, blob: str, query: tuple[tuple[str, str], ...]
) -> Caller:
    """Who reads the source: its own credential, or the request's within one account."""
    values = asking.query_values(query)
    owner = accounts.find(ask.ctx, account)
    assert owner is not None
    signable = replace(ask.signable(), query=query, values=values, headers=())
    bearer = ask.header("x-ms-copy-source-authorization")
    if bearer:
        signable = replace(signable, headers=(("authorization", bearer),))
        return access.authenticate(ask.ctx, signable, owner, container, blob)
    if "sig" in values:
        return access.authenticate(ask.ctx, signable, owner, container, blob)
    if account == ask.account.name and ask.caller.how in ("key", "bearer"):
        return ask.caller
    return Caller("anonymous")


async def put(ask: Ask) -> Reply:
    """Copy Blob, Copy Blob From URL or Put Blob From URL: one is told by its headers."""
    ask.refuse_unserved_headers()
    kind = ask.header("x-ms-blob-type")
    if kind and kind != "BlockBlob":
        raise Unsupported(f"Put Blob From URL of a {kind}", tracked=TRACKED)
    is_sync = ask.header("x-ms-requires-sync").lower() == "true"
    ask.operation = "PutBlobFromURL" if kind else "CopyBlobFromURL" if is_sync else "CopyBlob"
    container, guard = found_container(ask), ask.creation_guard()
    source = source_of(ask)
    old = blobs.for_replacement(ask.vault, container, ask.blob, guard)
    _check_md5(ask, source)
    content = plain_content(ask) if kind else ask.content()
    keeps = not kind or ask.header("x-ms-copy-source-blob-properties").lower() != "false"
    made = blobs.new(ask.vault, container, ask.blob, content, old)
    made = replace(
        made,
        kind=source.kind,
        size=source.size,
        parts=[*source.parts],
        md5=source.md5,
        metadata=dict(content.metadata or source.metadata),
        appended=source.appended,
        sealed=ask.header("x-ms-seal-blob").lower() == "true",
    )
    made = _with_properties(made, source, ask) if keeps else made
    copy = ask.ctx.ids.guid()
    if not kind:
        at = http_date(ask.ctx.clock.now())
        url = ask.header("x-ms-copy-source").partition("?")[0]
        made = replace(made, copied={"id": copy, "source": url, "completed": at})
    blobs.store(ask.vault, old, made, drop_blocks=True, share=True, api="CopyBlob")
    if kind:
        headers = written_headers(made) | ({"Content-MD5": made.md5} if made.md5 else {})
        return Reply(201, headers=headers)
    headers = written_headers(made) | {"x-ms-copy-id": copy, "x-ms-copy-status": "success"}
    return Reply(202, headers=headers)


def _with_properties(made: Blob, source: Blob, ask: Ask) -> Blob:
    """The copy with the source's headers, where the request gives none of its own."""
    given = ask.header("x-ms-blob-content-type")
    return replace(
        made,
        content_type=given or source.content_type,
        content_encoding=made.content_encoding or source.content_encoding,
        content_language=made.content_language or source.content_language,
        content_disposition=made.content_disposition or source.content_disposition,
        cache_control=made.cache_control or source.cache_control,
    )


def _check_md5(ask: Ask, source: Blob) -> None:
    given = checked_md5(ask.header("x-ms-source-content-md5"))
    if given and given != source.md5:
        raise errors.Md5Mismatch(
            detail={"UserSpecifiedMd5": given, "ServerCalculatedMd5": source.md5}
        )


async def put_block(ask: Ask) -> Reply:
    """Put Block From URL: the range's bytes are written as a block of its own."""
    ask.operation = "PutBlockFromURL"
    ask.refuse_unserved_headers()
    name = ask.values.get("blockid", "")
    container = found_container(ask)
    naming.check_blob(ask.blob)
    blocks.check_stage(ask.vault, container, ask.blob, name, ask.lease_id())
    source = source_of(ask)
    written = await _copied(ask, source)
    check(ask.vault, written, checked_md5(ask.header("x-ms-source-content-md5")), "")
    try:
        container = blobs.still_there(ask.vault, container)
        blocks.stage(ask.vault, container, ask.blob, name, written, ask.lease_id())
    except errors.StorageError:
        ask.vault.files.remove([written.file])
        raise
    return Reply(201, headers={**ENCRYPTED, "Content-MD5": written.md5_base64})


async def _copied(ask: Ask, source: Blob) -> Written:
    import asyncio

    from emulators.storage.wire.reading import Span, range_in

    span = range_in(ask.header("x-ms-source-range"), source.size) or Span(0, source.size)
    with ask.vault.files.reading(source.parts):
        return await asyncio.to_thread(_copy, ask, source.parts, span.start, span.size)


def _copy(ask: Ask, parts: list[Part], start: int, size: int) -> Written:
    with ask.vault.files.writer() as writer:
        for file, offset, length in spans(parts, start, size):
            with ask.vault.files.path(file).open("rb") as opened:
                opened.seek(offset)
                left = length
                while left and (chunk := opened.read(min(left, 1 << 20))):
                    writer.write(chunk)
                    left -= len(chunk)
        return writer.done()
