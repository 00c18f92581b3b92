"""A growing file to a growing block blob, so that any send may be repeated or cut short.

Block n is the file's n-th mebibyte, so what is sent twice is the same, and a host that comes back
needs no memory of what was sent.
"""

from __future__ import annotations

import base64
from typing import Any

from emulators.kernel.context import Context
from emulators.machinelearning.engine.collection.spool import Part
from emulators.machinelearning.engine.storage_access import API_VERSION
from emulators.machinelearning.errors import StorageFailed

BLOCK_BYTES = 1 << 20
MAX_BLOCKS = 50_000  # of a blob


async def ship(ctx: Context, part: Part) -> None:
    """Send what storage lacks of a file.

    Raises:
        StorageFailed: it does not take it.
    """
    size = part.size
    async with ctx.peers.client() as http:
        http.headers["x-ms-version"] = API_VERSION
        url = part.where.url
        if size <= BLOCK_BYTES:
            headers = {"x-ms-blob-type": "BlockBlob"}
            _check(await http.put(url, content=part.read(0, size), headers=headers), url)
        else:
            # A blob that was sent whole has no blocks yet.
            first = 0 if part.shipped <= BLOCK_BYTES else part.shipped // BLOCK_BYTES
            last = (size - 1) // BLOCK_BYTES
            for number in range(first, last + 1):
                begin = number * BLOCK_BYTES
                data = part.read(begin, min(BLOCK_BYTES, size - begin))
                query = {"comp": "block", "blockid": _id(number)}
                _check(await http.put(url, params=query, content=data), url)
            listed = "".join(f"<Latest>{_id(number)}</Latest>" for number in range(last + 1))
            body = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{listed}</BlockList>'
            answer = await http.put(url, params={"comp": "blocklist"}, content=body.encode())
            _check(answer, url)
    part.shipped = size


def _id(number: int) -> str:
    return base64.b64encode(f"{number:08}".encode()).decode()


def _check(answer: Any, url: str) -> None:
    if answer.status_code != 201:
        code = answer.headers.get("x-ms-error-code", str(answer.status_code))
        raise StorageFailed(f"Could not write '{url}': {code}.")
