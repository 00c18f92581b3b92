"""The official Blob client, unmodified, against the storage emulator."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import (
    BlobBlock,
    BlobClient,
    BlobSasPermissions,
    BlobServiceClient,
    ContainerClient,
    ContainerSasPermissions,
    ContentSettings,
    generate_account_sas,
    generate_blob_sas,
    generate_container_sas,
)

from .conftest import Stand

HOUR = timedelta(hours=1)


def code(refused: pytest.ExceptionInfo[Any]) -> str:
    """Storage's code in an error of the client."""
    found = refused.value.error_code
    return str(getattr(found, "value", found))


@pytest.fixture(scope="module")
def service(stand: Stand) -> Iterator[BlobServiceClient]:
    with BlobServiceClient(stand.url, credential=stand.credential, retry_total=0) as client:
        yield client


@pytest.fixture
def container(service: BlobServiceClient, request: Any) -> Iterator[ContainerClient]:
    name = f"c{os.urandom(6).hex()}"
    client = service.create_container(name)
    yield client
    client.delete_container()


def test_container_lives_and_dies(service: BlobServiceClient) -> None:
    client = service.create_container("life", metadata={"why": "test"})
    with pytest.raises(ResourceExistsError) as exists:
        service.create_container("life")
    assert code(exists) == "ContainerAlreadyExists"
    assert client.get_container_properties().metadata == {"why": "test"}
    client.set_container_metadata({"other": "1"})
    assert client.get_container_properties().metadata == {"other": "1"}
    assert "life" in [c.name for c in service.list_containers(name_starts_with="li")]
    client.delete_container()
    assert not client.exists()
    with pytest.raises(ResourceNotFoundError) as gone:
        client.get_container_properties()
    assert code(gone) == "ContainerNotFound"


def test_upload_download_round_trip(container: ContainerClient) -> None:
    data = os.urandom(300_000)
    blob = container.upload_blob(
        "a/b.bin",
        data,
        metadata={"k": "v"},
        content_settings=ContentSettings(content_type="image/png", cache_control="no-cache"),
    )
    assert blob.download_blob().readall() == data
    assert blob.download_blob(offset=1000, length=70_000).readall() == data[1000:71_000]
    found = blob.get_blob_properties()
    assert found.size == len(data)
    assert found.metadata == {"k": "v"}
    assert found.content_settings.content_type == "image/png"
    assert found.content_settings.cache_control == "no-cache"
    with pytest.raises(ResourceExistsError) as exists:
        container.upload_blob("a/b.bin", b"x")
    assert code(exists) == "BlobAlreadyExists"
    container.upload_blob("a/b.bin", b"", overwrite=True)
    assert blob.download_blob().readall() == b""
    blob.delete_blob()
    with pytest.raises(ResourceNotFoundError) as gone:
        blob.download_blob()
    assert code(gone) == "BlobNotFound"


def test_staged_upload_by_the_client(container: ContainerClient) -> None:
    data = os.urandom(3 << 20)
    client = ContainerClient(
        container.url.rpartition("/")[0],
        container.container_name,
        credential=container.credential,
        max_single_put_size=1 << 16,
        max_block_size=1 << 19,
        max_single_get_size=1 << 18,
        max_chunk_get_size=1 << 18,
    )
    with client:
        blob = client.upload_blob("staged", data, max_concurrency=4)
        assert blob.download_blob(max_concurrency=4).readall() == data
        committed, waiting = blob.get_block_list("all")
        assert [b.size for b in committed] == [1 << 19] * 6
        assert waiting == []


def test_block_lists(container: ContainerClient) -> None:
    blob = container.get_blob_client("blocks")
    for name in ("aa", "bb", "cc"):
        blob.stage_block(name, name.encode() * 3)
    assert {b.id for b in blob.get_block_list("uncommitted")[1]} == {"aa", "bb", "cc"}
    assert [b.name for b in container.list_blobs()] == []
    assert [b.name for b in container.list_blobs(include="uncommittedblobs")] == ["blocks"]
    blob.commit_block_list([BlobBlock("cc"), BlobBlock("aa")])
    assert blob.download_blob().readall() == b"ccccccaaaaaa"
    blob.stage_block("aa", b"AA")
    blob.commit_block_list([BlobBlock("aa"), BlobBlock("cc"), BlobBlock("aa")])
    assert blob.download_blob().readall() == b"AAccccccAA"
    with pytest.raises(HttpResponseError) as wrong:
        blob.commit_block_list([BlobBlock("bb")])
    assert code(wrong) == "InvalidBlockList"


