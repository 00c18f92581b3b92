"""A session on another server of TDS: what the gateway asks a real SQL Server through."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from emulators.warehouse.engine.answers import (
    Answer,
    Argument,
    BulkLoad,
    Column,
    Failed,
    Login,
    LoginFailed,
    Session,
)
from emulators.warehouse.wire import login7, packets, requests, rpc, tokens
from emulators.warehouse.wire.heard import Agreed, Hearing
from emulators.warehouse.wire.outgoing import Line, Place
from emulators.warehouse.wire.packets import packed
from emulators.warehouse.wire.rows import encoded, value_of
from emulators.warehouse.wire.types_write import type_info

if TYPE_CHECKING:
    import pyarrow as pa

TDS_7_4 = 0x74000004
PACKET = 16384
NUMBERS = {name: number for number, name in rpc.BY_NUMBER.items()}


class RemoteSession:
    """One session there; its answers are read as they are iterated."""

    def __init__(self, line: Line, agreed: Agreed) -> None:
        self._line, self._agreed = line, agreed
        self._status = 0
        self._announced = False
        self._cancelled = False

    @property
    def database(self) -> str:
        return self._agreed.database

    @database.setter
    def database(self, name: str) -> None:
        self._agreed.database = name

    def batch(self, text: str) -> Iterator[Answer]:
        """Run a batch there."""
        self._announced = text.lstrip()[:11].lower() == "insert bulk"
        return self._asked(packets.BATCH, self._headers() + text.encode("utf-16-le"))

    def call(self, procedure: str, arguments: Sequence[Argument]) -> Iterator[Answer]:
        """Call a procedure there, its arguments with their types."""
        number = NUMBERS.get(rpc.plain_name(procedure))
        name = procedure.encode("utf-16-le")
        body = (
            struct.pack("<HH", 0xFFFF, number)
            if number is not None
            else struct.pack("<H", len(name) // 2) + name
        )
        body += bytes(2) + b"".join(map(_argument, arguments))
        return self._asked(packets.RPC, self._headers() + body)

    def begin(self, isolation: int = 0) -> Iterator[Answer]:
        return self._managed(struct.pack("<HBB", requests.BEGIN, isolation, 0))

    def commit(self) -> Iterator[Answer]:
        return self._managed(struct.pack("<HBB", requests.COMMIT, 0, 0))

    def rollback(self, name: str = "") -> Iterator[Answer]:
        text = name.encode("utf-16-le")
        head = struct.pack("<HB", requests.ROLLBACK, len(text) // 2)
        return self._managed(head + text + b"\x00")

    def take_bulk(self) -> BulkLoad | None:
        """The load that the last batch announced."""
        announced, self._announced = self._announced, False
        return RemoteLoad(self) if announced else None

    def cancel(self) -> None:
        """Send an attention; the answer under way is read up to its acknowledgement."""
        self._cancelled = True
        self._line.send_now(packed(packets.ATTENTION, b""))

    def reset(self, keep_transaction: bool = False) -> None:
        """Told with the next request, as pools do."""
        self._status = packets.RESET_KEEP_TRANSACTION if keep_transaction else packets.RESET

    def close(self) -> None:
        self._line.close()

    def sent(self, kind: int, data: bytes) -> Iterator[Answer]:
        """Send a message as it is, and read its answer."""
        return self._asked(kind, data)

    def _managed(self, body: bytes) -> Iterator[Answer]:
        return self._asked(packets.TRANSACTION, self._headers() + body)

    def _headers(self) -> bytes:
        """ALL_HEADERS: the transaction, and one request at a time."""
        return struct.pack("<IIH", 22, 18, 2) + self._agreed.transaction + struct.pack("<I", 1)

    def _asked(self, kind: int, data: bytes) -> Iterator[Answer]:
        self._cancelled = False
        status, self._status = self._status, 0
        self._line.send(kind, data, status=status)
        yield from Hearing(self._line, self._agreed).answers()
        while self._cancelled and not self._agreed.acknowledged:
            # The attention crossed the end of the answer: its acknowledgement comes by itself.
            for _ in Hearing(self._line, self._agreed).answers():
                pass


class RemoteLoad:
    """A bulk load there: rows are kept until it ends, for it is one message."""

    def __init__(self, session: RemoteSession) -> None:
        self.columns: Sequence[Column] = ()
        self._session = session
        self._parts: list[bytes] = []

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows."""
        if not self._parts:
            self._parts.append(tokens.columns(self.columns))
        self._parts += map(bytes, encoded(self.columns, batch))

    def finish(self) -> Iterator[Answer]:
        """Send them."""
        message = b"".join((*self._parts, tokens.done(tokens.DONE, 0)))
        yield from self._session.sent(packets.BULK, message)

    def abandon(self) -> None:
        """Send none; the server waits for a message, and gets an empty one."""
        self._parts = []
        for _ in self.finish():
            pass


def _argument(argument: Argument) -> bytes:
    name = argument.name.encode("utf-16-le")
    status = (rpc.OUTPUT if argument.output else 0) | (rpc.DEFAULT if argument.default else 0)
    return (
        bytes((len(name) // 2,)) + name + bytes((status,))
        + type_info(argument.type) + value_of(argument.type, argument.value)
    )  # fmt: skip


def connect(place: Place, login: Login) -> Session:
    """Log in there.

    Raises:
        LoginFailed: refused there, or the server cannot be reached.
    """
    try:
        line = Line(place)
    except OSError as why:
        text = f"The SQL Server behind Rehearsal ({place.host},{place.port}) is not reached: {why}"
        raise LoginFailed(10061, text, severity=20) from why
    asked = login7.Login7(
        TDS_7_4, PACKET, host=login.host, user=login.user, password=login.password,
        application=login.application, server=place.host, database=login.database,
    )  # fmt: skip
    line.send(packets.LOGIN7, login7.serialise(asked))
    agreed = Agreed()
    failures = [a for a in Hearing(line, agreed).answers() if isinstance(a, Failed)]
    if not agreed.logged_in:
        line.close()
        last = failures[0] if failures else Failed(18456, "Login failed.", 14)
        raise LoginFailed(last.number, last.text, last.state, last.severity)
    line.packet_size = agreed.packet_size
    return RemoteSession(line, agreed)
