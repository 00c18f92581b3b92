"""Every common Python HTTP client, told nothing but the environment; prints what each was told."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import urllib.request
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import httpx
import requests
import urllib3

URL = "https://management.azure.com/from/"
BODY = b"x" * 300_000


def with_requests() -> Any:
    return requests.post(URL + "requests", data=BODY, timeout=20).json()


def with_requests_session() -> Any:
    with requests.Session() as session:
        session.get(URL + "first", timeout=20)
        return session.post(URL + "requests-session", data=BODY, timeout=20).json()


def with_urllib() -> Any:
    with urllib.request.urlopen(URL + "urllib", data=BODY, timeout=20) as answer:
        return json.load(answer)


def with_urllib3() -> Any:
    manager = urllib3.ProxyManager(os.environ["HTTPS_PROXY"], ca_certs=os.environ["SSL_CERT_FILE"])
    return manager.request("POST", URL + "urllib3", body=BODY, timeout=20.0).json()


def with_httpx() -> Any:
    return httpx.post(URL + "httpx", content=BODY, timeout=20).json()


async def with_httpx_async() -> Any:
    async with httpx.AsyncClient(timeout=20) as client:
        return (await client.post(URL + "httpx-async", content=BODY)).json()


async def with_aiohttp() -> Any:
    async with (
        aiohttp.ClientSession(trust_env=True) as session,
        session.post(URL + "aiohttp", data=BODY) as answer,
    ):
        return await answer.json()


def refused() -> Any:
    answer = requests.get("https://myvault.vault.azure.net/secrets/x", timeout=20)
    return {"status": answer.status_code, **answer.json()["error"]}


def direct_to_loopback() -> Any:
    """NO_PROXY: loopback never asks the proxy."""
    proxies = requests.utils.get_environ_proxies("http://127.0.0.1:5000/", no_proxy=None)
    return {"proxies": proxies}


CLIENTS: list[Callable[[], Any] | Callable[[], Awaitable[Any]]] = [
    with_requests,
    with_requests_session,
    with_urllib,
    with_urllib3,
    with_httpx,
    with_httpx_async,
    with_aiohttp,
    refused,
    direct_to_loopback,
]


def main() -> None:
    said = {}
    for client in CLIENTS:
        try:
            result = client()
            said[client.__name__] = asyncio.run(result) if asyncio.iscoroutine(result) else result
        except Exception as failed:  # the test shows it by client
            said[client.__name__] = {"failed": repr(failed)}
    json.dump(said, sys.stdout)


if __name__ == "__main__":
    main()
