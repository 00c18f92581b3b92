"""Clients that need a process of their own: aiohttp reads its certificates when imported."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

ACCOUNT = os.environ["AZURE_STORAGE_ACCOUNT"]


def aio(container: str) -> None:
    """The asynchronous Blob client with a bearer token: staged blocks, parallel ranges, lists."""
    from azure.identity.aio import DefaultAzureCredential
    from azure.storage.blob.aio import ContainerClient

    data = os.urandom(2 << 20)

    async def scenario() -> None:
        async with (
            DefaultAzureCredential() as credential,
            ContainerClient(
                f"https://{ACCOUNT}.blob.core.windows.net",
                container,
                credential=credential,
                max_single_put_size=1 << 18,
                max_block_size=1 << 18,
                max_single_get_size=1 << 18,
                max_chunk_get_size=1 << 18,
            ) as client,
        ):
            blob = await client.upload_blob("ä/ö ü", data, max_concurrency=4)
            assert await (await blob.download_blob(max_concurrency=4)).readall() == data
            await client.upload_blob("b", b"2")
            assert [b.name async for b in client.list_blobs()] == ["b", "ä/ö ü"]
            done = await client.delete_blobs("ä/ö ü", "b")
            assert [answer.status_code async for answer in done] == [202, 202]
            assert [b.name async for b in client.list_blobs()] == []

    asyncio.run(scenario())


def adlfs(container: str) -> None:
    """The fsspec file system, by connection string."""
    import adlfs as module

    fs = module.AzureBlobFileSystem(connection_string=os.environ["AZURE_STORAGE_CONNECTION_STRING"])
    data, root = os.urandom(1 << 20), f"{container}/dir"
    with fs.open(f"{root}/a.bin", "wb", block_size=1 << 18) as out:
        out.write(data)
    fs.pipe(f"{root}/sub/b.txt", b"hello")
    assert fs.cat(f"{root}/a.bin") == data
    assert sorted(fs.find(container)) == [f"{root}/a.bin", f"{root}/sub/b.txt"]
    assert sorted(fs.ls(root, detail=False)) == [f"{root}/a.bin", f"{root}/sub"]
    with fs.open(f"{root}/a.bin", "rb") as opened:
        opened.seek(1000)
        assert opened.read(10) == data[1000:1010]
    fs.cp(f"{root}/sub/b.txt", f"{root}/c.txt")
    assert fs.cat(f"{root}/c.txt") == b"hello"
    for line in (b"one", b"two"):
        with fs.open(f"{root}/log", "ab") as log:
            log.write(line)
    assert fs.cat(f"{root}/log") == b"onetwo"
    fs.mv(f"{root}/c.txt", f"{root}/d.txt")
    assert fs.exists(f"{root}/d.txt")
    assert not fs.exists(f"{root}/c.txt")
    fs.rm(root, recursive=True)
    fs.invalidate_cache()
    assert fs.find(container) == []


def datalake(container: str) -> None:
    """The Data Lake client on the same account: files, folders, lists, renames."""
    from azure.identity import DefaultAzureCredential
    from azure.storage.filedatalake import DataLakeServiceClient

    credential = DefaultAzureCredential()
    url = f"https://{ACCOUNT}.dfs.core.windows.net"
    with DataLakeServiceClient(url, credential=credential) as service:
        system = service.get_file_system_client(container)
        folder = system.create_directory("top/inner")
        data = os.urandom(3 << 20)
        file = folder.create_file("a.bin")
        file.append_data(data[: 1 << 20], 0)
        file.append_data(data[1 << 20 :], 1 << 20)
        file.flush_data(len(data))
        assert file.download_file().readall() == data
        file.upload_data(b"short", overwrite=True)
        assert file.download_file().readall() == b"short"
        assert file.get_file_properties().size == 5
        names = {p.name: p.is_directory for p in system.get_paths("top", recursive=True)}
        assert names == {"top/inner": True, "top/inner/a.bin": False}
        file.rename_file(f"{container}/top/b.bin")
        names = {p.name: p.is_directory for p in system.get_paths("top", recursive=False)}
        assert names == {"top/inner": True, "top/b.bin": False}
        system.get_directory_client("top").delete_directory()
        assert list(system.get_paths()) == []


def mlflow(container: str) -> None:
    """MLflow's artifact stores, by Blob and by Data Lake."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from azure.identity import DefaultAzureCredential
    from mlflow.store.artifact.azure_blob_artifact_repo import AzureBlobArtifactRepository
    from mlflow.store.artifact.azure_data_lake_artifact_repo import AzureDataLakeArtifactRepository

    blob: Any = AzureBlobArtifactRepository(
        f"wasbs://{container}@{ACCOUNT}.blob.core.windows.net/run/1"
    )
    lake: Any = AzureDataLakeArtifactRepository(
        f"abfss://{container}@{ACCOUNT}.dfs.core.windows.net/run/2",
        credential=DefaultAzureCredential(),
    )
    with TemporaryDirectory() as folder:
        inside = Path(folder)
        (inside / "sub").mkdir()
        (inside / "a.txt").write_text("one")
        (inside / "sub" / "b.txt").write_text("two")
        for store in (blob, lake):
            store.log_artifacts(folder)
            found = [(f.path, f.is_dir) for f in store.list_artifacts("")]
            assert sorted(found) == [("a.txt", False), ("sub", True)]
            got = Path(store.download_artifacts(""))
            assert (got / "sub" / "b.txt").read_text() == "two"
    blob.delete_artifacts("sub")
    assert [f.path for f in blob.list_artifacts()] == ["a.txt"]


if __name__ == "__main__":
    clients = {"aio": aio, "adlfs": adlfs, "datalake": datalake, "mlflow": mlflow}
    clients[sys.argv[1]](sys.argv[2])
