"""The front door over real sockets, on both event loops: who answers, and what it withstands."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulators.kernel.connections import Limits
from emulators.kernel.door import FrontDoor, PortTaken, router
from emulators.kernel.upstream import NextProxy, Upstream
from tests.frontdoor import tiny
from tests.frontdoor.tiny import Door, emulated, open_door

QUICK = Limits(head_s=1.0, handshake_s=1.0, stall_s=1.0, drain_s=0.5, connect_s=3.0)


@pytest.fixture(scope="module", params=[True, False], ids=["uvloop", "asyncio"])
def door(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Door]:
    with open_door(tmp_path_factory.mktemp("door"), uvloop=request.param, limits=QUICK) as opened:
        yield opened


@pytest.fixture
def echo() -> Iterator[int]:
    """A plain TCP server that sends back what it gets, until the client's end; its port."""
    server = socket.create_server(("127.0.0.1", 0))

    def answer(client: socket.socket) -> None:
        with client:
            while data := client.recv(65536):
                client.sendall(data)

    def serve() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(client,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1]
    server.close()


def dial(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def ask(port: int, data: bytes) -> bytes:
    """Send `data` to a port and return everything that comes back until the end."""
    with dial(port) as sock:
        sock.sendall(data)
        return read_all(sock)


def read_all(sock: socket.socket) -> bytes:
    parts = []
    while part := sock.recv(65536):
        parts.append(part)
    return b"".join(parts)


def tunnel(door: Door, target: str) -> socket.socket:
    sock = dial(door.ports.proxy)
    sock.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        part = sock.recv(1)
        assert part, head
        head += part
    assert head.startswith(b"HTTP/1.1 200"), head
    return sock


def secure(door: Door, host: str) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=str(door.authority.ca_file))
    return context.wrap_socket(tunnel(door, f"{host}:443"), server_hostname=host)


def fetch(door: Door, host: str, request: bytes) -> tuple[int, bytes]:
    with secure(door, host) as sock:
        sock.sendall(request)
        answer = read_all(sock)
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), body


def get(path: str, *extra: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Connection: close", *extra, "", ""]).encode()


def test_the_host_is_what_the_proxy_was_asked_for(door: Door) -> None:
    for hosts in ([], ["Host: evil.example"], ["Host: a", "Host: b"]):
        status, body = fetch(door, "management.azure.com", get("/x?y=1", *hosts))
        said = json.loads(body)
        assert status == 200
        assert said["headers"]["host"] == "management.azure.com"
        assert (said["scheme"], said["path"], said["query"]) == ("https", "/x", "y=1")


def test_tls_bytes_sent_ahead_of_our_answer_are_not_lost(door: Door) -> None:
    """CONNECT and the ClientHello in one segment, as an eager client sends them."""
    context = ssl.create_default_context(cafile=str(door.authority.ca_file))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="management.azure.com")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    with dial(door.ports.proxy) as sock:
        sock.sendall(b"CONNECT management.azure.com:443 HTTP/1.1\r\n\r\n" + outgoing.read())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += sock.recv(65536)
        incoming.write(answer.partition(b"\r\n\r\n")[2])
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                incoming.write(sock.recv(65536))
        # The request travels with the last handshake message, before the server's own turn.
        tls.write(get("/early"))
        sock.sendall(outgoing.read())
        incoming.write(read_all(sock))
    assert b'"path": "/early"' in tls.read(65536) + tls.read(65536)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cuts=st.lists(st.integers(1, 700), max_size=4))
def test_any_cut_of_the_first_bytes_is_understood(door: Door, cuts: list[int]) -> None:
    """CONNECT and the ClientHello, in segments cut anywhere."""
    context = ssl.create_default_context(cafile=str(door.authority.ca_file))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="management.azure.com")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    stream = b"CONNECT management.azure.com:443 HTTP/1.1\r\n\r\n" + outgoing.read()
    with dial(door.ports.proxy) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for first, last in pairwise([0, *sorted(cuts), len(stream)]):
            sock.sendall(stream[first:last])
            time.sleep(0.001)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += sock.recv(65536)
        incoming.write(answer.partition(b"\r\n\r\n")[2])
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                incoming.write(sock.recv(65536))
    assert tls.version() == "TLSv1.3"


