"""Inputs from the open web: whole files or none, named as their address names them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from emulators.kernel.context import Context
from emulators.machinelearning.engine.jobs import web
from emulators.machinelearning.engine.jobs.data import Fetcher
from emulators.machinelearning.errors import InvalidUri, PathNotFound
from tests.emulators.machinelearning.jobs_bench import bench_context, make_bench


class Pages(BaseHTTPRequestHandler):
    """One page, and one that breaks off."""

    def do_GET(self) -> None:
        if self.path.startswith("/a/table.csv"):
            assert "authorization" not in self.headers
            self.send_response(200)
            self.send_header("content-length", "4")
            self.end_headers()
            self.wfile.write(b"x\n1\n")
        else:
            self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def ctx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Context]:
    with bench_context(tmp_path_factory.mktemp("web")) as made:
        yield made


def test_a_file_is_fetched_whole_or_not_at_all(ctx: Context, site: str, tmp_path: Path) -> None:
    target = tmp_path / "kept" / "table.csv"
    asyncio.run(web.fetch(ctx, f"{site}/a/table.csv?raw=1", target))
    assert target.read_text() == "x\n1\n"
    with pytest.raises(PathNotFound, match="404"):
        asyncio.run(web.fetch(ctx, f"{site}/none.csv", tmp_path / "other" / "none.csv"))
    with pytest.raises(InvalidUri):
        asyncio.run(web.fetch(ctx, "file:///etc/passwd", tmp_path / "passwd"))
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["table.csv"]


def test_data_keeps_the_name_of_its_address_without_the_query(ctx: Context) -> None:
    bench = make_bench(ctx, "web")
    job, fetcher = bench.add("j"), Fetcher(ctx)
    assert fetcher._kept(job, "https://a.example/x/table%20one.csv?sig=1").name == "table one.csv"
    assert fetcher._kept(job, "https://a.example/x/") == fetcher._kept(job, "https://a.example/x")
    assert fetcher._kept(job, "https://a.example").name == "data"
