"""A Storage request as values: what it addresses, and what its query and headers say."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import unquote, unquote_plus, unquote_to_bytes

from starlette.requests import Request

from emulators.kernel.context import Context
from emulators.kernel.errors import Unsupported
from emulators.kernel.http import links_of
from emulators.storage import errors
from emulators.storage.engine.access import Caller
from emulators.storage.engine.blobs import Content, Guard
from emulators.storage.engine.conditions import Conditions
from emulators.storage.engine.signing import Signable
from emulators.storage.engine.vault import Vault
from emulators.storage.store import Account

NEWEST = "2026-10-06"
"""The service version that is answered to a request that names none."""

META = "x-ms-meta-"
REFUSED_HEADERS = {
    "x-ms-if-tags": "conditions on tags (x-ms-if-tags)",
    "x-ms-source-if-tags": "conditions on tags (x-ms-source-if-tags)",
    "x-ms-tags": "blob index tags (x-ms-tags)",
    "x-ms-encryption-key": "customer-provided encryption keys",
    "x-ms-source-encryption-key": "customer-provided encryption keys",
    "x-ms-encryption-scope": "encryption scopes",
    "x-ms-default-encryption-scope": "encryption scopes",
    "x-ms-immutability-policy-until-date": "immutability policies",
    "x-ms-legal-hold": "legal holds",
    "x-ms-structured-body": "structured message bodies (x-ms-structured-body)",
}


@dataclass(slots=True)
class Ask:
    """One request. `container` and `blob` are decoded names, empty where not addressed."""

    vault: Vault
    request: Request
    account: Account
    kind: str  # blob or dfs
    container: str
    blob: str
    query: tuple[tuple[str, str], ...]  # raw
    values: dict[str, str]  # decoded, names in lower case
    headers: tuple[tuple[str, str], ...]  # names in lower case
    caller: Caller = field(default_factory=lambda: Caller("anonymous"))
    operation: str = ""
    _first: dict[str, str] | None = None  # headers by name, the first of each

    @property
    def ctx(self) -> Context:
        return self.vault.ctx

    @property
    def version(self) -> str:
        """The service version of the answer."""
        return self.header("x-ms-version") or self.values.get("api-version") or NEWEST

    @property
    def asked_version(self) -> str:
        """The service version the caller named; empty when none."""
        return self.header("x-ms-version") or self.values.get("sv", "")

    @property
    def origin(self) -> str:
        """URL of the account's service, without a slash at its end."""
        return links_of(self.request).to(f"{self.account.name}.{self.kind}.core.windows.net")

    def header(self, name: str) -> str:
        """A header's value; empty when absent."""
        if self._first is None:
            self._first = dict(reversed(self.headers))
        return self._first.get(name, "")

    def number(self, name: str, *, least: int = 0) -> int | None:
        """A whole number in a header; None when absent.

        Raises:
            InvalidHeaderValue: it is not one, or below `least`.
        """
        text = self.header(name)
        if not text:
            return None
        if not text.lstrip("-").isascii() or not text.lstrip("-").isdigit() or int(text) < least:
            raise bad_header(name, text)
        return int(text)

    def metadata(self) -> dict[str, str]:
        """What the `x-ms-meta-` headers hold, by name."""
        case = original_case(self.request)
        found: dict[str, str] = {}
        for name, value in self.headers:
            if name.startswith(META):
                key = case.get(name, name)[len(META) :]
                found[key] = f"{found[key]},{value}" if key in found else value
        return found

    def signable(self) -> Signable:
        """The request as signatures see it."""
        scope = self.request.scope
        raw = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        whole, inner = raw.partition("?")[0], str(scope["azure_path"])
        client = scope.get("client")
        return Signable(
            method=scope["method"],
            paths=(inner,) if inner == whole else (inner, whole),
            query=self.query,
            headers=self.headers,
            values=self.values,
            address=client[0] if client else "",
            protocol="https" if scope.get("scheme") == "https" else "http",
        )

    def conditions(self, prefix: str = "") -> Conditions:
        """The conditional headers; `prefix` is `x-ms-source-` for those on a copy's source."""
        return Conditions(
            match=etags(self.header(f"{prefix}if-match")),
            none_match=etags(self.header(f"{prefix}if-none-match")),
            modified_since=_date(self.header(f"{prefix}if-modified-since")),
            unmodified_since=_date(self.header(f"{prefix}if-unmodified-since")),
        )

    def guard(self) -> Guard:
        """The conditions and the lease id."""
        return Guard(self.conditions(), self.lease_id())

    def creation_guard(self) -> Guard:
        """The same for a request that makes a blob, which may be all the caller may do."""
        return Guard(self.conditions(), self.lease_id(), create_only=not self.caller.may("w"))

    def lease_id(self, name: str = "x-ms-lease-id") -> str | None:
        """A lease id, a GUID; None when absent.

        Raises:
            InvalidHeaderValue: not a GUID.
        """
        text = self.header(name)
        if not text:
            return None
        plain = text.strip("{}").replace("-", "").lower()
        if len(plain) != 32 or not all(c in "0123456789abcdef" for c in plain):
            raise bad_header(name, text)
        return f"{plain[:8]}-{plain[8:12]}-{plain[12:16]}-{plain[16:20]}-{plain[20:]}"

    def content(self) -> Content:
        """The `x-ms-blob-` headers of a blob, and its metadata and tier."""
        return Content(
            content_type=self.header("x-ms-blob-content-type") or "application/octet-stream",
            content_encoding=self.header("x-ms-blob-content-encoding"),
            content_language=self.header("x-ms-blob-content-language"),
            content_disposition=self.header("x-ms-blob-content-disposition"),
            cache_control=self.header("x-ms-blob-cache-control"),
            md5=checked_md5(self.header("x-ms-blob-content-md5")),
            metadata=self.metadata(),
            tier=self.header("x-ms-access-tier"),
        )

    def refuse_unserved_headers(self) -> None:
        """Refuse what would change the meaning of the request and is not served.

        Raises:
            Unsupported: naming it.
        """
        for name, what in REFUSED_HEADERS.items():
            if self.header(name):
                raise Unsupported(what, tracked="emulators/storage/README.md, Not emulated")
        if self.values.get("versionid"):
            raise Unsupported("blob versions", tracked="emulators/storage/README.md")


