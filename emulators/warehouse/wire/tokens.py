"""Tokens of a server's answer, as bytes. Source: [MS-TDS] 2.2.7."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from struct import Struct

from emulators.warehouse.engine.answers import Column, Failed, Message
from emulators.warehouse.wire.login7 import FEATURE_END, FEDAUTH, UTF8
from emulators.warehouse.wire.types_write import type_info

RETURN_STATUS, COLUMNS, ERROR, INFO, LOGIN_ACK = 0x79, 0x81, 0xAA, 0xAB, 0xAD
RETURN_VALUE, FEATURES, ROW, NULLS_ROW = 0xAC, 0xAE, 0xD1, 0xD2
ENV_CHANGE, FEDAUTH_INFO = 0xE3, 0xEE
DONE, DONE_PROC, DONE_IN_PROC = 0xFD, 0xFE, 0xFF

MORE, FAILED, COUNTED, ATTENTION, RPC_IN_BATCH = 0x01, 0x02, 0x10, 0x20, 0x80
"""Bits of DONE's status."""

DATABASE, LANGUAGE, PACKET_SIZE, COLLATION = 1, 2, 4, 7
BEGUN, COMMITTED, ROLLED_BACK, RESET = 8, 9, 10, 18
"""Kinds of ENVCHANGE."""

STS_URL, SERVICE_NAME = 1, 2
"""Options of FEDAUTHINFO."""

_DONE = Struct("<BHHQ")
_MESSAGE = Struct("<iBB")
_STATUS = Struct("<Bi")
LONGEST_TEXT = 2047
"""Characters that a message can have."""


def done(token: int, status: int, command: int = 0, rows: int | None = None) -> bytes:
    """The end of a statement, of a procedure, or of the answer."""
    if rows is not None:
        status |= COUNTED
    return _DONE.pack(token, status, command, rows or 0)


def message(said: Message | Failed, server: str) -> bytes:
    """INFO or ERROR."""
    token = ERROR if isinstance(said, Failed) else INFO
    body = (
        _MESSAGE.pack(said.number, said.state & 0xFF, said.severity & 0xFF)
        + _us_text(said.text[:LONGEST_TEXT])
        + _b_text(server)
        + _b_text(said.procedure)
        + max(said.line, 0).to_bytes(4, "little")
    )
    return _sized(token, body)


def changed(kind: int, new: str, old: str = "") -> bytes:
    """ENVCHANGE of a text: a database, a language, a packet size."""
    return _sized(ENV_CHANGE, bytes((kind,)) + _b_text(new) + _b_text(old))


def changed_bytes(kind: int, new: bytes, old: bytes = b"") -> bytes:
    """ENVCHANGE of bytes: a collation, a transaction, a reset."""
    body = bytes((kind, len(new))) + new + bytes((len(old),)) + old
    return _sized(ENV_CHANGE, body)


def login_ack(tds_version: int, program: str, version: bytes) -> bytes:
    """LOGINACK; `version` is four bytes."""
    body = b"\x01" + tds_version.to_bytes(4, "big") + _b_text(program) + version
    return _sized(LOGIN_ACK, body)


def features_ack(asked: Collection[int]) -> bytes:
    """FEATUREEXTACK of what we do of what was asked; nothing when nothing was."""
    if not asked:
        return b""
    body = bytearray((FEATURES,))
    if FEDAUTH in asked:
        body += bytes((FEDAUTH, 0, 0, 0, 0))
    if UTF8 in asked:
        body += bytes((UTF8, 1, 0, 0, 0, 1))
    return bytes(body) + bytes((FEATURE_END,))


def fedauth_info(authority: str, service: str) -> bytes:
    """FEDAUTHINFO: where a client gets a token, and for what."""
    values = [(STS_URL, authority.encode("utf-16-le")), (SERVICE_NAME, service.encode("utf-16-le"))]
    table, data = bytearray(len(values).to_bytes(4, "little")), bytearray()
    offset = 4 + 9 * len(values)
    for kind, value in values:
        table += bytes((kind,)) + len(value).to_bytes(4, "little")
        table += (offset + len(data)).to_bytes(4, "little")
        data += value
    body = bytes(table + data)
    return bytes((FEDAUTH_INFO,)) + len(body).to_bytes(4, "little") + body


def return_status(value: int) -> bytes:
    """What a procedure returned."""
    return _STATUS.pack(RETURN_STATUS, value)


def columns(described: Sequence[Column], *, utf8: bool = False) -> bytes:
    """COLMETADATA."""
    parts = [bytes((COLUMNS,)), len(described).to_bytes(2, "little")]
    for column in described:
        flags = 0x0008 | (0x0001 if column.nullable else 0) | (0x0010 if column.identity else 0)
        parts.append(bytes(4) + flags.to_bytes(2, "little"))
        parts.append(type_info(column.type, utf8=utf8))
        parts.append(_b_text(column.name[:128]))
    return b"".join(parts)


def return_value(ordinal: int, name: str, info: bytes, value: bytes) -> bytes:
    """RETURNVALUE: the last value of an output parameter."""
    return (
        bytes((RETURN_VALUE,))
        + ordinal.to_bytes(2, "little")
        + _b_text(name)
        + b"\x01"
        + bytes(6)
        + info
        + value
    )


def _sized(token: int, body: bytes) -> bytes:
    return bytes((token,)) + len(body).to_bytes(2, "little") + body


def _b_text(text: str) -> bytes:
    data = text.encode("utf-16-le", "surrogatepass")[: 2 * 255]
    return bytes((len(data) // 2,)) + data


def _us_text(text: str) -> bytes:
    data = text.encode("utf-16-le", "surrogatepass")
    return (len(data) // 2).to_bytes(2, "little") + data
