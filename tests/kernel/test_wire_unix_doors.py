"""The front door on Unix sockets: what a container without a network reaches, and what not."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.frontdoor.tiny import Door, open_door


@pytest.fixture(scope="module", params=[True, False], ids=["uvloop", "asyncio"])
def door(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Door]:
    with open_door(tmp_path_factory.mktemp("door"), uvloop=request.param) as opened:
        yield opened


@pytest.fixture(scope="module", params=[False, True], ids=["home", "bridge"])
def sockets(
    request: pytest.FixtureRequest, door: Door, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, bool]:
    """A folder with the sockets, too deep for an address, and whether they lead outside."""
    folder = tmp_path_factory.mktemp("sockets") / ("deep" * 30)
    folder.mkdir()
    opening = asyncio.run_coroutine_threadsafe(
        door.opened.listen_in(folder, request.param), door.loop
    )
    ports = door.ports
    assert opening.result(10) == {ports.proxy: "proxy.s", ports.explicit: "explicit.s"}
    return folder, request.param


def dial(folder: Path, name: str) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(20)
    place = os.open(folder, os.O_RDONLY)
    try:
        made.connect(f"/proc/self/fd/{place}/{name}")
    finally:
        os.close(place)
    return made


def read_all(sock: socket.socket) -> bytes:
    parts = []
    while part := sock.recv(65536):
        parts.append(part)
    return b"".join(parts)


def connect(sock: socket.socket, target: str) -> bytes:
    sock.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
    return sock.recv(65536)


def test_they_are_this_users_only(sockets: tuple[Path, bool]) -> None:
    for name in ("proxy.s", "explicit.s"):
        assert (sockets[0] / name).stat().st_mode & 0o777 == 0o600


def test_azure_answers(door: Door, sockets: tuple[Path, bool]) -> None:
    context = ssl.create_default_context(cafile=str(door.authority.ca_file))
    with dial(sockets[0], "proxy.s") as sock:
        assert connect(sock, "management.azure.com:443").startswith(b"HTTP/1.1 200")
        with context.wrap_socket(sock, server_hostname="management.azure.com") as tls:
            tls.sendall(b"GET /x HTTP/1.1\r\nConnection: close\r\n\r\n")
            body = read_all(tls).partition(b"\r\n\r\n")[2]
    assert b"management.azure.com" in body
    with (
        dial(sockets[0], "explicit.s") as sock,
        context.wrap_socket(sock, server_hostname="localhost") as tls,
    ):
        tls.sendall(b"GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert read_all(tls).startswith(b"HTTP/1.1 200")


def test_other_hosts_are_reached_by_a_bridge_only(sockets: tuple[Path, bool]) -> None:
    folder, outside = sockets
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        target = f"127.0.0.1:{server.getsockname()[1]}"
        with dial(folder, "proxy.s") as sock:
            said = connect(sock, target)
            assert said.startswith(b"HTTP/1.1 200" if outside else b"HTTP/1.1 403")
        if not outside:
            assert b"NoNetwork" in said
            assert b"rehearsal.network=bridge" in said
            with dial(folder, "proxy.s") as sock:
                sock.sendall(f"GET http://{target}/ HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
                assert read_all(sock).startswith(b"HTTP/1.1 403")
            server.settimeout(0.2)
            with pytest.raises(TimeoutError):
                server.accept()
