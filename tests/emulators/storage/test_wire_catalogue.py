"""The catalogue of the Blob and Data Lake endpoints: what is served, and that the rest refuses."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from emulators.kernel import catalogue
from emulators.storage.engine import accounts
from emulators.storage.service import DATA_LAKE, MANAGEMENT, SPEC
from emulators.storage.wire.app import described
from tests.support import client_of, make_app, make_context


@pytest.mark.parametrize("kind", ["blob", "dfs"])
def test_served_rows_are_the_routes(kind: str) -> None:
    host = f"*.{kind}.core.windows.net"
    rows = {
        (row.name, row.method, row.path)
        for row in catalogue.rows("emulators.storage")
        if row.host == host and row.status == "served"
    }
    assert rows == {(op.name, op.method, op.path) for op in described(kind)}


def test_refused_rows_answer_not_emulated(tmp_path: Path) -> None:
    ctx = make_context(tmp_path)
    account = accounts.seed(ctx).name
    app = make_app(ctx, [SPEC, DATA_LAKE, MANAGEMENT])

    async def scenario() -> list[str]:
        wrong = []
        async with client_of(app) as http:
            for row in catalogue.rows("emulators.storage"):
                if row.status == "refused" and row.host == "*.blob.core.windows.net":
                    path = row.path.replace("{container}", "con").replace("{blob}", "b")
                    url = f"https://{account}.blob.core.windows.net{path}"
                    answer = await http.request(row.method, url)
                    code = answer.headers.get("x-ms-error-code")
                    if (answer.status_code, code) != (501, "NotEmulated"):
                        wrong.append(f"{row.name}: {answer.status_code} {code}")
        return wrong

    assert asyncio.run(scenario()) == []