def test_an_azure_host_that_is_not_emulated_explains_itself(door: Door) -> None:
    status, body = fetch(door, "myvault.vault.azure.net", get("/secrets"))
    error = json.loads(body)["error"]
    assert (status, error["code"]) == (501, "NotEmulated")
    assert "myvault.vault.azure.net" in error["message"]
    assert "never forwards" in error["message"]
    assert ("refusal", "myvault.vault.azure.net") in [(k, f.get("host")) for k, f in door.notes]


def test_storage_refusals_are_xml(door: Door) -> None:
    status, body = fetch(door, "acct.queue.core.windows.net", get("/q"))
    assert status == 501
    assert b"<Error><Code>NotEmulated</Code>" in body


def test_side_calls_get_a_quiet_404(door: Door) -> None:
    assert fetch(door, "azcliprod.blob.core.windows.net", get("/msi/latest.txt"))[0] == 404


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://management.azure.com/subscriptions", b"HttpsRequired"),
        ("http://MANAGEMENT.azure.com.:80/", b"HttpsRequired"),
        ("http://acct.blob.core.windows.net/c/b", b"AccountRequiresHttps"),
        ("http://myvault.vault.azure.net/", b"HttpsRequired"),
    ],
)
def test_azure_over_plain_http_is_refused(door: Door, url: str, code: bytes) -> None:
    answer = ask(door.ports.proxy, f"GET {url} HTTP/1.1\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert code in answer


def test_the_metadata_address_is_served_over_plain_http(door: Door) -> None:
    url = "http://169.254.169.254/metadata/identity?x=1"
    answer = ask(door.ports.proxy, f"GET {url} HTTP/1.1\r\nMetadata: true\r\n\r\n".encode())
    said = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert (said["scheme"], said["path"]) == ("http", "/metadata/identity")
    assert said["headers"]["metadata"] == "true"


def has_ipv6_loopback() -> bool:
    """Whether this machine has `::1`; containers often have none."""
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            return False
    return True


def test_the_https_door_answers_on_both_loopbacks(door: Door) -> None:
    context = ssl.create_default_context(cafile=str(door.authority.ca_file))
    for name in ("localhost", "127.0.0.1", *(["::1"] if has_ipv6_loopback() else [])):
        raw = socket.create_connection((name, door.ports.explicit), timeout=5)
        with context.wrap_socket(raw, server_hostname=name) as sock:
            sock.sendall(get("/metadata/endpoints", f"Host: {name}:1"))
            said = json.loads(read_all(sock).partition(b"\r\n\r\n")[2])
        assert (said["door"], said["headers"]["host"]) == ("explicit", f"{name}:1")


def test_a_hello_that_races_the_accept_is_not_lost(door: Door) -> None:
    """uvloop reads before a pause in connection_made takes hold."""
    context = ssl.create_default_context(cafile=str(door.authority.ca_file))
    for _ in range(60):
        raw = socket.create_connection(("127.0.0.1", door.ports.explicit), timeout=5)
        context.wrap_socket(raw, server_hostname="localhost").close()


def test_other_hosts_are_tunnelled_as_they_are(door: Door, echo: int) -> None:
    with tunnel(door, f"localhost:{echo}") as sock:
        sent = bytes(range(256)) * 4096

        def write() -> None:
            sock.sendall(sent)
            sock.shutdown(socket.SHUT_WR)

        writer = threading.Thread(target=write)
        writer.start()
        assert read_all(sock) == sent  # half-closed: the answer still arrives whole
        writer.join()


def test_a_tunnel_holds_back_a_fast_sender(door: Door) -> None:
    """Nobody reads at the far end: the sender must block, not fill our memory."""
    with contextlib.ExitStack() as stack:
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        sock = stack.enter_context(tunnel(door, f"127.0.0.1:{silent.getsockname()[1]}"))
        sock.settimeout(0.5)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < 200 * 2**20:
                sent += sock.send(bytes(2**20))
        assert sent < 50 * 2**20


def test_plain_requests_are_passed_on(door: Door, echo: int) -> None:
    answer = _half_closed(
        door.ports.proxy,
        f"POST http://127.0.0.1:{echo}/p?q HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
        "Proxy-Authorization: Basic eA==\r\n\r\nhi".encode(),
    )
    assert answer == (
        f"POST /p?q HTTP/1.1\r\nHost: 127.0.0.1:{echo}\r\nContent-Length: 2\r\n"
        "Connection: close\r\n\r\nhi".encode()
    )


def _half_closed(port: int, data: bytes) -> bytes:
    with dial(port) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        return read_all(sock)


def test_an_unreachable_host_is_502_with_the_reason(door: Door) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    answer = ask(door.ports.proxy, f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert f"127.0.0.1:{port} cannot be reached".encode() in answer


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00" * 1000,
        b"GET / HTTP/1.1\r\n\r\n",
        b"CONNECT management.azure.com HTTP/1.1\r\n\r\n",
        b"CONNECT management.azure.com:443 HTTP/9.9\r\n\r\n",
        b"A" * 100_000,
        b"GET http://a/ HTTP/1.1\r\n" + b"A: b\r\n" * 10_000 + b"\r\n",
        b"GET http://a/ HTTP/1.1\r\n\r\n".replace(b"GET", b"G\x01T"),
    ],
)
def test_garbage_is_answered_and_harms_nobody(door: Door, garbage: bytes) -> None:
    answer = ask(door.ports.proxy, garbage)
    assert answer[:10] in (b"HTTP/1.1 4", b"HTTP/1.1 5")
    assert fetch(door, "management.azure.com", get("/"))[0] == 200


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET /" + b"a" * 500_000,
        b"GET / HTTP/1.1\r\nA: " + b"b" * 500_000,
        b"GET /\xff\xfe HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_garbage_inside_tls_is_answered_and_harms_nobody(door: Door, garbage: bytes) -> None:
    with secure(door, "management.azure.com") as sock:
        answer = b""
        # Cut off in the middle of sending, as we may do, it does not always read the answer.
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            sock.sendall(garbage)
            answer = read_all(sock)
    assert answer[:10] in (b"HTTP/1.1 4", b"")
    assert fetch(door, "management.azure.com", get("/"))[0] == 200


