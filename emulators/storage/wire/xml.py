"""The XML of the Blob service, read and written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from emulators.kernel.azure_http import http_date
from emulators.storage import errors
from emulators.storage.store import Blob, Block, Container

HEAD = '\ufeff<?xml version="1.0" encoding="utf-8"?>'
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
MAX_BODY = 8 << 20
"""Bytes of XML read: a list of 50,000 blocks takes about 6 MB."""


def parse(body: bytes, root: str) -> ElementTree.Element:
    """A document whose root is `root`. Document types, and so entities, are not accepted.

    Raises:
        InvalidXmlDocument: it is something else.
    """
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise errors.InvalidXmlDocument
    try:
        found = ElementTree.fromstring(body)
    except (ElementTree.ParseError, ValueError, LookupError):
        raise errors.InvalidXmlDocument from None
    if found.tag != root:
        raise errors.InvalidXmlDocument
    return found


def block_list(body: bytes) -> list[tuple[str, str]]:
    """Where each block is looked for, and its id.

    Raises:
        InvalidXmlDocument: not a block list.
    """
    listed = []
    for item in parse(body, "BlockList"):
        if item.tag not in ("Committed", "Uncommitted", "Latest"):
            raise errors.InvalidXmlDocument
        listed.append((item.tag, (item.text or "").strip()))
    return listed


def policies(body: bytes) -> list[dict[str, str]]:
    """Stored access policies.

    Raises:
        InvalidXmlDocument: not a list of them.
    """
    if not body.strip():
        return []
    found = []
    for item in parse(body, "SignedIdentifiers"):
        policy = item.find("AccessPolicy")
        found.append(
            {
                "id": item.findtext("Id", "").strip(),
                "start": "" if policy is None else policy.findtext("Start", "").strip(),
                "expiry": "" if policy is None else policy.findtext("Expiry", "").strip(),
                "permission": "" if policy is None else policy.findtext("Permission", "").strip(),
            }
        )
        if not found[-1]["id"]:
            raise errors.InvalidXmlDocument
    return found


def text(name: str, value: object) -> str:
    """An element with text; an empty value gives an empty element."""
    said = escape(str(value))
    return f"<{name}>{said}</{name}>" if said else f"<{name} />"


def given(name: str, value: object) -> str:
    """An element, or nothing when there is no value."""
    return text(name, value) if value not in ("", None) else ""


def name_element(name: str, tag: str = "Name") -> str:
    """A blob's name; percent-encoded where XML cannot hold it."""
    if NOT_XML.search(name):
        return f'<{tag} Encoded="true">{quote(name, safe="")}</{tag}>'
    return text(tag, name)


def metadata(values: dict[str, str]) -> str:
    """Metadata as elements."""
    return f"<Metadata>{''.join(text(k, _clean(v)) for k, v in values.items())}</Metadata>"


def _clean(value: str) -> str:
    return NOT_XML.sub("\ufffd", value)


def signed_identifiers(found: Iterable[dict[str, str]]) -> str:
    """Stored access policies as a document."""
    items = [
        "<SignedIdentifier>"
        + text("Id", policy["id"])
        + "<AccessPolicy>"
        + given("Start", policy["start"])
        + given("Expiry", policy["expiry"])
        + given("Permission", policy["permission"])
        + "</AccessPolicy></SignedIdentifier>"
        for policy in found
    ]
    return f"{HEAD}<SignedIdentifiers>{''.join(items)}</SignedIdentifiers>"


def container(found: Container, lease: tuple[str, str, str], *, with_metadata: bool) -> str:
    """A container in a list; `lease` is status, state and duration."""
    properties = (
        text("Last-Modified", http_date(found.modified))
        + text("Etag", f'"{found.etag}"')
        + lease_elements(lease)
        + given("PublicAccess", found.public)
        + text("DefaultEncryptionScope", "$account-encryption-key")
        + text("DenyEncryptionScopeOverride", "false")
        + text("HasImmutabilityPolicy", "false")
        + text("HasLegalHold", "false")
        + text("ImmutableStorageWithVersioningEnabled", "false")
    )
    extra = metadata(found.metadata) if with_metadata else ""
    return (
        f"<Container>{text('Name', found.name)}<Properties>{properties}</Properties>{extra}"
        "</Container>"
    )