NAMES = [
    "plain.txt", "with space", "a//b", "trailing/", "ünïcødé/日本語", "percent%20literal",
    "plus+and&amp=?#", "<xml>'\"&", "dots..", "emoji-😀", "back\\slash", "semi;colon:x", "~tilde",
]  # fmt: skip


def test_names_of_every_kind(container: ContainerClient) -> None:
    for name in NAMES:
        container.upload_blob(name, name.encode())
    assert sorted(b.name for b in container.list_blobs()) == sorted(NAMES)
    for name in NAMES:
        assert container.download_blob(name).readall() == name.encode(), name


def test_lists_by_prefix_hierarchy_and_page(container: ContainerClient) -> None:
    for name in ("x/1", "x/2", "x/y/3", "z", "x-4"):
        container.upload_blob(name, b"1", metadata={"n": "1"})
    pages = container.list_blobs(results_per_page=2).by_page()
    assert [[b.name for b in page] for page in pages] == [["x-4", "x/1"], ["x/2", "x/y/3"], ["z"]]
    walked = [b.name for b in container.walk_blobs(name_starts_with="x", delimiter="/")]
    assert sorted(walked) == ["x-4", "x/"]
    inside = [b.name for b in container.walk_blobs(name_starts_with="x/", delimiter="/")]
    assert sorted(inside) == ["x/1", "x/2", "x/y/"]
    assert next(iter(container.list_blobs(include=["metadata"]))).metadata == {"n": "1"}
    assert list(container.list_blob_names()) == ["x-4", "x/1", "x/2", "x/y/3", "z"]


def test_conditions(container: ContainerClient) -> None:
    blob = container.upload_blob("c", b"1")
    etag = blob.get_blob_properties().etag
    from azure.core import MatchConditions

    blob.upload_blob(b"2", overwrite=True, etag=etag, match_condition=MatchConditions.IfNotModified)
    with pytest.raises(ResourceModifiedError) as moved:
        blob.upload_blob(
            b"3", overwrite=True, etag=etag, match_condition=MatchConditions.IfNotModified
        )
    assert code(moved) == "ConditionNotMet"
    new = blob.get_blob_properties().etag
    with pytest.raises(HttpResponseError) as same:
        blob.download_blob(etag=new, match_condition=MatchConditions.IfModified)
    assert same.value.status_code == 304


def test_properties_metadata_tier_snapshot(container: ContainerClient) -> None:
    blob = container.upload_blob("p", b"one")
    blob.set_http_headers(ContentSettings(content_type="text/csv", content_language="de"))
    blob.set_blob_metadata({"a": "1", "b": "2"})
    blob.set_standard_blob_tier("Cool")
    found = blob.get_blob_properties()
    assert found.content_settings.content_type == "text/csv"
    assert found.content_settings.content_language == "de"
    assert (found.metadata, found.blob_tier) == ({"a": "1", "b": "2"}, "Cool")
    taken = str(blob.create_snapshot()["snapshot"])
    blob.upload_blob(b"two", overwrite=True)
    old = BlobClient(
        container.url.rpartition("/")[0],
        container.container_name,
        "p",
        snapshot=taken,
        credential=container.credential,
    )
    assert old.download_blob().readall() == b"one"
    assert len(list(container.list_blobs(include="snapshots"))) == 2
    with pytest.raises(ResourceExistsError) as kept:
        blob.delete_blob()
    assert code(kept) == "SnapshotsPresent"
    blob.delete_blob(delete_snapshots="include")
    assert list(container.list_blobs(include="snapshots")) == []


