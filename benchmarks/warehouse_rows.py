"""Rows out of and into the warehouse, and one round trip, against each client's own limit.

    python -m benchmarks.warehouse_rows [--rows 300000] [--rounds 3]

A client's own limit is the same client in front of a server that says again, byte for byte, what
the warehouse said before: all that is measured there is the client. Clients whose login is always
encrypted cannot be answered so; for them the client's share of the time is its own processor time.
"""

from __future__ import annotations

import argparse
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.tds_replay import Recorder
from emulators.warehouse.engine.answers import Column
from emulators.warehouse.engine.types import SqlType
from emulators.warehouse.wire import packets, tokens
from tests.emulators.warehouse.clients import (
    LOGIN,
    OFF,
    Client,
    MicrosoftOdbc,
    MssqlPython,
    Pymssql,
    PythonTds,
    Server,
)
from tests.emulators.warehouse.rawclient import Raw, login_bytes
from tests.running import started

TABLE = """
CREATE TABLE dbo.wide WITH (DISTRIBUTION = ROUND_ROBIN) AS
SELECT CAST(value AS int) AS a, value * 1.5e0 AS b, CAST(value AS bigint) * 1000 AS c,
  CASE WHEN value % 10 = 0 THEN NULL ELSE CAST(value AS real) END AS d,
  CAST(value % 2 AS bit) AS e, CAST(CONCAT(N'name ', value) AS nvarchar(40)) AS f,
  CASE WHEN value % 7 = 0 THEN NULL ELSE CAST(CONCAT(N'ünï ', value) AS nvarchar(40)) END AS g,
  DATEADD(day, value % 1000, CAST('2020-01-01' AS date)) AS h,
  DATEADD(second, value, CAST('2020-01-01' AS datetime2(6))) AS j
FROM GENERATE_SERIES(1, {rows})
"""
QUERY = "SELECT a, b, c, d, e, f, g, h, j FROM dbo.wide"


class Plain(Pymssql):
    """pymssql without any encryption, so that its answers can be said again."""

    def connect(self, mode: str, *, autocommit: bool = True) -> Any:
        import pymssql

        server = self.server
        return pymssql.connect(
            server.host, server.user, server.password, server.database, port=str(server.port),
            autocommit=autocommit, encryption="off", login_timeout=20,
        )  # fmt: skip


@contextmanager
def said_again(answers: list[bytes]) -> Iterator[int]:
    """A server of that, in a process of its own; its port."""
    with tempfile.NamedTemporaryFile(suffix=".answers") as file:
        Path(file.name).write_bytes(pickle.dumps(answers))
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.tds_replay", file.name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.communicate()


def elsewhere(server: Server, port: int) -> Server:
    return Server(
        port, server.user, server.password, server.database, server.ca, server.leaf, "127.0.0.1"
    )


def recorded(make: Callable[[Server], Client], server: Server, text: str) -> list[bytes]:
    """What the server says to a client that asks `text` once."""
    recorder = Recorder(server.port)
    client = make(elsewhere(server, recorder.port))
    connection = client.connect(OFF)
    client.rows(connection, text)
    answers = recorder.answers[:]
    connection.close()
    return answers


def timed(work: Callable[[], Any]) -> tuple[float, float]:
    """Seconds by the wall, and of this process's processor time."""
    wall, own = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - own


def drained(server: Server) -> int:
    """Read the rows' bytes and do nothing with them; how many bytes."""
    with Raw(server.port) as raw:
        raw.prelogin()
        login = login_bytes(server.user, server.password, server.database, 32767)
        raw.send(packets.LOGIN7, login)
        raw.message()
        raw.batch(QUERY)
        size = 0
        while True:
            head = raw.exactly(8)
            size += len(raw.exactly(int.from_bytes(head[2:4], "big") - 8))
            if head[1] & 1:
                return size


def rows_out(server: Server, rows: int, rounds: int) -> Iterator[str]:
    clients: list[tuple[str, Callable[[Server], Client], bool]] = [
        ("python-tds", PythonTds, True), ("pymssql", Plain, True),
        ("pyodbc + Microsoft ODBC 18", MicrosoftOdbc, False), ("mssql-python", MssqlPython, False),
    ]  # fmt: skip
    answers = {name: recorded(make, server, QUERY) for name, make, again in clients if again}
    times: dict[str, list[tuple[float, float]]] = {}
    for _ in range(rounds):
        times.setdefault("bytes read, not decoded", []).append(timed(lambda: drained(server)))
        for name, make, again in clients:
            if again:
                with said_again(answers[name]) as port:
                    _read(make(elsewhere(server, port)), times.setdefault(f"{name}/again", []))
            _read(make(server), times.setdefault(name, []))
    for name in ("bytes read, not decoded", *(n for n, _, _ in clients)):
        wall = statistics.median(w for w, _ in times[name])
        own = statistics.median(c for _, c in times[name])
        limit = statistics.median(w for w, _ in times.get(f"{name}/again", [(own, own)]))
        share = "" if name.startswith("bytes") else f"{limit / wall:.2f}"
        yield f"| {rows:,} rows of 9 columns, {name} | {rows / wall:,.0f} rows/s | {share} |"


