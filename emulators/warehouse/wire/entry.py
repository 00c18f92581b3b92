"""From a fresh socket to a session: PRELOGIN, TLS, LOGIN7, and the server's welcome."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from emulators.warehouse.engine.answers import (
    Failed,
    Login,
    LoginFailed,
    Message,
    Session,
    Sessions,
)
from emulators.warehouse.wire import login7, packets, prelogin, tokens
from emulators.warehouse.wire.answering import database_changed
from emulators.warehouse.wire.connection import Gone, Streams
from emulators.warehouse.wire.packets import BadStream, packed
from emulators.warehouse.wire.requests import Assembler
from emulators.warehouse.wire.types_write import LATIN

LARGEST_LOGIN = 1 << 18
PROGRAM, VERSION = "Microsoft SQL Server", bytes((12, 0, 0x07, 0xD0))
TDS_7_4, TDS_8 = 0x74000004, 0x08000000
LANGUAGE = "us_english"
SERVICE_NAME = "https://database.windows.net/"
UNTRUSTED = (
    18452,
    "Login failed. The login is from an untrusted domain and cannot be used with Integrated"
    " authentication.",
)


@dataclass(frozen=True, slots=True)
class Entered:
    """A client that is in, and what was agreed with it."""

    session: Session
    packet_size: int
    utf8: bool


class Entry:
    """Lets one client in."""

    def __init__(
        self, streams: Streams, sessions: Sessions, worker: ThreadPoolExecutor, server: str
    ) -> None:
        self._streams, self._sessions, self._worker, self._server = (
            streams, sessions, worker, server,
        )  # fmt: skip

    async def enter(self, authority: str) -> Entered | None:
        """The session; None when the login was refused, and the client told.

        Args:
            authority: URL where clients that ask get their tokens.

        Raises:
            BadStream: what the client sends is no login.
        """
        await self._greet()
        asked = login7.parse(await self._message(packets.LOGIN7))
        try:
            login = await self._login(asked, authority)
            session = await asyncio.get_running_loop().run_in_executor(
                self._worker, self._sessions.login, login
            )
        except LoginFailed as why:
            await self._refuse(why)
            return None
        except (BadStream, Gone, ConnectionError):
            raise
        except Exception as bug:
            text = f"Rehearsal failed, not your login: {type(bug).__name__}: {bug}"
            await self._refuse(LoginFailed(50000, text, severity=16))
            raise
        size = asked.packet_size or packets.USUAL
        size = min(max(size, packets.SMALLEST), packets.LARGEST)
        await self._send(self._welcome(asked, session, size))
        return Entered(session, size, utf8=login7.UTF8 in asked.features)

    async def _greet(self) -> None:
        said = await self._message(packets.PRELOGIN)
        strict = self._streams.channel.strict
        client = prelogin.parse(said)
        await self._send(prelogin.answer(client, strict=strict))
        agreed = prelogin.agreed(client.encryption, strict=strict)
        if not strict and agreed is not prelogin.Encryption.NOT_SUPPORTED:
            login_only = agreed is prelogin.Encryption.OFF
            self._streams.channel.encrypt_within(login_only=login_only)

    async def _message(self, kind: int) -> bytes:
        """A whole message of that kind."""
        assembler = Assembler(LARGEST_LOGIN)
        while True:
            packet = await self._streams.packet()
            if packet.kind != kind:
                raise BadStream(f"a message of type {packet.kind:#x} where {kind:#x} is due")
            request = assembler.add(packet)
            if request is not None:
                return request.data

    async def _login(self, asked: login7.Login7, authority: str) -> Login:
        if asked.integrated:
            raise LoginFailed(*UNTRUSTED)
        fedauth = asked.fedauth
        token = ""
        if fedauth is not None:
            token = fedauth.token
            if fedauth.library == login7.ADAL:
                info = tokens.fedauth_info(authority, SERVICE_NAME)
                await self._send(info)
                token = login7.fedauth_token(await self._message(packets.FEDAUTH))
            elif fedauth.library not in login7.LIBRARIES:
                raise LoginFailed(18456, "Login failed: this way of Entra sign-in is not known.")
        return Login(
            asked.user, asked.password, token, asked.database, asked.application, asked.host
        )

    async def _refuse(self, why: LoginFailed) -> None:
        error = Failed(why.number, why.text, why.severity, why.state)
        said = tokens.message(error, self._server)
        await self._send(said + tokens.done(tokens.DONE, tokens.FAILED))

    def _welcome(self, asked: login7.Login7, session: Session, size: int) -> bytes:
        language = Message(5703, f"Changed language setting to {LANGUAGE}.")
        version = TDS_8 if asked.tds_version == TDS_8 else TDS_7_4
        return b"".join(
            (
                database_changed(session.database, "master", self._server),
                tokens.changed_bytes(tokens.COLLATION, LATIN),
                tokens.changed(tokens.LANGUAGE, LANGUAGE),
                tokens.message(language, self._server),
                tokens.login_ack(version, PROGRAM, VERSION),
                tokens.changed(tokens.PACKET_SIZE, str(size), str(packets.USUAL)),
                tokens.features_ack(asked.features),
                tokens.done(tokens.DONE, 0),
            )
        )

    async def _send(self, data: bytes) -> None:
        self._streams.channel.send(packed(packets.RESPONSE, data))
        await self._streams.flush()
