"""Compressed streams: gzip, deflate, bzip2, unpacked and packed piece by piece. No I/O."""

from __future__ import annotations

import bz2
import zlib
from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

from emulators.datafactory.engine.connections.failing import ConnectionFailed, NotEmulated

ENDINGS = {"gzip": ".gz", "deflate": ".deflate", "bzip2": ".bz2"}
NONE = ("", "none")


class _Packer(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


def codec_of(dataset: Mapping[str, Any]) -> str:
    """A dataset's compression in lower case; "" for none. Either way of writing it is read.

    Raises:
        NotEmulated: a kind that is not read and written here.
    """
    given = dataset.get("compression")
    named = given.get("type") if isinstance(given, Mapping) else dataset.get("compressionCodec")
    codec = str(named or "").lower()
    if codec in NONE:
        return ""
    if codec not in ENDINGS:
        raise NotEmulated(f"the compression '{named}' of files")
    return codec


def is_fastest(dataset: Mapping[str, Any]) -> bool:
    """Whether speed goes over size."""
    given = dataset.get("compression")
    level = given.get("level") if isinstance(given, Mapping) else dataset.get("compressionLevel")
    return str(level or "").lower() == "fastest"


async def unpacked(chunks: AsyncIterator[bytes], codec: str) -> AsyncIterator[bytes]:
    """The bytes inside; members of a gzip or bzip2 file that follow each other are all read.

    Raises:
        ConnectionFailed: they are not of that compression, or end too early.
    """
    if not codec:
        async for chunk in chunks:
            yield chunk
        return
    inner, begun = _unpacker(codec), False
    try:
        async for chunk in chunks:
            left = chunk
            while left:
                begun = True
                data = inner.decompress(left)
                if data:
                    yield data
                if not inner.eof:
                    break
                left, inner, begun = inner.unused_data, _unpacker(codec), False
    except (zlib.error, OSError, EOFError) as wrong:
        raise ConnectionFailed(
            "CompressionFormatError", f"The file is not compressed by {codec}: {wrong}."
        ) from None
    if begun:
        raise ConnectionFailed("CompressionFormatError", f"The {codec} file ends too early.")


def _unpacker(codec: str) -> Any:
    if codec == "bzip2":
        return bz2.BZ2Decompressor()
    return zlib.decompressobj(31 if codec == "gzip" else -15)


async def packed(
    chunks: AsyncIterator[bytes], codec: str, *, fastest: bool = False
) -> AsyncIterator[bytes]:
    """The bytes, compressed."""
    if not codec:
        async for chunk in chunks:
            yield chunk
        return
    level = 1 if fastest else 6
    packer: _Packer = (
        bz2.BZ2Compressor(1 if fastest else 9)
        if codec == "bzip2"
        else zlib.compressobj(level, zlib.DEFLATED, 31 if codec == "gzip" else -15)
    )
    async for chunk in chunks:
        data = packer.compress(chunk)
        if data:
            yield data
    yield packer.flush()
