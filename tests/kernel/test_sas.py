"""A service SAS of ours is the one that Azure's own library makes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import pytest
from azure.storage.blob import ContainerSasPermissions
from azure.storage.blob._shared_access_signature import BlobSharedAccessSignature

from emulators.kernel.ids import secret_key
from emulators.kernel.sas import SKEW, VERSION, sign_service_sas


def test_signature_equals_that_of_the_storage_library() -> None:
    now = datetime(2026, 11, 24, 8, tzinfo=UTC)
    key, end = secret_key(), now + timedelta(hours=1)
    ours = parse_qs(sign_service_sas("acct", key, "box", "racwdl", end, now))
    library = BlobSharedAccessSignature("acct", account_key=key)
    library.x_ms_version = VERSION
    permission = ContainerSasPermissions.from_string("racwdl")
    theirs = library.generate_container("box", permission, end, start=now - SKEW, protocol="https")
    assert ours == parse_qs(theirs)


def test_a_key_that_is_no_key_is_refused() -> None:
    now = datetime(2026, 11, 24, tzinfo=UTC)
    with pytest.raises(ValueError, match="base64"):
        sign_service_sas("acct", "not base64!", "box", "r", now, now)
