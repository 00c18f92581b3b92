"""Bodies in and out, a megabyte at a time: hashing and disk in a thread while the socket works."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import ExitStack, suppress
from io import FileIO

from starlette.requests import ClientDisconnect

from emulators.storage import errors
from emulators.storage.engine.files import Writer, Written
from emulators.storage.engine.vault import Vault
from emulators.storage.store import Part
from emulators.storage.wire.ask import Ask, checked_crc64, checked_md5

CHUNK = 1 << 20
"""Bytes handed to a thread, and sent, at a time."""

INLINE = 128 * 1024
"""Bytes up to which a thread costs more than it saves."""


async def receive(ask: Ask, limit: int, *, hashed: bool = False) -> Written:
    """The request's body in a file, whole and checked against its checksums.

    `hashed`: its MD5 is wanted even where the request gives none to compare with.

    Raises:
        RequestBodyTooLarge: over `limit` bytes.
        Md5Mismatch: not the bytes its MD5 says.
        Crc64Mismatch: not the bytes its CRC64 says.
        ClientDisconnect: the caller left; nothing stays.
    """
    length = declared_length(ask)
    if length > limit:
        raise errors.RequestBodyTooLarge(detail={"MaxLimit": str(limit)})
    md5 = checked_md5(ask.header("content-md5"))
    crc64 = checked_crc64(ask.header("x-ms-content-crc64"))
    with ask.vault.files.writer(md5=hashed or bool(md5), crc64=bool(crc64)) as writer:
        await _fill(writer, ask.request.stream(), limit)
        if length >= 0 and writer.size != length:
            raise ClientDisconnect
        is_quick = writer.size <= INLINE and not ask.ctx.settings.durable
        written = writer.done() if is_quick else await asyncio.to_thread(writer.done)
    check(ask.vault, written, md5, crc64)
    return written


def declared_length(ask: Ask) -> int:
    """Bytes the body is said to have; -1 when it comes in chunks.

    Raises:
        MissingContentLength: neither a length nor chunks.
    """
    text = ask.header("content-length")
    if text.isdigit():
        return int(text)
    if not ask.header("transfer-encoding"):
        raise errors.MissingContentLength
    return -1


async def _fill(writer: Writer, body: AsyncIterator[bytes], limit: int) -> None:
    """Write the body; a thread writes one lot while the next is received."""
    lot: list[bytes] = []
    held = total = 0
    writing: asyncio.Future[None] | None = None
    try:
        async for chunk in body:
            total += len(chunk)
            if total > limit:
                raise errors.RequestBodyTooLarge(detail={"MaxLimit": str(limit)})
            lot.append(chunk)
            held += len(chunk)
            if held >= CHUNK:
                if writing is not None:
                    await writing
                writing = asyncio.ensure_future(asyncio.to_thread(_write, writer, lot))
                lot, held = [], 0
    finally:
        if writing is not None:
            await _settled(writing)
    if held <= INLINE:
        _write(writer, lot)
    else:
        await asyncio.to_thread(_write, writer, lot)


def _write(writer: Writer, lot: list[bytes]) -> None:
    writer.write(lot[0] if len(lot) == 1 else b"".join(lot))


async def _settled(writing: asyncio.Future[None]) -> None:
    """Wait for a thread even when cancelled: it must not write to a closed file."""
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        with suppress(Exception):
            await writing
        raise


def check(vault: Vault, written: Written, md5: str, crc64: str) -> None:
    """Compare checksums; the bytes are dropped when they differ.

    Raises:
        Md5Mismatch: not the bytes the MD5 says.
        Crc64Mismatch: not the bytes the CRC64 says.
    """
    if md5 and base64.b64decode(md5) != written.md5:
        vault.files.remove([written.file])
        raise errors.Md5Mismatch(
            detail={"UserSpecifiedMd5": md5, "ServerCalculatedMd5": written.md5_base64}
        )
    if crc64 and base64.b64decode(crc64) != written.crc64:
        vault.files.remove([written.file])
        raise errors.Crc64Mismatch


def spans(parts: list[Part], start: int, size: int) -> Iterator[tuple[str, int, int]]:
    """Where a range of a blob lies: file, offset in it, bytes."""
    at = 0
    for file, offset, length, _ in parts:
        low, high = max(start, at), min(start + size, at + length)
        if low < high:
            yield file, offset + low - at, high - low
        at += length
        if at >= start + size:
            return


def read_small(vault: Vault, parts: list[Part], start: int, size: int) -> bytes:
    """A range of a blob at once; for up to INLINE bytes."""
    pieces = []
    for file, offset, length in spans(parts, start, size):
        with vault.files.path(file).open("rb", buffering=0) as opened:
            opened.seek(offset)
            pieces.append(_exactly(opened, length))
    return b"".join(pieces)


class Download(AsyncIterator[bytes]):
    """A range of a blob in chunks; the next is read while one is sent.

    From its making until `aclose` the files stay, whatever becomes of the blob.
    """

    def __init__(self, vault: Vault, parts: list[Part], start: int, size: int) -> None:
        wanted = list(spans(parts, start, size))
        self._pinned = ExitStack()
        self._pinned.enter_context(vault.files.reading([[file] for file, _, _ in wanted]))
        self._chunks = _chunks(vault, wanted)
        self._coming: asyncio.Future[bytes | None] | None = None

    def _read(self) -> asyncio.Future[bytes | None]:
        return asyncio.ensure_future(asyncio.to_thread(next, self._chunks, None))

    async def __anext__(self) -> bytes:
        chunk = await (self._coming or self._read())
        if chunk is None:
            raise StopAsyncIteration
        self._coming = self._read()
        return chunk

    async def aclose(self) -> None:
        """Let go of the files."""
        if self._coming is not None:
            await asyncio.wait([self._coming])
        self._chunks.close()
        self._pinned.close()


def _chunks(vault: Vault, wanted: list[tuple[str, int, int]]) -> Generator[bytes, None, None]:
    for file, offset, length in wanted:
        with vault.files.path(file).open("rb", buffering=0) as opened:
            opened.seek(offset)
            left = length
            while left:
                chunk = _exactly(opened, min(CHUNK, left))
                left -= len(chunk)
                yield chunk


def _exactly(opened: FileIO, size: int) -> bytes:
    """`size` bytes; a file that is shorter than its record says is this program's fault."""
    data = opened.read(size)
    while len(data) < size:
        more = opened.read(size - len(data))
        if not more:
            raise OSError(f"{opened.name!r} ends before its record says")
        data += more
    return data
