"""Keys and signatures that are almost right: storage accounts, SAS, endpoints, links to logs."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest

from tests.adversarial.conftest import ML, Target, error_code

Query = dict[str, str]
LATER = datetime.now(UTC) + timedelta(hours=1)
OTHER_KEY = base64.b64encode(b"k" * 64).decode()


def account(target: Target) -> tuple[str, str]:
    parts = dict(
        part.split("=", 1) for part in target.env["AZURE_STORAGE_CONNECTION_STRING"].split(";")
    )
    return parts["AccountName"], parts["AccountKey"]


@pytest.fixture(scope="module")
def kept(attacked: Target) -> Target:
    attacked.upload("keys", "kept", b"kept")
    attacked.upload("keys", "other", b"other")
    return attacked


def signed(target: Target, *, blob: bool = True, **more: Any) -> Query:
    from azure.storage.blob import generate_blob_sas, generate_container_sas

    name, key = account(target)
    given: dict[str, Any] = {"account_key": key, "permission": "r", "expiry": LATER, **more}
    text = (
        generate_blob_sas(name, "keys", "kept", **given)
        if blob
        else generate_container_sas(name, "keys", **given)
    )
    return dict(parse_qsl(text))


def changed(**values: str) -> Callable[[Target], Query]:
    return lambda target: {**signed(target), **values}


def without(name: str) -> Callable[[Target], Query]:
    return lambda target: {k: v for k, v in signed(target).items() if k != name}


ALMOST: dict[str, Callable[[Target], Query]] = {
    "other-key": lambda t: signed(t, account_key=OTHER_KEY),
    "expired": lambda t: signed(t, expiry=datetime.now(UTC) - timedelta(minutes=20)),
    "not-yet": lambda t: signed(t, start=LATER, expiry=LATER + timedelta(hours=1)),
    "write-only": lambda t: signed(t, permission="w"),
    "elsewhere": lambda t: signed(t, ip="203.0.113.9"),
    "longer": changed(se="2099-01-01T00:00:00Z"),
    "wider": changed(sp="racwd"),
    "container": changed(sr="c"),
    "older-rules": changed(sv="2012-02-12"),
    "no-signature": changed(sig=""),
    "cut-signature": lambda t: {**signed(t), "sig": signed(t)["sig"][:-5]},
    "zero-signature": changed(sig=base64.b64encode(b"\0" * 32).decode()),
    "words-signature": changed(sig="\u00ff' OR 1=1 --"),
    "no-expiry": without("se"),
    "no-permission": without("sp"),
    "no-version": without("sv"),
    "header-changed": changed(rscd="attachment"),
    "policy": changed(si="nothing"),
    "delegated": changed(skoid="0" * 32, sktid="x", skt="x", ske="x", sks="b", skv="2024-11-04"),
}


@pytest.mark.parametrize("kind", ALMOST)
def test_a_sas_that_is_almost_right(kept: Target, kind: str) -> None:
    answer = kept.ask("GET", f"{kept.account}/keys/kept?{urlencode(ALMOST[kind](kept))}")
    known = error_code(answer) == "NotEmulated" and kind == "older-rules"
    assert known or answer.status_code in {400, 403}, answer.text
    assert b"kept" not in answer.content.replace(b"/keys/kept", b"")


def test_a_sas_opens_what_it_is_for_and_no_more(kept: Target) -> None:
    query = urlencode(signed(kept))
    assert kept.ask("GET", f"{kept.account}/keys/kept?{query}").content == b"kept"
    for method, path in (
        ("GET", "/keys/other"), ("GET", "/keys/kept/x"), ("GET", "/keys/kep"), ("GET", "/keyskept"),
        ("PUT", "/keys/kept"), ("DELETE", "/keys/kept"), ("GET", "/keys/x%2F..%2Fkept"),
    ):  # fmt: skip
        headers = {"x-ms-blob-type": "BlockBlob"}
        answer = kept.ask(method, f"{kept.account}{path}?{query}", headers=headers)
        assert answer.status_code in {400, 403, 404}, (method, path, answer.status_code)
    whole = urlencode(signed(kept, blob=False))
    listing = kept.ask("GET", f"{kept.account}/keys?restype=container&comp=list&{whole}")
    assert listing.status_code == 403  # it may read, not list
    assert kept.ask("GET", f"{kept.account}/keys/kept?{query}").content == b"kept"


@pytest.mark.parametrize("key", [OTHER_KEY, "", "AAAA"])
def test_another_key_signs_nothing(kept: Target, key: str) -> None:
    from azure.core.exceptions import HttpResponseError
    from azure.storage.blob import BlobClient

    name, _ = account(kept)
    with (
        BlobClient(
            kept.account, "keys", "kept", credential={"account_name": name, "account_key": key},
            proxies={"https": kept.env["HTTPS_PROXY"]}, connection_verify=kept.env["SSL_CERT_FILE"],
            retry_total=0,
        ) as client,
        pytest.raises(HttpResponseError) as refused,
    ):  # fmt: skip
        client.download_blob().readall()
    assert refused.value.status_code == 403
    assert "AuthenticationFailed" in str(refused.value)


@pytest.mark.parametrize(
    "value",
    ["SharedKey", "SharedKey :", "SharedKey a", "SharedKey {account}:", "SharedKey {account}:AAAA",
     "SharedKey other:AAAA", "SharedKeyLite {account}:AAAA", "SharedKey {account}:\u00ff",
     "SharedKey a:b:c"],
)  # fmt: skip
def test_malformed_shared_keys(kept: Target, value: str) -> None:
    written = value.replace("{account}", account(kept)[0]).encode("latin-1")
    headers = {"authorization": written, "x-ms-date": "Tue, 24 Nov 2026 10:00:00 GMT",
               "x-ms-version": "2024-11-04"}  # fmt: skip
    answer = kept.ask("GET", f"{kept.account}/keys/kept", headers=headers)
    assert answer.status_code in {400, 401, 403}
    assert error_code(answer)


def test_an_endpoint_wants_its_own_key(attacked: Target) -> None:
    for name in ("locked", "neighbour"):
        made = attacked.arm("PUT", f"/onlineEndpoints/{name}",
                            {"location": "eastus", "properties": {"authMode": "Key"}})  # fmt: skip
        assert made.status_code in {200, 201, 202}, made.text
    keys = {
        name: attacked.arm("POST", f"/onlineEndpoints/{name}/listKeys").json()["primaryKey"]
        for name in ("locked", "neighbour")
    }
    url = "https://locked.eastus.inference.ml.azure.com/score"
    wrong = ["x", keys["neighbour"], keys["locked"][:-1], keys["locked"] + "x", attacked.token(),
             attacked.token("https://ml.azure.com"), "\u00ff"]  # fmt: skip
    for key in (None, *wrong):
        headers = {} if key is None else {"authorization": f"Bearer {key}".encode("latin-1")}
        answer = attacked.ask("POST", url, headers=headers, json={})
        assert answer.status_code == 401, (key, answer.status_code, answer.text)
    right = {"authorization": f"Bearer {keys['locked']}"}
    assert attacked.ask("POST", url, headers=right, json={}).status_code == 404  # no deployment


def test_a_link_to_a_log_opens_that_log_for_a_while(attacked: Target) -> None:
    body = {"properties": {"jobType": "Command", "command": "echo told", "environmentId":
            attacked.arm("PUT", "/environments/bare/versions/1", {"properties": {
                "image": "mcr/none", "condaFile": "name: bare\ndependencies:\n- python=3.11\n"}})
            .json()["id"]}}  # fmt: skip
    assert attacked.arm("PUT", "/jobs/told", body).status_code in {200, 201}
    assert attacked.ended("told") == "Completed"
    ws = attacked.workspace.removeprefix("https://management.azure.com")
    details = attacked.ask(
        "GET", f"{ML}/history/v1.0{ws}/runs/told/details", token=attacked.token()
    )
    link = details.json()["logFiles"]["user_logs/std_log.txt"]
    assert "told" in attacked.ask("GET", link).text
    for old, new in (("sig=", "sig=0"), ("se=", "se=9"), ("std_log.txt", "..%2f..%2fdone"),
                     ("/told/", "/other/"), ("std_log.txt", "%2e%2e/%2e%2e/%2e%2e/secrets.json"),
                     ("?", "?x=")):  # fmt: skip
        answer = attacked.ask("GET", link.replace(old, new))
        assert answer.status_code in {400, 401, 403, 404}, (new, answer.status_code)
    bare = attacked.ask("GET", link.partition("?")[0])
    assert bare.status_code in {401, 403}
