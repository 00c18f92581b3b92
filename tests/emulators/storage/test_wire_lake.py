"""The Data Lake endpoint over plain blobs: lists, positions, moves, and its JSON errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from .bench import Bench


class Lake:
    """Short words for calls on one file system."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def send(self, method: str, path: str, content: bytes = b"", **headers: str) -> httpx.Response:
        said = {name.replace("_", "-"): value for name, value in headers.items()}

        async def scenario(http: httpx.AsyncClient) -> httpx.Response:
            return await http.request(
                method, f"{self.bench.dfs}{path}", content=content, headers=said
            )

        found = self.bench.run(scenario)
        assert isinstance(found, httpx.Response)
        return found

    def write(self, path: str, data: bytes) -> None:
        assert self.send("PUT", f"/lake/{path}?resource=file").status_code == 201
        if data:
            assert self.send("PATCH", f"/lake/{path}?action=append&position=0", data).is_success
        done = self.send("PATCH", f"/lake/{path}?action=flush&position={len(data)}")
        assert done.status_code == 200

    def names(self, **query: Any) -> list[str]:
        said = "&".join(f"{k}={v}" for k, v in {"recursive": "true", **query}.items())
        answer = self.send("GET", f"/lake?resource=filesystem&{said}")
        assert answer.status_code == 200, answer.text
        return [p["name"] + ("/" if p.get("isDirectory") else "") for p in answer.json()["paths"]]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = Lake(Bench(tmp_path))
    assert made.send("PUT", "/lake?resource=filesystem").status_code == 201
    return made


def test_files_and_folders(lake: Lake) -> None:
    for path in ("a/b/one", "a/two", "a-b", "c"):
        lake.write(path, path.encode())
    assert lake.names() == ["a-b", "a/", "a/b/", "a/b/one", "a/two", "c"]
    assert lake.names(recursive="false") == ["a-b", "a/", "c"]
    assert lake.names(directory="a") == ["a/b/", "a/b/one", "a/two"]
    assert lake.names(directory="a", recursive="false") == ["a/b/", "a/two"]
    assert lake.send("GET", "/lake/a/two").content == b"a/two"
    assert lake.send("HEAD", "/lake/a").headers["x-ms-resource-type"] == "directory"
    assert lake.send("HEAD", "/lake/a/two").headers["x-ms-resource-type"] == "file"


@pytest.mark.parametrize("made", [False, True])
def test_pages_lose_and_repeat_nothing(lake: Lake, made: bool) -> None:
    if made:
        for folder in ("a", "a/b"):
            lake.send("PUT", f"/lake/{folder}?resource=directory")
    for path in ("a/b/1", "a/b/2", "a/c/3", "a-x", "d/e/f/4"):
        lake.write(path, b"1")
    whole = lake.names()
    assert sorted(whole) == sorted(
        ["a/", "a/b/", "a/b/1", "a/b/2", "a/c/", "a/c/3", "a-x", "d/", "d/e/", "d/e/f/", "d/e/f/4"]
    )
    for size in (1, 2, 3):
        got: list[str] = []
        token = ""
        while True:
            query = f"recursive=true&maxResults={size}&continuation={token}"
            answer = lake.send("GET", f"/lake?resource=filesystem&{query}")
            got += [
                p["name"] + ("/" if p.get("isDirectory") else "") for p in answer.json()["paths"]
            ]
            token = answer.headers.get("x-ms-continuation", "")
            if not token:
                break
        assert got == whole


def test_bytes_come_in_any_order_and_without_gaps(lake: Lake) -> None:
    lake.send("PUT", "/lake/f?resource=file")
    lake.send("PATCH", "/lake/f?action=append&position=3", b"def")
    early = lake.send("PATCH", "/lake/f?action=flush&position=6")
    assert (early.status_code, early.json()["error"]["code"]) == (400, "InvalidFlushPosition")
    lake.send("PATCH", "/lake/f?action=append&position=0", b"abc")
    assert lake.send("GET", "/lake/f").content == b""
    assert lake.send("PATCH", "/lake/f?action=flush&position=6").status_code == 200
    assert lake.send("GET", "/lake/f").content == b"abcdef"
    done = lake.send("PATCH", "/lake/f?action=append&position=6&flush=true", b"gh")
    assert done.status_code == 202
    assert lake.send("GET", "/lake/f", x_ms_range="bytes=5-6").content == b"fg"


def test_moves(lake: Lake) -> None:
    lake.write("a/b/one", b"1")
    lake.write("a/two", b"2")
    lake.write("z", b"old")
    moved = lake.send("PUT", "/lake/new/place", x_ms_rename_source="/lake/a")
    assert moved.status_code == 201
    assert lake.names() == ["new/", "new/place/", "new/place/b/", "new/place/b/one",
                            "new/place/two", "z"]  # fmt: skip
    lake.send("PUT", "/lake/z", x_ms_rename_source="/lake/new/place/two")
    assert lake.send("GET", "/lake/z").content == b"2"
    for source, target, code in (
        ("nothing", "x", "SourcePathNotFound"),
        ("new", "new/inside", "PathAlreadyExists"),
    ):
        answer = lake.send("PUT", f"/lake/{target}", x_ms_rename_source=f"/lake/{source}")
        assert answer.json()["error"]["code"] == code


def test_deletes(lake: Lake) -> None:
    lake.write("a/b", b"1")
    full = lake.send("DELETE", "/lake/a?recursive=false")
    assert (full.status_code, full.json()["error"]["code"]) == (409, "DirectoryNotEmpty")
    assert lake.send("DELETE", "/lake/a?recursive=true").status_code == 200
    gone = lake.send("DELETE", "/lake/a?recursive=true")
    assert (gone.status_code, gone.headers["x-ms-error-code"]) == (404, "PathNotFound")
    assert lake.names() == []


def test_kinds_do_not_mix(lake: Lake) -> None:
    lake.write("a/b", b"1")
    folder = lake.send("PUT", "/lake/a/b?resource=directory")
    assert folder.json()["error"]["code"] == "PathAlreadyExists"
    assert lake.send("GET", "/lake/a").status_code == 404
    again = lake.send("PUT", "/lake/a/b?resource=file", if_none_match="*")
    assert again.json()["error"]["code"] == "PathAlreadyExists"


def test_properties(lake: Lake) -> None:
    lake.send("PUT", "/lake/f?resource=file", x_ms_properties="k=dg==")
    assert lake.send("HEAD", "/lake/f").headers["x-ms-properties"] == "k=dg=="
    lake.send("PATCH", "/lake/f?action=setProperties", x_ms_properties="q=dw==")
    assert lake.send("HEAD", "/lake/f").headers["x-ms-properties"] == "q=dw=="


def test_what_is_not_emulated(lake: Lake) -> None:
    lake.write("f", b"1")
    for answer in (
        lake.send("HEAD", "/lake/f?action=getAccessControl"),
        lake.send("PATCH", "/lake/f?action=setAccessControl", x_ms_acl="user::rwx"),
        lake.send("PUT", "/lake/g?resource=file", x_ms_permissions="0777"),
    ):
        assert (answer.status_code, answer.headers["x-ms-error-code"]) == (501, "NotEmulated")


def test_no_such_system(lake: Lake) -> None:
    answer = lake.send("GET", "/other?resource=filesystem&recursive=true")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "FilesystemNotFound")
    twice = lake.send("PUT", "/lake?resource=filesystem")
    assert twice.json()["error"]["code"] == "FilesystemAlreadyExists"
