"""Node's tedious and mssql, unmodified, and FreeTDS's freebcp."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.emulators.warehouse.clients import PythonTds, Server
from tests.emulators.warehouse.conftest import ENDLESS
from tests.emulators.warehouse.test_sdk_clients_python import loaded, made, token_of
from tests.frontdoor.node_peer import node_environment
from tests.running import Rehearsal

SCRIPT = Path(__file__).parent / "node_client.js"
PACKAGES = ("tedious@19", "mssql@12")


def drive(sql: Server, **more: Any) -> Any:
    """What the script found, as JSON."""
    folder = node_environment("tds", PACKAGES)
    at = {
        "host": sql.host, "port": sql.port, "user": sql.user, "password": sql.password,
        "database": sql.database, "endless": ENDLESS, **more,
    }  # fmt: skip
    environment = {
        **os.environ, "NODE_EXTRA_CA_CERTS": sql.ca, "NODE_PATH": str(folder / "node_modules"),
    }  # fmt: skip
    done = subprocess.run(
        ["node", str(SCRIPT), json.dumps(at)],
        env=environment, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def tedious(sql: Server) -> Any:
    return drive(sql, what="tedious", modes=["off", "on", "strict"])


@pytest.mark.parametrize("mode", ["off", "on", "strict"])
def test_tedious_gets_in(tedious: Any, mode: str) -> None:
    assert tedious["modes"][mode] == [1, "ünï€𝄞", 1.5]


def test_tedious_sends_parameters_and_blobs(tedious: Any) -> None:
    assert tedious["parameters"] == [42, "O'Brien ünï", 2.25, True]
    assert tedious["blob"]
    assert tedious["blob_s"] < 10  # it took one chunk of 8 MiB apart for longer than that


def test_tedious_calls_procedures(tedious: Any) -> None:
    assert tedious["procedure"] == {"rows": [[21, "dübbelt"]], "twice": 42, "status": 7}


def test_tedious_tells_number_and_line(tedious: Any) -> None:
    assert (tedious["error"]["number"], tedious["error"]["line"]) == (208, 3)
    assert (tedious["thrown"]["number"], tedious["thrown"]["line"]) == (51000, 3)
    assert tedious["thrown"]["class"] == 16


def test_tedious_cancels(tedious: Any) -> None:
    assert tedious["cancelled"] == "ECANCEL"
    assert tedious["after"] == [[5]]


def test_tedious_rolls_back_and_commits(tedious: Any) -> None:
    assert tedious["rolled"] == [[0]]
    assert tedious["committed"] == [[1]]


def test_tedious_loads_in_bulk(tedious: Any) -> None:
    assert tedious["loaded"] == 3000
    assert tedious["kept"] == [[3000, 3000 - 334]]


def test_tedious_logs_in_by_token(sql: Server, warehouse: Rehearsal) -> None:
    found = drive(sql, what="tedious", modes=["on"], token=token_of(warehouse))
    assert found["modes"]["on"][0] == 1


def test_tedious_signs_in_by_a_secret(sql: Server, warehouse: Rehearsal) -> None:
    """It asks the server where tokens are, and gets one there: from our own Entra."""
    env = warehouse.env
    principal = {
        "clientId": env["AZURE_CLIENT_ID"], "clientSecret": env["AZURE_CLIENT_SECRET"],
        "tenantId": env["AZURE_TENANT_ID"],
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for name, value in env.items():
            patch.setenv(name, value)
        found = drive(sql, what="tedious", modes=["on"], principal=principal)
    assert found["modes"]["on"][0] == 1


def test_mssql_does_all_of_it(sql: Server) -> None:
    found = drive(sql, what="mssql")
    assert found["rows"] == [{"n": 3, "word": "wörd 3"}]
    assert found["procedure"] == [[{"n": 4, "what": "dübbelt"}], {"twice": 8}, 7]
    assert found["loaded"] == 1000
    assert found["prepared"] == ["wörd 1", "wörd 2"]
    assert found["rolled"] == [{"n": 0}]
    assert found["streamed"] == 20_000


def test_freebcp_loads(sql: Server, tmp_path: Path) -> None:
    freebcp = shutil.which("freebcp")
    if freebcp is None:
        pytest.skip("freebcp is not installed (Debian: freetds-bin)")
    made(sql, "dbo.bulk_freebcp")
    rows = [(n, f"bulk {n}") for n in range(2500)]
    file = tmp_path / "rows.tsv"
    file.write_text("".join(f"{a}\t{b}\n" for a, b in rows))
    conf = tmp_path / "freetds.conf"
    conf.write_text(
        f"[warehouse]\nhost = {sql.host}\nport = {sql.port}\ntds version = 7.4\n"
        "encryption = off\nclient charset = UTF-8\n"
    )
    done = subprocess.run(
        [freebcp, "dbo.bulk_freebcp", "in", str(file), "-c", "-t", "\t", "-b", "1000",
         "-S", "warehouse", "-U", sql.user, "-P", sql.password, "-D", sql.database],
        env={**os.environ, "FREETDSCONF": str(conf)},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2500 rows copied" in done.stdout
    assert loaded(sql, "dbo.bulk_freebcp") == rows


def test_tsql_reads(sql: Server) -> None:
    tsql = shutil.which("tsql")
    if tsql is None:
        pytest.skip("tsql is not installed (Debian: freetds-bin)")
    done = subprocess.run(
        [tsql, "-H", sql.host, "-p", str(sql.port), "-U", sql.user, "-P", sql.password,
         "-D", sql.database],
        input="SELECT n, word FROM dbo.numbers WHERE n = 17\nGO\nexit\n",
        env={**os.environ, "TDSVER": "7.4"},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert "17\twörd 17" in done.stdout, done.stdout + done.stderr
    assert PythonTds(sql)
