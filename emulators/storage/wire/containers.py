"""Operations on containers, and the lists of containers and blobs."""

from __future__ import annotations

import asyncio
from datetime import datetime

from emulators.kernel.azure_http import http_date
from emulators.kernel.errors import Unsupported
from emulators.kernel.http import Reply, read_body
from emulators.storage import errors
from emulators.storage.engine import containers, leases, listing
from emulators.storage.engine.access import Need
from emulators.storage.store import Blob, Container
from emulators.storage.wire import xml
from emulators.storage.wire.ask import Ask, bad_query
from emulators.storage.wire.routes import Route

XML = "application/xml"
TURN = 250
"""Entries of a list written before others get a turn."""
INCLUDES = {
    "copy", "deleted", "metadata", "snapshots", "tags", "uncommittedblobs", "versions",
    "deletedwithversions", "immutabilitypolicy", "legalhold", "permissions",
}  # fmt: skip
REFUSED_INCLUDES = {"tags", "permissions"}


def version_headers(etag: str, modified: datetime) -> dict[str, str]:
    """ETag and Last-Modified."""
    return {"ETag": f'"{etag}"', "Last-Modified": http_date(modified)}


def lease_words(stored: leases.Stored, ask: Ask) -> tuple[str, str, str]:
    """Status, state and duration of a lease now."""
    lease = leases.load(stored)
    state = leases.state(lease, ask.ctx.clock.now())
    status = "locked" if state in ("leased", "breaking") else "unlocked"
    duration = ""
    if lease is not None and state == "leased":
        duration = "infinite" if lease.duration_s == leases.FOREVER else "fixed"
    return status, state, duration


def lease_headers(stored: leases.Stored, ask: Ask) -> dict[str, str]:
    """The same as headers."""
    status, state, duration = lease_words(stored, ask)
    said = {"x-ms-lease-status": status, "x-ms-lease-state": state}
    return said | ({"x-ms-lease-duration": duration} if duration else {})


def found_container(ask: Ask) -> Container:
    """The container the request addresses.

    Raises:
        ContainerNotFound: there is none.
    """
    return containers.find(ask.vault, ask.account.name, ask.container)


def meta_headers(metadata: dict[str, str]) -> dict[str, str]:
    """Metadata as headers."""
    return {f"x-ms-meta-{name}": value for name, value in metadata.items()}


async def create(ask: Ask) -> Reply:
    made = containers.create(
        ask.vault,
        ask.account.name,
        ask.container,
        public=ask.header("x-ms-blob-public-access"),
        metadata=ask.metadata(),
    )
    return Reply(201, headers=version_headers(made.etag, made.modified))


async def get_properties(ask: Ask) -> Reply:
    found = found_container(ask)
    containers.check(ask.vault, found, ask.conditions(), ask.lease_id())
    headers = {
        **version_headers(found.etag, found.modified),
        **meta_headers(found.metadata),
        **lease_headers(found.lease, ask),
        "x-ms-has-immutability-policy": "false",
        "x-ms-has-legal-hold": "false",
        "x-ms-immutable-storage-with-versioning-enabled": "false",
        "x-ms-default-encryption-scope": "$account-encryption-key",
        "x-ms-deny-encryption-scope-override": "false",
    }
    if found.public:
        headers["x-ms-blob-public-access"] = found.public
    return Reply(200, headers=headers)


async def set_metadata(ask: Ask) -> Reply:
    found = found_container(ask)
    containers.check(ask.vault, found, ask.conditions(), ask.lease_id())
    changed = containers.set_metadata(ask.vault, found, ask.metadata())
    return Reply(200, headers=version_headers(changed.etag, changed.modified))


async def get_acl(ask: Ask) -> Reply:
    found = found_container(ask)
    containers.check(ask.vault, found, ask.conditions(), ask.lease_id())
    headers = version_headers(found.etag, found.modified)
    if found.public:
        headers["x-ms-blob-public-access"] = found.public
    return Reply(200, xml.signed_identifiers(found.policies), headers, XML)


async def set_acl(ask: Ask) -> Reply:
    policies = xml.policies(await read_body(ask.request, xml.MAX_BODY))
    found = found_container(ask)
    containers.check(ask.vault, found, ask.conditions(), ask.lease_id())
    public = ask.header("x-ms-blob-public-access")
    changed = containers.set_access(ask.vault, found, public, policies)
    return Reply(200, headers=version_headers(changed.etag, changed.modified))


async def delete(ask: Ask) -> Reply:
    found = found_container(ask)
    containers.check(ask.vault, found, ask.conditions(), ask.lease_id(), write=True)
    containers.delete(ask.vault, found)
    return Reply(202)


def at_most(ask: Ask) -> int:
    """How many results are wanted on a page.

    Raises:
        OutOfRangeQueryParameterValue: none, or less.
        InvalidQueryParameterValue: not a number.
    """
    text = ask.values.get("maxresults", "")
    if not text:
        return listing.MAX_RESULTS
    if not (text.lstrip("-").isascii() and text.lstrip("-").isdigit()):
        raise bad_query("maxresults", text)
    if int(text) < 1:
        raise errors.OutOfRangeQueryParameterValue(
            detail={
                "QueryParameterName": "maxresults",
                "QueryParameterValue": text,
                "MinimumAllowed": "1",
                "MaximumAllowed": str(listing.MAX_RESULTS),
            }
        )
    return min(int(text), listing.MAX_RESULTS)