def lease_elements(lease: tuple[str, str, str]) -> str:
    """Status, state and duration of a lease."""
    status, state, duration = lease
    return (
        text("LeaseStatus", status) + text("LeaseState", state) + given("LeaseDuration", duration)
    )


def blob(found: Blob, lease: tuple[str, str, str], include: set[str]) -> str:
    """A blob in a list."""
    properties = (
        text("Creation-Time", http_date(found.created))
        + text("Last-Modified", http_date(found.modified))
        + given("Etag", found.etag)
        + text("Content-Length", found.size)
        + text("Content-Type", found.content_type)
        + text("Content-Encoding", found.content_encoding)
        + text("Content-Language", found.content_language)
        + text("Content-CRC64", "")
        + text("Content-MD5", found.md5)
        + text("Cache-Control", found.cache_control)
        + text("Content-Disposition", found.content_disposition)
        + text("BlobType", found.kind)
        + _tier(found)
        + (lease_elements(lease) if not found.snapshot else "")
        + text("ServerEncrypted", "true")
        + (_copied(found) if "copy" in include else "")
        + (text("Sealed", "true") if found.sealed else "")
    )
    return (
        "<Blob>"
        + name_element(found.name)
        + given("Snapshot", found.snapshot)
        + f"<Properties>{properties}</Properties>"
        + (metadata(found.metadata) if "metadata" in include else "")
        + "<OrMetadata /></Blob>"
    )


def _tier(found: Blob) -> str:
    if found.kind != "BlockBlob":
        return ""
    if not found.tier:
        return text("AccessTier", "Hot") + text("AccessTierInferred", "true")
    return text("AccessTier", found.tier)


def _copied(found: Blob) -> str:
    if not found.copied:
        return ""
    return (
        text("CopyId", found.copied["id"])
        + text("CopySource", found.copied["source"])
        + text("CopyStatus", "success")
        + text("CopyProgress", f"{found.size}/{found.size}")
        + text("CopyCompletionTime", found.copied["completed"])
    )


def blocks(committed: Blob | None, staged: Iterable[Block] | None, *, show: str) -> str:
    """The answer to Get Block List; `show` is committed, uncommitted or all."""
    body = ""
    if show in ("committed", "all"):
        parts = [part for part in committed.parts if part[3]] if committed else []
        items = "".join(_block(part[3], part[2]) for part in parts)
        body += f"<CommittedBlocks>{items}</CommittedBlocks>"
    if show in ("uncommitted", "all"):
        items = "".join(_block(block.id, block.size) for block in staged or ())
        body += f"<UncommittedBlocks>{items}</UncommittedBlocks>"
    return f"{HEAD}<BlockList>{body}</BlockList>"


def _block(name: str, size: int) -> str:
    return f"<Block>{text('Name', name)}{text('Size', size)}</Block>"


def element(name: str, inner: str) -> str:
    """An element around XML that is already escaped."""
    return f"<{name}>{inner}</{name}>" if inner else f"<{name} />"


def inner_elements(fragment: str) -> dict[str, str]:
    """Each element of a fragment this module wrote: its name, and the XML inside it."""
    found = ElementTree.fromstring(f"<all>{fragment}</all>")
    return {item.tag: _inner(item) for item in found}


def _inner(item: ElementTree.Element) -> str:
    children = "".join(ElementTree.tostring(child, "unicode").strip() for child in item)
    return children or escape((item.text or "").strip())


def properties(body: bytes, known: set[str]) -> dict[str, str]:
    """Blob service properties: each by name, the XML inside it.

    Raises:
        InvalidXmlDocument: not that document, or a property that is none.
    """
    found = {item.tag: _inner(item) for item in parse(body, "StorageServiceProperties")}
    if set(found) - known:
        raise errors.InvalidXmlDocument
    return found
