"""Files of the workspace's real storage: whatever went up comes down, byte for byte."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from starlette.requests import Request

from emulators.kernel.errors import Unsupported
from emulators.kernel.http import Reply
from emulators.machinelearning.engine import places, storage_access
from emulators.machinelearning.engine.storage_access import DatastorePath
from emulators.machinelearning.errors import (
    AssetNotFound,
    InvalidUri,
    PathNotFound,
    ResourceMissing,
    StorageFailed,
)
from emulators.machinelearning.store.assets import JOB_OUTPUTS, JobOutput
from emulators.storage import errors
from tests.emulators.machinelearning.conftest import World


def at(world: World, path: str) -> DatastorePath:
    found: DatastorePath = world.run(
        places.resolve(world.ctx, world.ws, f"azureml://datastores/workspaceblobstore/paths/{path}")
    )
    return found


def test_a_folder_survives_the_trip(world: World, tmp_path: Path) -> None:
    source = tmp_path / "up"
    contents = {
        "a.txt": b"",
        "deep/er/b.bin": os.urandom(1000),
        "mit Leerzeichen/ä漢.csv": b"1,2\n",
        "%41+&#?.txt": b"x",
        "large.bin": os.urandom((8 << 20) + 5),
    }
    for name, data in contents.items():
        file = source / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    where = at(world, "trip")
    sent = world.run(storage_access.upload(world.ctx, source, where))
    assert sent == sum(len(data) for data in contents.values())
    listed = world.run(storage_access.list_paths(world.ctx, where))
    assert {e.path: e.size_bytes for e in listed} == {
        f"trip/{name}": len(data) for name, data in contents.items()
    }
    to = tmp_path / "down"
    world.run(storage_access.download(world.ctx, where, to))
    found = {p.relative_to(to).as_posix(): p.read_bytes() for p in to.rglob("*") if p.is_file()}
    assert found == contents
    one = world.run(
        storage_access.download(world.ctx, where.below("deep/er/b.bin"), tmp_path / "b")
    )
    assert one.read_bytes() == contents["deep/er/b.bin"]


def test_a_prefix_is_a_folder_not_a_beginning(world: World) -> None:
    for name in ("pre/a", "pre/a/b", "pre/ab", "prefix"):
        world.run(storage_access.write(world.ctx, at(world, name), b"1"))
    listed = world.run(storage_access.list_paths(world.ctx, at(world, "pre/a")))
    assert [e.path for e in listed] == ["pre/a", "pre/a/b"]
    assert world.run(storage_access.exists(world.ctx, at(world, "pre")))
    assert not world.run(storage_access.exists(world.ctx, at(world, "pr")))
    assert world.run(storage_access.delete(world.ctx, at(world, "pre/"))) == 3
    assert not world.run(storage_access.exists(world.ctx, at(world, "pre")))


def test_small_blobs_are_read_and_large_ones_refused(world: World) -> None:
    where = at(world, "small.txt")
    world.run(storage_access.write(world.ctx, where, b"hello"))
    assert world.run(storage_access.read(world.ctx, where)) == b"hello"
    with pytest.raises(StorageFailed):
        world.run(storage_access.read(world.ctx, where, limit_bytes=4))
    with pytest.raises(PathNotFound):
        world.run(storage_access.read(world.ctx, at(world, "none.txt")))


def test_what_is_not_there_is_said(world: World, tmp_path: Path) -> None:
    with pytest.raises(PathNotFound):
        world.run(storage_access.download(world.ctx, at(world, "nothing"), tmp_path / "x"))
    with pytest.raises(PathNotFound):
        world.run(storage_access.upload(world.ctx, tmp_path / "none", at(world, "x")))
    missing = DatastorePath(world.ws.storage_account, "no-such-container", "x")
    with pytest.raises(PathNotFound):
        world.run(storage_access.list_paths(world.ctx, missing))


def test_a_name_that_climbs_is_not_written(world: World, tmp_path: Path) -> None:
    where = at(world, "climb")
    bad = DatastorePath(where.account, where.container, "climb/a\\..\\..\\evil")
    world.run(storage_access.write(world.ctx, bad, b"x"))
    with pytest.raises(StorageFailed):
        world.run(storage_access.download(world.ctx, where, tmp_path / "x"))
    assert not list(tmp_path.rglob("evil*"))
    world.run(storage_access.delete(world.ctx, where))


def test_references_lead_to_places(world: World) -> None:
    ctx, ws = world.ctx, world.ws
    container = f"azureml-blobstore-{ws.guid}"
    ctx.store.put(
        JOB_OUTPUTS,
        JobOutput(ws.guid, "jobx", "model", "azureml://datastores/workspaceblobstore/paths/own/"),
    )
    world.put(
        "/data/p1/versions/1",
        {"dataType": "uri_folder", "dataUri": "azureml://jobs/jobx/outputs/model/paths/part"},
    )
    expected = {
        "azureml://datastores/workspaceblobstore/paths/a/b": "a/b",
        "azureml://jobs/jobx/outputs/model/paths/part": "own/part",
        "azureml://jobs/other/outputs/o": "azureml/other/o/",
        f"{ws.arm_id}/data/p1/versions/1": "own/part",
        f"azureml://locations/eastus/workspaces/{ws.guid}/data/p1/labels/latest": "own/part",
        f"https://{ws.storage_account}.blob.core.windows.net/{container}/x%20y": "x y",
        f"abfss://{container}@{ws.storage_account}.dfs.core.windows.net/z": "z",
        f"https://localhost:8441/{container}/w": "w",
    }
    for uri, path in expected.items():
        found = world.run(places.resolve(ctx, ws, uri))
        assert found == DatastorePath(ws.storage_account, container, path), uri
    run = world.run(places.resolve(ctx, ws, "runs:/r/model"))
    assert run == DatastorePath(ws.storage_account, "azureml", "ExperimentRun/dcid.r/model")


@pytest.mark.parametrize(
    ("uri", "error"),
    [
        ("azureml://datastores/none/paths/x", AssetNotFound),
        ("azureml://data/none/versions/1", AssetNotFound),
        ("https://example.com/x.csv", InvalidUri),
        ("./here", InvalidUri),
        ("azureml://datastores/workspacefilestore/paths/x", Unsupported),
        ("azureml://registries/r/models/m/versions/1", ResourceMissing),
        ("azureml://registries/azureml-meta/models/m/versions/1", Unsupported),
    ],
)
def test_references_that_lead_nowhere(world: World, uri: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        world.run(places.resolve(world.ctx, world.ws, uri))


def test_an_asset_that_names_itself_is_no_loop(world: World) -> None:
    uri = f"{world.ws.arm_id}/data/loop/versions/1"
    from emulators.machinelearning.engine import assets

    body = {"dataType": "uri_file", "dataUri": uri}
    assets.create_version(world.ctx, world.ws, assets.Draft("data", "loop", body, "1"))
    with pytest.raises(InvalidUri):
        world.run(places.resolve(world.ctx, world.ws, uri))


def test_public_data_is_read_without_credentials(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emulators.storage.wire import app

    async def read_through(request: Request) -> Reply:
        if "authorization" in request.headers:
            raise Unsupported("credentials to the real world")
        if request.query_params.get("comp") == "list":
            raise errors.ResourceNotFound
        return Reply(200, b"a,b", {"content-length": "3"})

    monkeypatch.setattr(app, "read_through", read_through)
    url = "https://azuremlexamples.blob.core.windows.net/datasets/iris.csv"
    where = world.run(places.resolve(world.ctx, world.ws, url))
    got = world.run(storage_access.download(world.ctx, where, tmp_path / "iris.csv"))
    assert got.read_bytes() == b"a,b"
    assert world.run(storage_access.read(world.ctx, where)) == b"a,b"


def test_public_data_that_is_refused_says_why(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emulators.storage.wire import app

    async def read_through(request: Request) -> Reply:
        raise Unsupported("the account 'nobody'")

    monkeypatch.setattr(app, "read_through", read_through)
    where = DatastorePath("nobody", "c", "x.csv")
    with pytest.raises(StorageFailed, match="the account 'nobody'"):
        world.run(storage_access.download(world.ctx, where, tmp_path / "x"))