def includes(ask: Ask) -> set[str]:
    """What a list is to include.

    Raises:
        InvalidQueryParameterValue: a word that is none of Azure's.
        Unsupported: what is not kept here.
    """
    wanted = {word.strip().lower() for word in ask.values.get("include", "").split(",")} - {""}
    if wanted - INCLUDES - {"system"}:
        raise bad_query("include", ask.values["include"])
    if wanted & REFUSED_INCLUDES:
        raise Unsupported(
            f"include={','.join(sorted(wanted & REFUSED_INCLUDES))} in lists",
            tracked="emulators/storage/README.md, Not emulated",
        )
    return wanted


async def list_containers(ask: Ask) -> Reply:
    wanted, prefix = includes(ask), ask.values.get("prefix", "")
    marker = ask.values.get("marker", "")
    found, more = containers.page(
        ask.vault,
        ask.account.name,
        prefix=prefix,
        start=listing.name_of(marker),
        at_most=at_most(ask),
    )
    items = "".join(
        xml.container(c, lease_words(c.lease, ask), with_metadata="metadata" in wanted)
        for c in found
    )
    body = (
        f'{xml.HEAD}<EnumerationResults ServiceEndpoint="{ask.origin}/">'
        + xml.given("Prefix", prefix)
        + xml.given("Marker", marker)
        + xml.given("MaxResults", ask.values.get("maxresults", ""))
        + f"<Containers>{items}</Containers>"
        + xml.text("NextMarker", listing.marker_of(more))
        + "</EnumerationResults>"
    )
    return Reply(200, body, media=XML)


async def names_of(ask: Ask, container: Container) -> None:
    """Read a container's names in a thread, where that was not done yet."""
    if not ask.vault.index.knows(container.id):
        await asyncio.to_thread(ask.vault.index.read, container.id)


def _item(entry: Blob | str, ask: Ask, wanted: set[str]) -> str:
    if isinstance(entry, str):
        return f"<BlobPrefix>{xml.name_element(entry)}</BlobPrefix>"
    return xml.blob(entry, lease_words(entry.lease, ask), wanted)


async def list_blobs(ask: Ask) -> Reply:
    wanted, found = includes(ask), found_container(ask)
    marker, delimiter = ask.values.get("marker", ""), ask.values.get("delimiter", "")
    prefix = ask.values.get("prefix", "")
    if delimiter and "snapshots" in wanted:
        raise bad_query("include", ask.values["include"])
    await names_of(ask, found)
    page = listing.page(
        ask.vault,
        found,
        listing.Query(
            prefix=prefix,
            start=listing.name_of(marker),
            delimiter=delimiter,
            at_most=at_most(ask),
            snapshots="snapshots" in wanted,
            uncommitted="uncommittedblobs" in wanted,
        ),
    )
    items = ""
    for at in range(0, len(page.entries), TURN):
        items += "".join(_item(entry, ask, wanted) for entry in page.entries[at : at + TURN])
        await asyncio.sleep(0)
    body = (
        f'{xml.HEAD}<EnumerationResults ServiceEndpoint="{ask.origin}/"'
        f' ContainerName="{found.name}">'
        + (xml.name_element(prefix, "Prefix") if prefix else "")
        + xml.given("Marker", marker)
        + xml.given("MaxResults", ask.values.get("maxresults", ""))
        + (xml.name_element(delimiter, "Delimiter") if delimiter else "")
        + f"<Blobs>{items}</Blobs>"
        + xml.text("NextMarker", listing.marker_of(page.next))
        + "</EnumerationResults>"
    )
    return Reply(200, body, media=XML)


C = "restype=container"
WRITE = Need("c", "cw", service_signature=False)
CHANGE = Need("c", "w", service_signature=False)
REMOVE = Need("c", "d", service_signature=False)
READ = Need("c", "r", "container", service_signature=False)
OWN = Need("c", "", signature=False)
META = f"{C}&comp=metadata"
ACL = f"{C}&comp=acl"
ROUTES = [
    Route("ListContainers", "GET", "service", "comp=list", Need("s", "l"), list_containers),
    Route("CreateContainer", "PUT", "container", C, WRITE, create),
    Route("DeleteContainer", "DELETE", "container", C, REMOVE, delete),
    Route("GetContainerProperties", "GET", "container", C, READ, get_properties),
    Route("GetContainerProperties", "HEAD", "container", C, READ, get_properties),
    Route("GetContainerMetadata", "GET", "container", META, READ, get_properties),
    Route("GetContainerMetadata", "HEAD", "container", META, READ, get_properties),
    Route("SetContainerMetadata", "PUT", "container", META, CHANGE, set_metadata),
    Route("GetContainerACL", "GET", "container", ACL, OWN, get_acl),
    Route("GetContainerACL", "HEAD", "container", ACL, OWN, get_acl),
    Route("SetContainerACL", "PUT", "container", ACL, OWN, set_acl),
    Route(
        "ListBlobs", "GET", "container", f"{C}&comp=list", Need("c", "l", "container"), list_blobs
    ),
]
