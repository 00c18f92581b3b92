"""LOGIN7: who logs in, and how. Source: [MS-TDS] 2.2.6.4, 2.2.6.3 (FedAuth token)."""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct, error

from emulators.warehouse.wire.packets import BadStream, Reader

FIXED = Struct("<IIIIIIBBBBiI")  # length, version, packet size, ..., flags, zone, LCID
SLOT = Struct("<HH")  # offset in bytes, length in characters
SLOTS = ("host", "user", "password", "application", "server", "extension", "library", "language",
         "database")  # fmt: skip
TDS_7_2 = 0x72000000
TDS_8 = 0x08000000
HAS_EXTENSION = 0x10
FLAGS = (0xE0, 0x03, 0, 0)  # as ODBC: a failure to use the database or the language is fatal
REST = 22  # bytes of the fixed part behind the slots that we know
INTEGRATED = 0x80

SESSION_RECOVERY, FEDAUTH, UTF8 = 0x01, 0x02, 0x0A
FEATURE_END = 0xFF

SECURITY_TOKEN, ADAL = 1, 2
LIBRARIES = {SECURITY_TOKEN: "security token", ADAL: "ADAL"}


@dataclass(frozen=True, slots=True)
class FedAuth:
    """What a client says of its Entra sign-in: by which library, and the token if it has one."""

    library: int
    token: str = ""
    echo: bool = False


@dataclass(frozen=True, slots=True)
class Login7:
    """A login as it was sent."""

    tds_version: int
    packet_size: int  # as asked; 0 is the server's choice
    integrated: bool = False
    host: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    application: str = ""
    server: str = ""
    library: str = ""
    language: str = ""
    database: str = ""
    features: dict[int, bytes] = field(default_factory=dict, repr=False)

    @property
    def fedauth(self) -> FedAuth | None:
        """The Entra sign-in, if that is how it logs in.

        Raises:
            BadStream: it is malformed.
        """
        data = self.features.get(FEDAUTH)
        if data is None:
            return None
        reader = Reader(data)
        options = reader.number(1)
        library, echo = options >> 1, bool(options & 1)
        if library != SECURITY_TOKEN:
            return FedAuth(library, echo=echo)
        return FedAuth(library, _token(reader.take(reader.number(4))), echo)


def parse(data: bytes) -> Login7:
    """Read a login.

    Raises:
        BadStream: lengths or offsets that are not in the message, or a client older than 7.2.
    """
    try:
        length, version, size, _, _, _, _, flags2, _, flags3, _, _ = FIXED.unpack_from(data)
        slots = [SLOT.unpack_from(data, FIXED.size + 4 * at) for at in range(len(SLOTS))]
    except error:
        raise BadStream("a LOGIN7 is cut") from None
    if length > len(data):
        raise BadStream("a LOGIN7 is shorter than it says")
    if version < TDS_7_2 and version != TDS_8:
        raise BadStream(f"a client of TDS {version:#010x}; 7.2 is the oldest spoken")
    texts: dict[str, str] = {}
    features: dict[int, bytes] = {}
    for name, (offset, count) in zip(SLOTS, slots, strict=True):
        if name == "extension":
            if flags3 & HAS_EXTENSION and count >= 4:
                features = _features(data, Reader(data, offset).number(4))
        elif name == "password":
            texts[name] = unscrambled(Reader(data, offset).take(2 * count))
        else:
            texts[name] = Reader(data, offset).text(count) if count else ""
    return Login7(
        version, size, integrated=bool(flags2 & INTEGRATED), features=features, **texts
    )  # fmt: skip


def serialise(login: Login7) -> bytes:
    """Write a login by name and password."""
    values = {name: getattr(login, name, "") for name in SLOTS}
    table, data = bytearray(), bytearray()
    start = FIXED.size + 4 * len(SLOTS) + REST
    for name in SLOTS:
        text: str = values[name]
        raw = scrambled(text) if name == "password" else text.encode("utf-16-le")
        table += SLOT.pack(start + len(data), len(raw) // 2)
        data += raw
    fixed = FIXED.pack(
        start + len(data), login.tds_version, login.packet_size, 0, 0, 0, *FLAGS, 0, 0x0409
    )
    return bytes(fixed + table + bytes(REST) + data)


def _features(data: bytes, offset: int) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    reader = Reader(data, offset)
    while (feature := reader.number(1)) != FEATURE_END:
        found[feature] = reader.take(reader.number(4))
    return found


def unscrambled(data: bytes) -> str:
    """A password as it was typed."""
    return bytes(_swapped(byte ^ 0xA5) for byte in data).decode("utf-16-le", "replace")


def scrambled(password: str) -> bytes:
    """A password as LOGIN7 carries it."""
    return bytes(_swapped(byte) ^ 0xA5 for byte in password.encode("utf-16-le"))


def _swapped(byte: int) -> int:
    return (byte >> 4 | byte << 4) & 0xFF


def fedauth_token(data: bytes) -> str:
    """The token of a FedAuth message, which answers FEDAUTHINFO.

    Raises:
        BadStream: it is malformed.
    """
    reader = Reader(data)
    reader.number(4)
    return _token(reader.take(reader.number(4)))


def _token(data: bytes) -> str:
    return data.decode("utf-16-le", "replace")