def test_append_blob(container: ContainerClient) -> None:
    blob = container.get_blob_client("log")
    blob.create_append_blob()
    for index in range(5):
        blob.append_block(f"line {index}\n".encode())
    blob.append_block(b"x" * 600_000)
    assert blob.download_blob().readall().startswith(b"line 0\nline 1\n")
    assert blob.get_blob_properties().append_blob_committed_block_count == 6
    with pytest.raises(HttpResponseError) as wrong:
        blob.append_block(b"y", appendpos_condition=3)
    assert code(wrong) == "AppendPositionConditionNotMet"


def test_copy(container: ContainerClient) -> None:
    source = container.upload_blob("src", os.urandom(200_000), metadata={"m": "1"})
    target = container.get_blob_client("dst")
    done = target.start_copy_from_url(source.url)
    assert done["copy_status"] == "success"
    found = target.get_blob_properties()
    assert (found.copy.status, found.metadata) == ("success", {"m": "1"})
    data = source.download_blob().readall()
    source.delete_blob()
    assert target.download_blob().readall() == data
    again = container.get_blob_client("again")
    again.start_copy_from_url(target.url, requires_sync=True)
    assert again.download_blob().readall() == data


def test_leases(container: ContainerClient) -> None:
    blob = container.upload_blob("l", b"1")
    lease = blob.acquire_lease(15)
    with pytest.raises(HttpResponseError) as locked:
        blob.upload_blob(b"2", overwrite=True)
    assert code(locked) == "LeaseIdMissing"
    blob.upload_blob(b"2", overwrite=True, lease=lease)
    lease.renew()
    lease.change("11111111-2222-3333-4444-555555555555")
    assert blob.get_blob_properties().lease.state == "leased"
    assert lease.break_lease(0) == 0
    blob.upload_blob(b"3", overwrite=True)
    held = container.acquire_lease()
    with pytest.raises(HttpResponseError) as kept:
        container.delete_container()
    assert code(kept) == "LeaseIdMissing"
    held.renew()
    held.release()


def test_account_sas(stand: Stand, container: ContainerClient) -> None:
    container.upload_blob("s", b"1")
    sas = generate_account_sas(
        stand.account, stand.key, "o", "r", datetime.now(UTC) + HOUR, services="b"
    )
    with BlobServiceClient(stand.url, credential=sas, retry_total=0) as client:
        blob = client.get_blob_client(container.container_name, "s")
        assert blob.download_blob().readall() == b"1"
        with pytest.raises(HttpResponseError) as wrong:
            blob.upload_blob(b"2", overwrite=True)
        assert code(wrong) == "AuthorizationPermissionMismatch"
        with pytest.raises(HttpResponseError) as kind:
            client.create_container("nope")
        assert code(kind) == "AuthorizationResourceTypeMismatch"


def test_container_and_blob_sas(stand: Stand, container: ContainerClient) -> None:
    name = container.container_name
    sas = generate_container_sas(
        stand.account,
        name,
        stand.key,
        permission=ContainerSasPermissions(read=True, list=True, create=True),
        expiry=datetime.now(UTC) + HOUR,
    )
    with ContainerClient(stand.url, name, credential=sas, retry_total=0) as client:
        client.upload_blob("made/by sas", b"1")
        assert [b.name for b in client.list_blobs()] == ["made/by sas"]
        with pytest.raises(HttpResponseError) as twice:
            client.upload_blob("made/by sas", b"2", overwrite=True)
        assert code(twice) == "UnauthorizedBlobOverwrite"
    one = generate_blob_sas(
        stand.account,
        name,
        "made/by sas",
        account_key=stand.key,
        permission=BlobSasPermissions(read=True),
        expiry=datetime.now(UTC) + HOUR,
        content_type="text/special",
    )
    with BlobClient(stand.url, name, "made/by sas", credential=one) as blob:
        got = blob.download_blob()
        assert got.readall() == b"1"
        assert got.properties.content_settings.content_type == "text/special"
    with (
        BlobClient(stand.url, name, "other", credential=one, retry_total=0) as other,
        pytest.raises(ClientAuthenticationError) as wrong,
    ):
        other.download_blob()
    assert code(wrong) == "AuthenticationFailed"


