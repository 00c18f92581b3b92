"""Storage accounts as linked services describe them: where they are and what opens them."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from emulators.datafactory.engine.connections import credentials
from emulators.datafactory.engine.connections.credentials import Caller
from emulators.datafactory.engine.connections.failing import ConnectionFailed, NotEmulated
from emulators.datafactory.engine.connections.resolving import LinkedService

STORAGE = "https://storage.azure.com/"
BLOB_KINDS = frozenset({"azureblobstorage", "azurestorage", "azureblobfs"})
SIGNED = (
    "content-encoding", "content-language", "content-length", "content-md5", "content-type", "date",
    "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Account:
    """An account's blob endpoint and one way in: a key, a SAS, a token, or none at all."""

    endpoint: str  # without a slash at its end
    name: str = ""  # what Shared Key signs by
    key: str = ""  # base64
    sas: str = ""  # a query without its question mark
    token: Callable[[], Awaitable[str]] | None = None

    def signature(
        self, method: str, path: str, query: Iterable[tuple[str, str]], headers: Mapping[str, str]
    ) -> str:
        """The Authorization header's value for a request under the account's key.

        Args:
            path: as sent, percent-encoded.
            query: names and values, decoded.

        Source: learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key.
        """
        lower = {name.lower(): value.strip() for name, value in headers.items()}
        lines = [method]
        for name in SIGNED:
            value = lower.get(name, "")
            lines.append("" if name == "content-length" and value == "0" else value)
        lines += [f"{n}:{lower[n]}" for n in sorted(lower) if n.startswith("x-ms-")]
        lines.append(f"/{self.name}{path}")
        values: dict[str, list[str]] = {}
        for name, value in query:
            values.setdefault(name.lower(), []).append(value)
        lines += [f"{n}:{','.join(sorted(values[n]))}" for n in sorted(values)]
        text = "\n".join(lines).encode()
        digest = hmac.new(base64.b64decode(self.key), text, hashlib.sha256).digest()
        return f"SharedKey {self.name}:{base64.b64encode(digest).decode()}"


def http_date(now: datetime) -> str:
    """An instant as `x-ms-date` has it."""
    return format_datetime(now, usegmt=True)


async def account_of(caller: Caller, linked: LinkedService) -> Account:
    """The account that a Blob Storage or Data Lake linked service is for.

    Raises:
        ConnectionFailed: it says too little, or its secrets cannot be had.
        NotEmulated: it uses what is not emulated.
    """
    if linked.kind not in BLOB_KINDS:
        raise NotEmulated(f"linked services of type '{linked.type}' for files")
    if linked.get("encryptedCredential"):
        raise NotEmulated("credentials encrypted by a self-hosted integration runtime")
    inner = caller.within(linked.scope)
    if linked.get("connectionString") is not None:
        text = await credentials.reveal(inner, linked.get("connectionString"))
        key = linked.get("accountKey")
        return _of_text(text, await credentials.reveal(inner, key) if key is not None else "")
    if linked.get("sasUri") is not None:
        token = linked.get("sasToken")
        extra = await credentials.reveal(inner, token) if token is not None else ""
        return _of_sas(await credentials.reveal(inner, linked.get("sasUri")), extra)
    if linked.get("containerUri") is not None:
        parts = urlsplit(await credentials.reveal(inner, linked.get("containerUri")))
        return Account(f"{parts.scheme}://{parts.netloc}")
    endpoint = _endpoint(str(linked.get("serviceEndpoint") or linked.get("url") or ""))
    if linked.get("accountKey") is not None:
        key_text = await credentials.reveal(inner, linked.get("accountKey"))
        return Account(endpoint, urlsplit(endpoint).netloc.partition(".")[0], _key(key_text))
    return Account(endpoint, token=_token_of(inner, linked))


def _token_of(caller: Caller, linked: LinkedService) -> Callable[[], Awaitable[str]]:
    async def token() -> str:
        if linked.get("servicePrincipalId"):
            return await credentials.service_principal_token(caller, linked.properties, STORAGE)
        if linked.get("credential"):
            found = linked.get("credential")
            return await credentials.user_assigned_token(caller, found, STORAGE)
        return credentials.managed_identity_token(caller, STORAGE)

    return token


def _endpoint(url: str) -> str:
    parts = urlsplit(url if "://" in url else f"https://{url}")
    if not parts.hostname:
        raise ConnectionFailed(
            "AzureBlobInvalidServiceEndpoint",
            "The linked service names no account: it needs a connectionString, a sasUri, a"
            " serviceEndpoint or a url.",
        )
    return f"{parts.scheme}://{parts.netloc.replace('.dfs.', '.blob.')}{parts.path.rstrip('/')}"


def _of_text(text: str, key: str) -> Account:
    """An account by its connection string; `key` completes one that has none."""
    pairs = (part.partition("=") for part in text.split(";") if part.strip())
    values = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if values.get("usedevelopmentstorage", "").lower() == "true":
        raise NotEmulated("the connection string UseDevelopmentStorage=true")
    name = values.get("accountname", "")
    endpoint = values.get("blobendpoint", "").rstrip("/")
    if not endpoint:
        if not name:
            raise ConnectionFailed(
                "AzureStorageInvalidConnectionString",
                "The storage connection string is invalid: it names no account.",
            )
        scheme = values.get("defaultendpointsprotocol", "https")
        endpoint = f"{scheme}://{name}.blob.{values.get('endpointsuffix', 'core.windows.net')}"
    if values.get("sharedaccesssignature"):
        return Account(endpoint, sas=values["sharedaccesssignature"].lstrip("?"))
    name = name or urlsplit(endpoint).netloc.partition(".")[0]
    return Account(endpoint, name, _key(values.get("accountkey") or key))


def _of_sas(uri: str, extra: str) -> Account:
    base, _, query = uri.partition("?")
    parts = urlsplit(base)
    sas = "&".join(part.strip("?&") for part in (query, extra) if part.strip("?&"))
    if not parts.hostname or "sig" not in dict(parse_qsl(sas)):
        raise ConnectionFailed("AzureBlobInvalidSasUri", "The SAS URI has no signature.")
    return Account(f"{parts.scheme}://{parts.netloc.replace('.dfs.', '.blob.')}", sas=sas)


def _key(text: str) -> str:
    try:
        if text:
            base64.b64decode(text, validate=True)
            return text
    except ValueError:
        pass
    raise ConnectionFailed(
        "AzureStorageInvalidAccountKey", "The account key is missing or not base64."
    )


def decoded(query: Any) -> list[tuple[str, str]]:
    """A raw query's names and values."""
    pairs = (part.partition("=") for part in str(query).split("&") if part)
    return [(unquote(name), unquote(value)) for name, _, value in pairs]