def original_case(request: Request) -> dict[str, str]:
    """Header names as they were sent, where the front door kept them, by lower-case name."""
    kept = request.scope.get("state", {}).get("header_case")
    return kept if isinstance(kept, dict) else {}


def address(raw_path: str) -> tuple[str, str]:
    """The container and the blob a raw path names, decoded; empty where it names none.

    Raises:
        InvalidUri: it is not UTF-8.
    """
    container, _, blob = raw_path.lstrip("/").partition("/") if raw_path else ("", "", "")
    if raw_path.startswith("//"):
        container, blob = "", raw_path[1:]
    try:
        return unquote(container, errors="strict"), unquote_to_bytes(blob).decode()
    except UnicodeDecodeError:
        raise errors.InvalidUri from None


def raw_query(text: str) -> tuple[tuple[str, str], ...]:
    """Names and values of a query, not decoded."""
    pairs = (item.partition("=") for item in text.split("&") if item)
    return tuple((name, value) for name, _, value in pairs)


def query_values(query: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """A query decoded, names in lower case, the first of a name; `+` is a space but in `sig`."""
    values: dict[str, str] = {}
    for name, value in query:
        key = unquote_plus(name).lower()
        values.setdefault(key, unquote(value) if key == "sig" else unquote_plus(value))
    return values


def bad_header(name: str, value: str) -> errors.InvalidHeaderValue:
    """The error that names a header."""
    return errors.InvalidHeaderValue(detail={"HeaderName": name, "HeaderValue": value})


def missing_header(name: str) -> errors.MissingRequiredHeader:
    """The error that names a header."""
    return errors.MissingRequiredHeader(detail={"HeaderName": name})


def bad_query(name: str, value: str) -> errors.InvalidQueryParameterValue:
    """The error that names a query parameter."""
    return errors.InvalidQueryParameterValue(
        detail={"QueryParameterName": name, "QueryParameterValue": value}
    )


def etags(text: str) -> tuple[str, ...]:
    """The tags of a conditional header, bare."""
    return tuple(t.strip().removeprefix("W/").strip('"') for t in text.split(",") if t.strip())


def _date(text: str) -> datetime | None:
    if not text:
        return None
    try:
        found = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        raise errors.InvalidHeaderValue from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def checked_md5(text: str) -> str:
    """An MD5 header as it is.

    Raises:
        InvalidMd5: not base64 of 16 bytes.
    """
    if text and _length(text) != 16:
        raise errors.InvalidMd5
    return text


def checked_crc64(text: str) -> str:
    """A CRC64 header as it is.

    Raises:
        InvalidHeaderValue: not base64 of 8 bytes.
    """
    if text and _length(text) != 8:
        raise bad_header("x-ms-content-crc64", text)
    return text


def _length(text: str) -> int:
    try:
        return len(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return -1
