"""A resource's provider over its own wire: put, waited for, read, asked to list."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from emulators.kernel.context import Context

if TYPE_CHECKING:
    import httpx

ARM = "https://management.azure.com"
POLL_S = 0.05
LONGEST_POLL_S = 1.0
LONGEST_S = 7200.0
ENDED = ("succeeded", "failed", "canceled")


class ProviderFailed(Exception):
    """A provider's own error, as it wrote it."""

    def __init__(self, status: str, error: dict[str, Any]) -> None:
        super().__init__(error.get("message", ""))
        self.status, self.error = status, error


class Provider:
    """Requests to the providers of resources, in the name of who deploys."""

    def __init__(self, ctx: Context, http: httpx.AsyncClient, object_id: str, app_id: str) -> None:
        self._ctx, self._http = ctx, http
        self._object_id, self._app_id = object_id, app_id

    async def put(self, path: str, version: str, body: dict[str, Any]) -> str:
        """Make a resource and wait until it is made; the word for the status of the request.

        Raises:
            ProviderFailed: it was not made.
        """
        answer = await self._ask("PUT", path, version, body)
        _check(answer)
        word = _word(answer)
        status = answer.headers.get("azure-asyncoperation")
        where = answer.headers.get("location") if answer.status_code == HTTPStatus.ACCEPTED else ""
        if status:
            await self._watch(status, path)
        elif where:
            await self._follow(where)
        elif _state(answer) not in ("", *ENDED):
            await self._until_ended(path, version)
        elif _state(answer) in ("failed", "canceled"):
            raise _ended_badly(path, _state(answer), {})
        return word

    async def get(self, path: str, version: str) -> dict[str, Any]:
        """A resource as it is.

        Raises:
            ProviderFailed: it cannot be read.
        """
        return _object(_check(await self._ask("GET", path, version)))

    async def post(self, path: str, version: str, body: object) -> Any:
        """What an action of a resource answers.

        Raises:
            ProviderFailed: it was refused.
        """
        answer = _check(await self._ask("POST", path, version, body))
        return answer.json() if answer.content else None

    async def _ask(
        self, method: str, path: str, version: str, body: object = None
    ) -> httpx.Response:
        url = path if path.startswith("https://") else f"{ARM}{path}"
        token = self._ctx.tokens.issue(ARM, object_id=self._object_id, app_id=self._app_id)
        return await self._http.request(
            method,
            url,
            params={"api-version": version} if version else None,
            headers={"authorization": f"Bearer {token}"},
            json=body,
        )

    async def _watch(self, url: str, path: str) -> None:
        """Poll an operation until it ends."""
        async for answer in self._polls(url):
            body = _object(_check(answer))
            state = str(body.get("status", "Succeeded")).lower()
            if state == "succeeded":
                return
            if state in ENDED:
                raise _ended_badly(path, state, body.get("error") or {})

    async def _follow(self, url: str) -> None:
        async for answer in self._polls(url):
            _check(answer)
            if answer.status_code != HTTPStatus.ACCEPTED:
                return

    async def _until_ended(self, path: str, version: str) -> None:
        async for answer in self._polls(path, version):
            state = _state(_check(answer))
            if state in ("failed", "canceled"):
                raise _ended_badly(path, state, {})
            if state in ("", *ENDED):
                return

    async def _polls(self, url: str, version: str = "") -> Any:
        wait, began = POLL_S, self._ctx.clock.monotonic()
        while self._ctx.clock.monotonic() - began < LONGEST_S:
            yield await self._ask("GET", url, version)
            await self._ctx.clock.sleep(wait)
            wait = min(wait * 1.5, LONGEST_POLL_S)
        raise ProviderFailed(
            "GatewayTimeout",
            {"code": "DeploymentTimedOut", "message": f"'{url}' did not end in {LONGEST_S:.0f} s."},
        )


def _object(answer: httpx.Response) -> dict[str, Any]:
    body = answer.json() if answer.content else {}
    return body if isinstance(body, dict) else {}


def _state(answer: httpx.Response) -> str:
    try:
        properties = _object(answer).get("properties")
    except ValueError:
        return ""
    state = properties.get("provisioningState") if isinstance(properties, dict) else None
    return str(state or "").lower()


def _word(answer: httpx.Response) -> str:
    try:
        return HTTPStatus(answer.status_code).phrase.title().replace(" ", "").replace("Ok", "OK")
    except ValueError:
        return str(answer.status_code)


def _check(answer: httpx.Response) -> httpx.Response:
    """The answer, if it is a good one.

    Raises:
        ProviderFailed: it is an error.
    """
    if answer.status_code < HTTPStatus.BAD_REQUEST:
        return answer
    try:
        error = _object(answer).get("error")
    except ValueError:
        error = None
    if not isinstance(error, dict) or "code" not in error:
        error = {"code": _word(answer), "message": answer.text[:500]}
    raise ProviderFailed(_word(answer), error)


def _ended_badly(path: str, state: str, inner: dict[str, Any]) -> ProviderFailed:
    error: dict[str, Any] = {
        "code": "ResourceDeploymentFailure",
        "target": path,
        "message": (
            "The resource write operation failed to complete successfully, because it reached"
            f" terminal provisioning state '{state.title()}'."
        ),
    }
    if inner:
        error["details"] = [inner]
    return ProviderFailed("Conflict", error)
