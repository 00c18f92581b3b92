"""Messages of a logged-in client, put together from packets; and transaction requests."""

from __future__ import annotations

from dataclasses import dataclass

from emulators.warehouse.wire import packets
from emulators.warehouse.wire.packets import BadStream, Packet, Reader, headers_length

BEGIN, COMMIT, ROLLBACK, SAVE = 5, 7, 8, 9
"""Requests of the transaction manager that are served."""
BEGIN_AGAIN = 0x01
BULK_PIECE = 1 << 18


@dataclass(frozen=True, slots=True)
class Request:
    """A whole message; or, of a bulk load, the next piece of one."""

    kind: int
    data: bytes
    status: int = 0  # of its first packet: whether to begin anew
    last: bool = True
    ignored: bool = False  # the client thinks better of it

    @property
    def resets(self) -> bool:
        return bool(self.status & (packets.RESET | packets.RESET_KEEP_TRANSACTION))

    @property
    def keeps_transaction(self) -> bool:
        return bool(self.status & packets.RESET_KEEP_TRANSACTION)


class Assembler:
    """Puts packets together; a bulk load is handed on in pieces, for it may be of any size."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._parts: list[bytes] = []
        self._size = 0
        self._kind = 0
        self._status = 0

    def add(self, packet: Packet) -> Request | None:
        """A request, once `packet` completes one.

        Raises:
            BadStream: packets of different messages are mixed, or there are too many.
        """
        if packet.kind == packets.ATTENTION:
            self._clear()
            return Request(packets.ATTENTION, b"")
        if not self._parts:
            self._kind, self._status = packet.kind, packet.status
        elif packet.kind != self._kind:
            raise BadStream("packets of another message within a message")
        self._parts.append(packet.body)
        self._size += len(packet.body)
        if packet.status & packets.IGNORE and packet.last:
            return self._taken(last=True, ignored=True)
        if packet.last:
            return self._taken(last=True)
        if self._kind == packets.BULK:
            return self._taken(last=False) if self._size >= BULK_PIECE else None
        if self._size > self._most:
            raise BadStream(f"a message of more than {self._most} bytes")
        return None

    def piece(self) -> Request | None:
        """What there is of a bulk load, when nothing more is at hand."""
        return self._taken(last=False) if self._parts and self._kind == packets.BULK else None

    def _taken(self, *, last: bool, ignored: bool = False) -> Request:
        made = Request(self._kind, b"".join(self._parts), self._status, last, ignored)
        self._clear()
        return made

    def _clear(self) -> None:
        self._parts, self._size = [], 0


def batch_text(data: bytes) -> str:
    """The text of a batch.

    Raises:
        BadStream: its headers are malformed.
    """
    return data[headers_length(data) :].decode("utf-16-le", "replace")


@dataclass(frozen=True, slots=True)
class TransactionRequest:
    """What is asked of the transaction manager. `begins` says that another begins at once."""

    kind: int
    name: str = ""
    isolation: int = 0
    begins: bool = False


def transaction_request(data: bytes) -> TransactionRequest:
    """Read a request of the transaction manager. Source: [MS-TDS] 2.2.6.9.

    Raises:
        BadStream: malformed.
    """
    reader = Reader(data, headers_length(data))
    kind = reader.number(2)
    if kind == BEGIN:
        return TransactionRequest(kind, isolation=reader.number(1), name=reader.b_text())
    if kind in (COMMIT, ROLLBACK):
        name, flags = reader.b_text(), reader.number(1)
        if not flags & BEGIN_AGAIN:
            return TransactionRequest(kind, name)
        return TransactionRequest(kind, name, isolation=reader.number(1), begins=True)
    return TransactionRequest(kind, reader.b_text() if kind == SAVE else "")