def _read(client: Client, into: list[tuple[float, float]]) -> None:
    with closing(client.connect(client.modes[0])) as connection:

        def work() -> None:
            cursor = connection.cursor()
            cursor.execute(QUERY)
            while cursor.fetchmany(10_000):
                pass

        into.append(timed(work))


def round_trips(server: Server, rounds: int) -> Iterator[str]:
    """SELECT 1, here and said again, in turn."""
    answers = recorded(PythonTds, server, "SELECT 1")
    here: list[float] = []
    again: list[float] = []
    with said_again(answers) as port:
        ours, echo = PythonTds(server), PythonTds(elsewhere(server, port))
        with closing(ours.connect(OFF)) as a, closing(echo.connect(OFF)) as b:
            for _ in range(100 * rounds):
                here.append(timed(lambda: ours.rows(a, "SELECT 1"))[0])
                again.append(timed(lambda: echo.rows(b, "SELECT 1"))[0])
    mine, limit = statistics.median(here), statistics.median(again)
    yield (
        f"| SELECT 1 by python-tds: {1000 * mine:.2f} ms, of it its own {1000 * limit:.2f} ms"
        f" | {1 / mine:,.0f} a second | {limit / mine:.2f} |"
    )


def rows_in(server: Server, rows: int, rounds: int) -> Iterator[str]:
    """Bulk loads: by clients, and of bytes made before."""
    import pyarrow as pa

    from emulators.warehouse.wire.rows import encoded

    client = PythonTds(server)
    data = [(n, n * 0.5, f"name {n}") for n in range(rows)]
    columns = (
        Column("a", SqlType("int")), Column("b", SqlType("float")),
        Column("c", SqlType("nvarchar", 40)),
    )  # fmt: skip
    arrays = [pa.array([r[at] for r in data], c.type.arrow) for at, c in enumerate(columns)]
    batch = pa.RecordBatch.from_arrays(arrays, ["a", "b", "c"])
    stream = tokens.columns(columns) + b"".join(map(bytes, encoded(columns, batch)))
    stream += tokens.done(tokens.DONE, 0)
    with client.open(OFF) as connection:
        client.run(connection, "CREATE TABLE dbo.taken (a int, b float, c nvarchar(40))")
    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        times.setdefault("bytes made before", []).append(_load_bytes(server, stream))
        times.setdefault("python-tds", []).append(_load_tds(server, data))
        times.setdefault("mssql-python", []).append(_load_mssql(server, data))
    for name, taken in times.items():
        rate = rows / statistics.median(taken)
        yield f"| bulk load of 3 columns, {name} | {rate:,.0f} rows/s | |"


def _load_bytes(server: Server, stream: bytes) -> float:
    with Raw(server.port) as raw:
        raw.prelogin()
        raw.send(packets.LOGIN7, login_bytes(server.user, server.password, server.database))
        raw.message()
        raw.ask("INSERT BULK dbo.taken (a int, b float, c nvarchar(40))")
        begun = time.perf_counter()
        raw.send(packets.BULK, stream)
        answer = raw.message()
        assert answer[0] == tokens.DONE, answer
        return time.perf_counter() - begun


def _load_tds(server: Server, data: list[Any]) -> float:
    from pytds.tds_base import Column as Named
    from pytds.tds_types import FloatType, IntType, NVarCharType

    with PythonTds(server).open(OFF) as connection, connection.cursor() as cursor:
        columns = [
            Named("a", type=IntType()), Named("b", type=FloatType()),
            Named("c", type=NVarCharType(40)),
        ]  # fmt: skip
        return timed(
            lambda: cursor.copy_to(data=data, schema="dbo", table_or_view="taken", columns=columns)
        )[0]


def _load_mssql(server: Server, data: list[Any]) -> float:
    with MssqlPython(server).open(LOGIN) as connection:
        cursor = connection.cursor()
        return timed(lambda: cursor.bulkcopy("dbo.taken", data, batch_size=len(data)))[0]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=300_000)
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, started(Path(folder), "warehouse") as up:
        env = up.env
        server = Server(
            int(env["MSSQL_PORT"]), env["MSSQL_USER"], env["MSSQL_PASSWORD"],
            env["MSSQL_DATABASE"], str(Path(folder) / "tls" / "ca.pem"), "", env["MSSQL_HOST"],
        )  # fmt: skip
        client = PythonTds(server)
        with client.open(OFF) as connection:
            client.run(connection, TABLE.format(rows=given.rows))
        print("| what | here | of the client's own limit |\n| --- | --- | --- |")
        for lines in (
            rows_out(server, given.rows, given.rounds),
            round_trips(server, given.rounds),
            rows_in(server, min(given.rows, 100_000), given.rounds),
        ):
            for line in lines:
                print(line, flush=True)


if __name__ == "__main__":
    main()