def test_pipelined_requests_are_answered_in_order(door: Door) -> None:
    with secure(door, "management.azure.com") as sock:
        sock.sendall(b"GET /1 HTTP/1.1\r\n\r\n" * 20 + get("/last"))
        answer = read_all(sock)
    assert answer.count(b"HTTP/1.1 200") == 21
    assert b'"path": "/last"' in answer[-600:]


def test_slow_clients_are_let_go(door: Door) -> None:
    """A head that never ends, a handshake that never starts, a body that never comes."""
    started = time.perf_counter()
    head = dial(door.ports.proxy)
    head.sendall(b"CONNECT management.azure.com:443 HTTP/1.1\r\nA:")
    shake = tunnel(door, "management.azure.com:443")
    inner = secure(door, "management.azure.com")
    inner.sendall(b"GET / HTTP/1.1\r\nA:")
    body = secure(door, "management.azure.com")
    body.sendall(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nx")
    for sock in (head, shake, inner, body):
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            assert sock.recv(10) == b""
        sock.close()
    assert time.perf_counter() - started < 8


def test_an_answer_that_takes_long_is_waited_for(door: Door) -> None:
    """Deadlines are the client's, never the app's."""
    with secure(door, "management.azure.com") as sock:
        sock.settimeout(2.5)
        sock.sendall(b"GET /hang HTTP/1.1\r\n\r\n")
        with pytest.raises(TimeoutError):
            sock.recv(1)


def test_a_fault_can_cut_the_connection(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    with (
        secure(door, "management.azure.com") as sock,
        contextlib.suppress(ConnectionError, OSError),
    ):
        sock.sendall(b"GET /cut HTTP/1.1\r\n\r\n")
        assert sock.recv(100) == b""
    assert "returned without" not in caplog.text


def test_a_client_that_does_not_trust_us_is_forgotten(door: Door) -> None:
    for _ in range(3):
        with tunnel(door, "management.azure.com:443") as sock, pytest.raises(ssl.SSLError):
            ssl.create_default_context().wrap_socket(sock, server_hostname="management.azure.com")
    dial(door.ports.explicit).close()
    assert fetch(door, "management.azure.com", get("/"))[0] == 200


def test_at_the_limit_the_longest_idle_make_room(tmp_path: Path) -> None:
    with open_door(tmp_path, limits=Limits(connections=40)) as door:
        idle = [dial(door.ports.proxy) for _ in range(100)]
        assert fetch(door, "management.azure.com", get("/"))[0] == 200
        assert len(door.opened.connections) <= 40
        for sock in idle:
            sock.close()


def test_offline_refuses_the_world_and_keeps_loopback(tmp_path: Path, echo: int) -> None:
    with open_door(tmp_path, off=True) as door:
        plain = ask(door.ports.proxy, b"GET http://pypi.example/ HTTP/1.1\r\n\r\n")
        assert plain.startswith(b"HTTP/1.1 403 ")
        refused = ask(door.ports.proxy, b"CONNECT pypi.example:443 HTTP/1.1\r\n\r\n")
        assert refused.startswith(b"HTTP/1.1 403 ")
        assert b"--offline" in refused
        tunnel(door, f"127.0.0.1:{echo}").close()


def test_the_machines_own_proxy_is_used(tmp_path: Path) -> None:
    """Tunnelled hosts go through it with its credentials; NO_PROXY and Azure hosts do not."""
    heads: list[bytes] = []

    def serve(server: socket.socket) -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            with client:
                data = client.recv(65536)
                heads.append(data)
                if b"forbidden" in data:
                    client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
                elif data.startswith(b"CONNECT"):
                    client.sendall(b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\nbanner ")
                    client.sendall(client.recv(65536))
                else:
                    client.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        proxy = NextProxy("127.0.0.1", server.getsockname()[1], False, "Basic dTpw")
        upstream = Upstream(proxy, proxy, ("direct.invalid",))
        with open_door(tmp_path, upstream=upstream, limits=QUICK) as door:
            with tunnel(door, "pypi.example:443") as sock:
                sock.sendall(b"hello")
                assert read_all(sock) == b"banner hello"
            plain = ask(door.ports.proxy, b"GET http://pypi.example/x HTTP/1.1\r\n\r\n")
            assert plain.startswith(b"HTTP/1.1 204 ")
            refused = ask(door.ports.proxy, b"CONNECT forbidden.example:443 HTTP/1.1\r\n\r\n")
            assert refused.startswith(b"HTTP/1.1 502 ")
            assert b"407" in refused
            ask(door.ports.proxy, b"CONNECT direct.invalid:443 HTTP/1.1\r\n\r\n")
            assert fetch(door, "management.azure.com", get("/"))[0] == 200
    assert heads == [
        b"CONNECT pypi.example:443 HTTP/1.1\r\nHost: pypi.example:443\r\n"
        b"Proxy-Authorization: Basic dTpw\r\n\r\n",
        b"GET http://pypi.example:80/x HTTP/1.1\r\nHost: pypi.example\r\n"
        b"Proxy-Authorization: Basic dTpw\r\nConnection: close\r\n\r\n",
        b"CONNECT forbidden.example:443 HTTP/1.1\r\nHost: forbidden.example:443\r\n"
        b"Proxy-Authorization: Basic dTpw\r\n\r\n",
    ]


def test_a_taken_port_says_what_to_do(door: Door) -> None:
    async def second() -> None:
        front = FrontDoor(door.authority, router(emulated, off=False))
        with pytest.raises(PortTaken, match=r"is taken: .*--ports auto"):
            await front.start(tiny.echo, proxy_port=door.ports.proxy)

    asyncio.run(second())


def test_stopping_lets_requests_end(tmp_path: Path) -> None:
    with open_door(tmp_path) as door:
        with secure(door, "management.azure.com") as sock:
            sock.sendall(b"POST /x HTTP/1.1\r\nContent-Length: 2\r\n\r\na")
            time.sleep(0.2)
            stopping = asyncio.run_coroutine_threadsafe(door.opened.stop(5), door.loop)
            time.sleep(0.2)
            sock.sendall(b"b")
            assert b"HTTP/1.1 200" in read_all(sock)
        stopping.result(5)
        with pytest.raises(ConnectionRefusedError):
            dial(door.ports.proxy)
