"""HTTP that activities send: where it goes, how long it may take, and how tests stand in for it.

A test puts its own far side in place before the run is started, in the same task or an outer one:

    async def far_side(ctx: Context, ask: Ask) -> Answer: ...

    with replaced(far_side):
        await manager.create_run(...)

Every request of every activity then ends there, tokens and secrets included; a far side that is
slow sleeps by `ctx.clock`. It raises `NoAnswer` to play a broken network.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from http import HTTPStatus
from urllib.parse import urljoin, urlsplit

from emulators.kernel.azure_domains import is_azure
from emulators.kernel.context import Context

RESPONSE_LIMIT_BYTES = 4 << 20
HOPS = 20
REDIRECTS = (301, 302, 303, 307, 308)
_SPELLED = {"etag": "ETag", "www-authenticate": "WWW-Authenticate"}


@dataclass(frozen=True, slots=True)
class Ask:
    """One HTTP request. `timeout_s` bounds the whole exchange."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""
    timeout_s: float = 60.0
    verify: bool = True  # whether the server's certificate is checked


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; header names as the server spelled them."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """A header's value by any case of its name."""
        lower = name.lower()
        return next((v for n, v in self.headers if n.lower() == lower), None)

    @property
    def text(self) -> str:
        """The body in the charset of its Content-Type; what does not decode is replaced."""
        kind = self.header("content-type") or ""
        charset = kind.lower().partition("charset=")[2].partition(";")[0].strip(' "') or "utf-8"
        try:
            return self.body.decode(charset, "replace").removeprefix("\ufeff")
        except (LookupError, ValueError):  # no such charset, or none of texts
            return self.body.decode("utf-8", "replace")

    @property
    def reason(self) -> str:
        """The status as .NET spells it: `404 : NotFound`."""
        try:
            words = HTTPStatus(self.status).phrase.title()
        except ValueError:
            return str(self.status)
        return f"{self.status} : {''.join(c for c in words if c.isalnum())}"


class NoAnswer(Exception):
    """The request failed below HTTP, or took too long; the message says why."""


class TooLong(Exception):
    """The answer is over RESPONSE_LIMIT_BYTES."""


Send = Callable[[Context, Ask], Awaitable[Answer]]
_stand_in: ContextVar[Send | None] = ContextVar("datafactory_http", default=None)


@contextmanager
def replaced(far_side: Send) -> Iterator[None]:
    """Have `far_side` answer everything that activities started from here on send."""
    token = _stand_in.set(far_side)
    try:
        yield
    finally:
        _stand_in.reset(token)


async def send(ctx: Context, ask: Ask) -> Answer:
    """Send one request and read the whole answer. Redirects are not followed.

    A far side of a test is timed by the context's clock, a real one by the real time: it does not
    become faster because our waits do.

    Raises:
        NoAnswer: no answer came within the time, or none can.
        TooLong: the answer is over the limit.
    """
    stand_in = _stand_in.get()
    if stand_in is not None:
        return await _timed(ctx, stand_in(ctx, ask), ask.timeout_s)
    try:
        async with asyncio.timeout(ask.timeout_s):
            return await _send(ctx, ask)
    except TimeoutError:
        raise NoAnswer("The operation was canceled.") from None


async def follow(ctx: Context, ask: Ask) -> tuple[Answer, Ask]:
    """Send, following redirects as .NET's client does; the answer and the request it is to.

    Raises:
        NoAnswer: no answer came within the time, or the redirects do not end.
        TooLong: the answer is over the limit.
    """
    for _ in range(HOPS):
        answer = await send(ctx, ask)
        target = answer.header("location")
        if answer.status not in REDIRECTS or not target:
            return answer, ask
        url = urljoin(ask.url, target)
        if urlsplit(ask.url).scheme == "https" and urlsplit(url).scheme == "http":
            return answer, ask
        headers = {n: v for n, v in ask.headers.items() if n.lower() != "authorization"}
        turned = answer.status in (301, 302) and ask.method == "POST"
        if turned or (answer.status == 303 and ask.method not in ("GET", "HEAD")):
            headers = {n: v for n, v in headers.items() if not n.lower().startswith("content-")}
            ask = replace(ask, method="GET", body=b"")
        ask = replace(ask, url=url, headers=headers)
    raise NoAnswer(f"The endpoint redirected more than {HOPS} times.")


async def _timed(ctx: Context, work: Awaitable[Answer], timeout_s: float) -> Answer:
    answering = asyncio.ensure_future(work)
    alarm = asyncio.ensure_future(ctx.clock.sleep(timeout_s))
    try:
        await asyncio.wait((answering, alarm), return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            raise NoAnswer("The operation was canceled.")
        return answering.result()
    finally:
        for task in (answering, alarm):
            task.cancel()
        await asyncio.gather(answering, alarm, return_exceptions=True)


async def _send(ctx: Context, ask: Ask) -> Answer:
    from emulators.kernel import outward

    try:
        async with (
            outward.client_for(ctx, ask.url, timeout_s=ask.timeout_s, verify=ask.verify) as http,
            http.stream(
                ask.method, ask.url, headers=dict(ask.headers), content=ask.body or None
            ) as answer,
        ):
            body = bytearray()
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > RESPONSE_LIMIT_BYTES:
                    raise TooLong
            raw = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in answer.headers.raw]
            ours = is_azure(urlsplit(ask.url).hostname or "")
            headers = tuple((_spelled(n), v) if ours else (n, v) for n, v in raw)
            return Answer(answer.status_code, headers, bytes(body))
    except outward.FAILURES as failed:
        raise NoAnswer(str(failed) or type(failed).__name__) from failed


def _spelled(name: str) -> str:
    """An emulator's header as Azure writes it: `Content-Type`, but `x-ms-request-id`."""
    if name.startswith("x-"):
        return name
    return _SPELLED.get(name) or name.title()
