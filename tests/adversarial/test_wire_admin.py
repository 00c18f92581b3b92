"""The emulator's own orders: for the folder's owner alone, by the explicit door alone."""

from __future__ import annotations

import socket
from collections.abc import Callable

import httpx
import pytest

from emulators.kernel.admin import AUDIENCE
from emulators.kernel.peers import SYSTEM_OBJECT
from tests.adversarial.conftest import ARM, Target, error_code, read_all

ORDERS = [
    ("GET", "status"), ("POST", "environment"), ("GET", "faults"), ("POST", "faults"),
    ("DELETE", "faults"), ("GET", "ledger"), ("POST", "snapshot"), ("GET", "nothing"),
]  # fmt: skip
WRONG: dict[str, Callable[[Target], str | None]] = {
    "none": lambda t: None,
    "principal": lambda t: t.token(),
    "admin-audience": lambda t: t.token(AUDIENCE),
    "system-elsewhere": lambda t: t.tokens.issue(ARM, object_id=SYSTEM_OBJECT),
    "expired": lambda t: t.tokens.issue(AUDIENCE, object_id=SYSTEM_OBJECT, lifetime_s=-600),
    "unsigned": lambda t: t.tokens.issue(AUDIENCE, object_id=SYSTEM_OBJECT)[:-20],
}


def owner(target: Target) -> str:
    return target.tokens.issue(AUDIENCE, object_id=SYSTEM_OBJECT)


def door(target: Target) -> str:
    return f"https://localhost:{target.running.host.explicit}"


@pytest.mark.parametrize("kind", WRONG)
def test_orders_of_strangers_are_refused(attacked: Target, kind: str) -> None:
    for method, what in ORDERS:
        answer = attacked.ask(
            method, f"{door(attacked)}/_emulator/{what}", token=WRONG[kind](attacked), json={}
        )
        assert answer.status_code in {401, 403}, (method, what, answer.text)
        assert error_code(answer)
        assert "pid" not in answer.text
    assert attacked.running.host.ask("GET", "faults")["faults"] == []


def test_the_owner_s_token_opens_them(attacked: Target) -> None:
    answer = attacked.ask("GET", f"{door(attacked)}/_emulator/status", token=owner(attacked))
    assert answer.json()["pid"] == attacked.pid


@pytest.mark.parametrize(
    "host",
    ["management.azure.com", "login.microsoftonline.com", "eastus.api.azureml.ms",
     "x.eastus.inference.ml.azure.com", "graph.microsoft.com"],
)  # fmt: skip
def test_no_azure_host_takes_orders(attacked: Target, host: str) -> None:
    """Not even the owner's: a scoring script or a page must not reach them by a real name."""
    for path in ("/_emulator/status", "/_EMULATOR/status", "//_emulator/status"):
        answer = attacked.ask("GET", f"https://{host}{path}", token=owner(attacked))
        assert answer.status_code in {400, 401, 404, 405, 501}, (path, answer.status_code)
        assert "processes" not in answer.text


def test_a_storage_account_takes_no_orders(attacked: Target) -> None:
    answer = attacked.ask("GET", f"{attacked.account}/_emulator/status", token=owner(attacked))
    assert answer.status_code in {400, 401, 403, 404}
    answer = attacked.ask("GET", f"{door(attacked)}/x.blob.core.windows.net/_emulator/status",
                          token=owner(attacked))  # fmt: skip
    assert answer.status_code in {400, 401, 403, 404, 501}


def test_nobody_is_issued_a_token_that_gives_orders(attacked: Target) -> None:
    env = attacked.env
    answer = attacked.ask(
        "POST",
        f"https://login.microsoftonline.com/{env['AZURE_TENANT_ID']}/oauth2/v2.0/token",
        data={
            "grant_type": "client_credentials",
            "client_id": env["AZURE_CLIENT_ID"],
            "client_secret": env["AZURE_CLIENT_SECRET"],
            "scope": f"{AUDIENCE}/.default",
        },
    )
    if answer.status_code == 200:
        token = answer.json()["access_token"]
        refused = attacked.ask("GET", f"{door(attacked)}/_emulator/status", token=token)
        assert refused.status_code in {401, 403}


def raw(target: Target, text: str) -> bytes:
    with (
        socket.create_connection(("127.0.0.1", target.running.host.explicit), timeout=10) as plain,
        target.trust.wrap_socket(plain, server_hostname="localhost") as tls,
    ):
        tls.sendall(text.encode("latin-1"))
        tls.settimeout(1.0)
        return read_all(tls)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8441", "localhost.evil.example", "127.0.0.1.evil.example",
     "localhost@evil.example", "127.0.0.2", "0.0.0.0", "[::ffff:127.0.0.1]", "[::]",
     "", "localhost:x:y", "management.azure.com.evil.example", "azure.com.evil", "2130706433",
     "localhost.", "LOCALHOST\u00ff"],
)  # fmt: skip
def test_a_renamed_door_is_closed(attacked: Target, host: str) -> None:
    """What a page of another site could make a browser send, were the name to lead to us."""
    lines = ["GET /_emulator/status HTTP/1.1", f"Host: {host}",
             f"Authorization: Bearer {owner(attacked)}", "", ""]  # fmt: skip
    answer = raw(attacked, "\r\n".join(lines))
    assert b"processes" not in answer
    assert answer == b"" or answer.split(b" ")[1] in {b"400", b"404", b"421", b"501"}


def test_a_foreign_host_is_told_that_it_is_wrong_here(attacked: Target) -> None:
    answer = raw(attacked, "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n")
    assert b"HTTP/1.1 421" in answer
    assert b"MisdirectedRequest" in answer


def test_no_page_is_let_in_by_cors(attacked: Target) -> None:
    origin = {"origin": "https://evil.example", "access-control-request-method": "PUT",
              "access-control-request-headers": "authorization"}  # fmt: skip
    for url in (
        f"{door(attacked)}/_emulator/status",
        f"{door(attacked)}/subscriptions",
        attacked.group,
        f"{attacked.account}/c/b",
        "https://login.microsoftonline.com/common/oauth2/token",
    ):
        for method in ("OPTIONS", "GET"):
            answer: httpx.Response = attacked.ask(method, url, headers=origin)
            assert "access-control-allow-origin" not in answer.headers, (method, url)
