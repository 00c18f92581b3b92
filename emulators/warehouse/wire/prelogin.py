"""PRELOGIN: what client and server agree on before anything else. Source: [MS-TDS] 2.2.6.5."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct

from emulators.warehouse.wire.packets import BadStream

ENTRY = Struct(">BHH")  # option, offset, length
VERSION, ENCRYPTION, INSTANCE, THREAD, MARS, TRACE, FEDAUTH_REQUIRED, NONCE = range(8)
END = 0xFF
OUR_VERSION = bytes((16, 0, 0x10, 0, 0, 0))


class Encryption(IntEnum):
    """What a side says of TLS."""

    OFF = 0  # the login alone is encrypted
    ON = 1
    NOT_SUPPORTED = 2
    REQUIRED = 3


@dataclass(frozen=True, slots=True)
class Prelogin:
    """The options of one side, by number."""

    options: Mapping[int, bytes]

    @property
    def encryption(self) -> Encryption:
        """What the client asks for; a client that does not say can none.

        Raises:
            BadStream: no such mode.
        """
        said = self.options.get(ENCRYPTION, b"\x02")[:1]
        try:
            return Encryption((said[0] if said else 2) & 0x0F)
        except ValueError:
            raise BadStream(f"no encryption mode {said.hex()}") from None


def parse(data: bytes) -> Prelogin:
    """Read the options.

    Raises:
        BadStream: the table of options is cut, or points out of the message.
    """
    options: dict[int, bytes] = {}
    at = 0
    while True:
        if at >= len(data):
            raise BadStream("a PRELOGIN without an end")
        if data[at] == END:
            return Prelogin(options)
        if at + ENTRY.size > len(data):
            raise BadStream("a PRELOGIN option is cut")
        option, offset, length = ENTRY.unpack_from(data, at)
        if offset + length > len(data):
            raise BadStream("a PRELOGIN option points out of the message")
        options[option] = data[offset : offset + length]
        at += ENTRY.size


def serialise(options: Mapping[int, bytes]) -> bytes:
    """Write options, in order of their numbers."""
    offset = ENTRY.size * len(options) + 1
    table, values = bytearray(), bytearray()
    for option in sorted(options):
        value = options[option]
        table += ENTRY.pack(option, offset + len(values), len(value))
        values += value
    return bytes(table + bytes((END,)) + values)


def agreed(asked: Encryption, *, strict: bool = False) -> Encryption:
    """What both sides do then."""
    if strict:
        return Encryption.ON
    return Encryption.ON if asked is Encryption.REQUIRED else asked


def answer(client: Prelogin, *, strict: bool = False) -> bytes:
    """The server's PRELOGIN to a client's."""
    options = {
        VERSION: OUR_VERSION,
        ENCRYPTION: bytes((agreed(client.encryption, strict=strict),)),
        INSTANCE: b"\x00",
        THREAD: b"",
        MARS: b"\x00",
    }
    # Said only to who asks; others take it for a demand.
    if FEDAUTH_REQUIRED in client.options:
        options[FEDAUTH_REQUIRED] = b"\x01"
    return serialise(options)