def test_wrong_key_is_refused(stand: Stand) -> None:
    import base64

    wrong = base64.b64encode(b"x" * 64).decode()
    credential = {"account_name": stand.account, "account_key": wrong}
    with (
        BlobServiceClient(stand.url, credential=credential, retry_total=0) as client,
        pytest.raises(ClientAuthenticationError) as refused,
    ):
        list(client.list_containers())
    assert code(refused) == "AuthenticationFailed"


def test_service_properties_and_account(service: BlobServiceClient) -> None:
    from azure.storage.blob import CorsRule, StaticWebsite

    assert service.get_account_information()["account_kind"] == "StorageV2"
    service.set_service_properties(
        cors=[CorsRule(["*"], ["GET"])], static_website=StaticWebsite(enabled=True)
    )
    found = service.get_service_properties()
    assert found["cors"][0].allowed_methods == "GET"
    assert found["static_website"].enabled


def test_stored_access_policies(stand: Stand, container: ContainerClient) -> None:
    from azure.storage.blob import AccessPolicy

    container.upload_blob("a", b"1")
    policy = AccessPolicy(
        ContainerSasPermissions(read=True), datetime.now(UTC) + HOUR, datetime.now(UTC) - HOUR
    )
    container.set_container_access_policy({"readers": policy})
    assert [p.id for p in container.get_container_access_policy()["signed_identifiers"]] == [
        "readers"
    ]
    sas = generate_container_sas(
        stand.account, container.container_name, stand.key, policy_id="readers"
    )
    with ContainerClient(
        stand.url, container.container_name, credential=sas, retry_total=0
    ) as client:
        assert client.download_blob("a").readall() == b"1"
        with pytest.raises(HttpResponseError) as wrong:
            client.upload_blob("b", b"2")
        assert code(wrong) == "AuthorizationPermissionMismatch"
        container.set_container_access_policy({})
        with pytest.raises(ClientAuthenticationError):
            client.download_blob("a").readall()


def test_copies_from_a_signed_url(
    stand: Stand, service: BlobServiceClient, container: ContainerClient
) -> None:
    source = container.upload_blob("src", b"signed")
    sas = generate_blob_sas(
        stand.account,
        container.container_name,
        "src",
        account_key=stand.key,
        permission=BlobSasPermissions(read=True),
        expiry=datetime.now(UTC) + HOUR,
    )
    made = container.get_blob_client("from-url")
    made.upload_blob_from_url(f"{source.url}?{sas}")
    assert made.download_blob().readall() == b"signed"
    staged = container.get_blob_client("staged-url")
    staged.stage_block_from_url("aa", f"{source.url}?{sas}", source_offset=1, source_length=3)
    staged.commit_block_list([BlobBlock("aa")])
    assert staged.download_blob().readall() == b"ign"
    with (
        BlobClient(stand.url, container.container_name, "src", retry_total=0) as anyone,
        pytest.raises(ClientAuthenticationError),
    ):
        anyone.download_blob()
    with pytest.raises(HttpResponseError) as refused:
        made.start_copy_from_url("https://example.com/x")
    assert code(refused) == "NotEmulated"
    assert service.account_name


def test_batches_by_key_and_by_signature(stand: Stand, container: ContainerClient) -> None:
    for name in ("a", "b c", "ü/d", "kept"):
        container.upload_blob(name, b"1")
    done = list(container.delete_blobs("a", "b c", "missing", raise_on_any_failure=False))
    assert [answer.status_code for answer in done] == [202, 202, 404]
    sas = generate_container_sas(
        stand.account,
        container.container_name,
        stand.key,
        permission=ContainerSasPermissions(delete=True, list=True),
        expiry=datetime.now(UTC) + HOUR,
    )
    with ContainerClient(stand.url, container.container_name, credential=sas) as client:
        assert [answer.status_code for answer in client.delete_blobs("ü/d")] == [202]
    container.set_standard_blob_tier_blobs("Cool", "kept")
    assert [(b.name, b.blob_tier) for b in container.list_blobs()] == [("kept", "Cool")]
