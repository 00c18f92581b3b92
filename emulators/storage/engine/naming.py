"""Names of accounts, containers and blobs, and of metadata: what is allowed."""

from __future__ import annotations

import re
from collections.abc import Mapping

from emulators.storage import errors

ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
CONTAINER = re.compile(r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*")
SPECIAL_CONTAINERS = {"$root", "$web", "$logs"}
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
MAX_NAME = 1024
MAX_METADATA = 8 * 1024
NOT_STORABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def check_container(name: str) -> None:
    """Check a container's name.

    Raises:
        InvalidResourceName: it is not one.
        OutOfRangeInput: its length is not 3 to 63.
    """
    if name in SPECIAL_CONTAINERS:
        return
    if not 3 <= len(name) <= 63:
        raise errors.NameLength
    if not CONTAINER.fullmatch(name):
        raise errors.InvalidResourceName


def check_blob(name: str) -> None:
    """Check a blob's name: 1 to 1024 characters, none of them a control character.

    Raises:
        InvalidUri: it is not one.
    """
    if not 1 <= len(name) <= MAX_NAME or NOT_STORABLE.search(name):
        raise errors.InvalidUri


def check_metadata(metadata: Mapping[str, str]) -> None:
    """Check metadata: names are identifiers, all of it within 8 KiB.

    Raises:
        ServiceError: one of InvalidMetadata, EmptyMetadataKey, MetadataTooLarge.
    """
    for name in metadata:
        if not name:
            raise errors.EmptyMetadataKey
        if not IDENTIFIER.fullmatch(name):
            raise errors.InvalidMetadata
    if sum(len(k) + len(v) for k, v in metadata.items()) > MAX_METADATA:
        raise errors.MetadataTooLarge
