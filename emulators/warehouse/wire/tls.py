"""TLS of TDS, without I/O: within packets, around everything, or around the login alone."""

from __future__ import annotations

import os
import ssl
import tempfile
from pathlib import Path

from emulators.warehouse.wire.packets import (
    LOGIN7,
    PRELOGIN,
    BadStream,
    Packet,
    PacketReader,
    packed,
)

ALPN = "tds/8.0"
HANDSHAKE = 0x16
RECORD_HEADER = 5
LARGEST_RECORD = (1 << 14) + 2048
READ = 1 << 18

PLAIN, OPENING, WITHIN, AROUND, LOGIN_ONLY = "plain", "opening", "within", "around", "login-only"
"""Modes of a channel. `within` is the handshake in packets, `opening` that of a strict one."""


def in_band_context(pem: bytes, folder: Path) -> ssl.SSLContext:
    """For handshakes in PRELOGIN packets: TLS 1.2.

    Microsoft's ODBC driver sends the second flight of 1.3 outside of packets, and waits forever.
    """
    context = _context(pem, folder)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_TICKET
    return context


def strict_context(pem: bytes, folder: Path) -> ssl.SSLContext:
    """For TDS 8: TLS first, then everything else."""
    context = _context(pem, folder)
    context.set_alpn_protocols([ALPN])
    context.num_tickets = 0
    return context


def _context(pem: bytes, folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # The ssl module reads files only; this one is 0600 and gone before anything else runs.
    handle, path = tempfile.mkstemp(prefix=".leaf-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
        context.load_cert_chain(path)
    finally:
        os.unlink(path)
    return context


class Channel:
    """What lies between the socket and packets; `mode` says what of it is encrypted.

    It never takes more from what was fed than the present mode needs: a client may send the
    login right behind its handshake.
    """

    def __init__(self, within: ssl.SSLContext, strict: ssl.SSLContext) -> None:
        self._within, self._strict = within, strict
        self._raw = bytearray()
        self._packets = PacketReader()
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None
        self._outgoing = bytearray()
        self._after = PLAIN
        self.mode = ""
        self.strict = False  # TLS was first, as in TDS 8

    def feed(self, data: bytes) -> None:
        """Take what the socket gave."""
        self._raw += data

    def next(self) -> Packet | None:
        """The next packet of what was fed, or None until there is more.

        Raises:
            BadStream: neither TDS nor TLS.
        """
        if not self.mode:
            if not self._raw:
                return None
            self._begin()
        while True:
            packet = self._packets.next() if self.mode != OPENING else None
            if packet is not None and self.mode != WITHIN:
                return self._given(packet)
            if packet is not None:
                self._shake(packet)
            elif not self._advance():
                return None

    def encrypt_within(self, *, login_only: bool) -> None:
        """Await a handshake in PRELOGIN packets, from the next packet on."""
        # What came behind the PRELOGIN belongs to the handshake, which reads it packet by packet.
        self._raw[:0] = self._packets.rest()
        self._tls = self._within.wrap_bio(self._in, self._out, server_side=True)
        self.mode, self._after = WITHIN, LOGIN_ONLY if login_only else AROUND

    def send(self, data: bytes) -> None:
        """Put bytes of packets on their way."""
        if not data:
            return
        if self._tls is not None and self.mode in (AROUND, LOGIN_ONLY):
            self._tls.write(data)
            self._outgoing += self._out.read()
        else:
            self._outgoing += data

    def outgoing(self) -> bytes:
        """What the socket must send now."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def _begin(self) -> None:
        if self._raw[0] == HANDSHAKE:
            self._tls = self._strict.wrap_bio(self._in, self._out, server_side=True)
            self.mode, self._after, self.strict = OPENING, AROUND, True
        else:
            self.mode = PLAIN

    def _given(self, packet: Packet) -> Packet:
        if self.mode == LOGIN_ONLY and packet.kind == LOGIN7 and packet.last:
            self.mode, self._tls = PLAIN, None
        return packet

    def _advance(self) -> bool:
        """Move bytes one step from the socket towards packets; False when there are none."""
        if self.mode in (PLAIN, WITHIN):
            if not self._raw:
                return False
            if self.mode == PLAIN:
                self._packets.feed(bytes(self._raw))
                self._raw.clear()
                return True
            return self._one_packet()
        return self._one_record()

    def _one_packet(self) -> bool:
        """Feed exactly one packet: what is behind the last of a handshake is bare TLS."""
        if len(self._raw) < 8:
            return False
        length = int.from_bytes(self._raw[2:4], "big")
        if length >= 8 and len(self._raw) < length:
            return False
        self._packets.feed(bytes(self._raw[: max(length, 8)]))
        del self._raw[: max(length, 8)]
        return True

    def _one_record(self) -> bool:
        """Feed exactly one record of TLS: what is behind the login may be plain."""
        if len(self._raw) < RECORD_HEADER:
            return False
        length = int.from_bytes(self._raw[3:5], "big")
        if length > LARGEST_RECORD:
            raise BadStream("a record of TLS is too long to be one")
        if len(self._raw) < RECORD_HEADER + length:
            return False
        self._in.write(bytes(self._raw[: RECORD_HEADER + length]))
        del self._raw[: RECORD_HEADER + length]
        if self.mode == OPENING:
            self._handshake(wrapped=False)
        else:
            self._decrypt()
        return True

    def _decrypt(self) -> None:
        assert self._tls is not None
        try:
            while data := self._tls.read(READ):
                self._packets.feed(data)
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            return
        except ssl.SSLError as wrong:
            raise BadStream(f"TLS: {wrong.reason or wrong}") from None

    def _shake(self, packet: Packet) -> None:
        if packet.kind != PRELOGIN:
            raise BadStream("a handshake is due")
        self._in.write(packet.body)
        self._handshake(wrapped=True)

    def _handshake(self, *, wrapped: bool) -> None:
        assert self._tls is not None
        done = False
        try:
            self._tls.do_handshake()
            done = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as wrong:
            raise BadStream(f"TLS handshake: {wrong.reason or wrong}") from None
        finally:
            data = self._out.read()
            if data:
                self._outgoing += packed(PRELOGIN, data) if wrapped else data
        if done:
            self.mode = self._after
            self._decrypt()
