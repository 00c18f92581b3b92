"""Azure ML's resources, asked for over the resource manager's wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import httpx

from emulators.kernel.context import Context
from emulators.mlflow.errors import ResourceMissing, ServerFailed

ARM_VERSION = "2023-08-01-preview"
MANAGEMENT = "https://management.azure.com"
Query: TypeAlias = Mapping[str, str]


async def arm_get(ctx: Context, path: str, query: Query | None = None) -> dict[str, Any] | None:
    """One resource, or None when there is none.

    Raises:
        ServerFailed: the resource manager answered with something else.
    """
    answer = await arm(ctx, "GET", path, query=query)
    return None if answer.status_code == 404 else _json(answer)


async def arm_list(ctx: Context, path: str, query: Query | None = None) -> list[dict[str, Any]]:
    """Every resource of a list, all pages; nothing when what holds the list does not exist."""
    found: list[dict[str, Any]] = []
    answer = await arm(ctx, "GET", path, query=query)
    while answer.status_code != 404:
        page = _json(answer)
        found += page.get("value") or []
        more = page.get("nextLink")
        if not more:
            break
        async with ctx.peers.client() as http:
            answer = await http.get(str(more))
    return found


async def arm(
    ctx: Context,
    method: str,
    path: str,
    body: dict[str, Any] | None = None,
    *,
    query: Query | None = None,
) -> httpx.Response:
    """One call of the resource manager; the caller reads the status."""
    url = httpx.URL(MANAGEMENT).copy_with(path=f"/{path}")
    async with ctx.peers.client() as http:
        return await http.request(
            method, url, params={"api-version": ARM_VERSION, **(query or {})}, json=body
        )


def checked(answer: httpx.Response) -> dict[str, Any]:
    """The JSON of an answer that must be good.

    Raises:
        ResourceMissing: what was to be changed is not there.
        ServerFailed: any other refusal.
    """
    if answer.status_code == 404:
        raise ResourceMissing(_message(answer))
    return _json(answer)


def _json(answer: httpx.Response) -> dict[str, Any]:
    if answer.status_code >= 400:
        raise ServerFailed(f"Azure ML refused ({answer.status_code}): {_message(answer)}")
    found = answer.json() if answer.content else {}
    return found if isinstance(found, dict) else {}


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:500]
