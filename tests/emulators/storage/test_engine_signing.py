"""Signatures as the official client makes them: every one holds, and no changed one does."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest
from azure.core.pipeline import PipelineRequest
from azure.core.rest import HttpRequest
from azure.storage.blob import (
    generate_account_sas,
    generate_blob_sas,
    generate_container_sas,
)
from azure.storage.blob._shared.authentication import SharedKeyCredentialPolicy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulators.kernel.context import Context
from emulators.kernel.errors import ServiceError
from emulators.storage.engine import access, accounts, sas
from emulators.storage.engine.signing import Signable
from emulators.storage.store import Account
from emulators.storage.wire.ask import address, query_values, raw_query
from tests.support import make_context

HOUR = timedelta(hours=1)
NO_CHECK = [HealthCheck.function_scoped_fixture]
NAMES = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u007f"),
    min_size=1,
    max_size=12,
)


@pytest.fixture(scope="module")
def ctx(tmp_path_factory: pytest.TempPathFactory) -> Context:
    folder: Path = tmp_path_factory.mktemp("signing")
    return make_context(folder)


@pytest.fixture(scope="module")
def account(ctx: Context) -> Account:
    return accounts.seed(ctx)


def key_of(ctx: Context, account: Account) -> str:
    return accounts.keys(ctx, account.name)["key2"]


def signable(method: str, url: str, headers: dict[str, str]) -> Signable:
    parts = urlsplit(url)
    query = raw_query(parts.query)
    return Signable(
        method=method,
        paths=(parts.path,),
        query=query,
        headers=tuple((name.lower(), value) for name, value in headers.items()),
        values=query_values(query),
        address="127.0.0.1",
    )


def check(ctx: Context, account: Account, asked: Signable) -> access.Caller:
    container, blob = address(asked.paths[0])
    return access.authenticate(ctx, asked, account, container, blob)


def signed(account: Account, key: str, method: str, url: str, headers: dict[str, str]) -> Any:
    """The request as the client's own policy signs it."""
    request = HttpRequest(method, url, headers=headers)
    context = SimpleNamespace(transport=None, options={})
    policy: Any = cast(Any, SharedKeyCredentialPolicy)(account.name, key)
    policy.on_request(PipelineRequest(request, cast(Any, context)))
    return request


@settings(suppress_health_check=NO_CHECK, max_examples=60, deadline=None)
@given(
    name=NAMES,
    value=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=8),
    meta=st.lists(st.sampled_from(["a", "a-b", "ab", "a_b", "a1", "zz-9"]), unique=True),
    prefix=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=6),
)
def test_shared_key_of_the_client_holds(
    ctx: Context, account: Account, name: str, value: str, meta: list[str], prefix: str
) -> None:
    url = f"https://{account.name}.blob.core.windows.net/con/{quote(name, safe='/~')}"
    url += f"?comp=list&prefix={quote(prefix, safe='')}&restype=container"
    now = ctx.clock.now()
    headers = {f"x-ms-meta-{m}": value for m in meta}
    headers |= {"x-ms-date": now.strftime("%a, %d %b %Y %H:%M:%S GMT"), "Content-Length": "0"}
    request = signed(account, key_of(ctx, account), "PUT", url, headers)
    asked = signable("PUT", request.url, dict(request.headers))
    assert check(ctx, account, asked).how == "key"
    for changed in (
        signable("GET", request.url, dict(request.headers)),
        signable("PUT", request.url + "&timeout=3", dict(request.headers)),
        signable("PUT", request.url, {**request.headers, "x-ms-extra": "1"}),
        signable("PUT", request.url.replace("/con/", "/com/"), dict(request.headers)),
    ):
        with pytest.raises(ServiceError) as refused:
            check(ctx, account, changed)
        assert refused.value.code == "AuthenticationFailed"


@pytest.mark.parametrize("minutes", [-16, 16])
def test_an_old_or_early_date_is_refused(ctx: Context, account: Account, minutes: int) -> None:
    date = ctx.clock.now() + timedelta(minutes=minutes)
    url = f"https://{account.name}.blob.core.windows.net/?comp=list"
    headers = {"x-ms-date": date.strftime("%a, %d %b %Y %H:%M:%S GMT")}
    request = signed(account, key_of(ctx, account), "GET", url, headers)
    with pytest.raises(ServiceError) as refused:
        check(ctx, account, signable("GET", request.url, dict(request.headers)))
    assert refused.value.code == "AuthenticationFailed"


def with_sas(account: Account, name: str, token: str, method: str = "GET") -> Signable:
    path = f"/con/{quote(name, safe='/~')}" if name else "/con"
    return signable(method, f"https://{account.name}.blob.core.windows.net{path}?{token}", {})


TOKENS = [
    "blob", "container", "account", "delegated blob", "delegated container",
]  # fmt: skip


def make_sas(ctx: Context, account: Account, kind: str, name: str, **more: Any) -> str:
    now = ctx.clock.now()
    said: dict[str, Any] = {"expiry": now + HOUR, "start": now - HOUR, "permission": "r", **more}
    key = key_of(ctx, account)
    if kind == "account":
        said.pop("cache_control", None)
        return str(
            generate_account_sas(
                account.name,
                key,
                "o",
                said.pop("permission"),
                said.pop("expiry"),
                services="b",
                **said,
            )
        )
    secret: dict[str, Any] = {"account_key": key}
    if kind.startswith("delegated"):
        secret = {"user_delegation_key": delegation_key(ctx, account)}
    if kind.endswith("container"):
        return str(generate_container_sas(account.name, "con", **secret, **said))
    return str(generate_blob_sas(account.name, "con", name, **secret, **said))


def delegation_key(ctx: Context, account: Account) -> Any:
    from azure.storage.blob import UserDelegationKey

    now = ctx.clock.now()
    fields = {
        "skoid": "33333333-3333-3333-3333-333333333333",
        "sktid": ctx.secrets.tenant_id,
        "skt": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "ske": f"{now + HOUR:%Y-%m-%dT%H:%M:%SZ}",
        "sks": "b",
        "skv": "2024-11-04",
    }
    made: Any = cast(Any, UserDelegationKey)()
    made.signed_oid, made.signed_tid = fields["skoid"], fields["sktid"]
    made.signed_start, made.signed_expiry = fields["skt"], fields["ske"]
    made.signed_service, made.signed_version = fields["sks"], fields["skv"]
    made.value = sas.delegation_key(ctx, account.name, fields)
    return made


@pytest.mark.parametrize("kind", TOKENS)
@settings(suppress_health_check=NO_CHECK, max_examples=25, deadline=None)
@given(name=NAMES.filter(lambda n: not n.startswith("/")), cache=st.sampled_from(["", "no-store"]))
def test_sas_of_the_client_holds(
    ctx: Context, account: Account, kind: str, name: str, cache: str
) -> None:
    token = make_sas(ctx, account, kind, name, cache_control=cache)
    caller = check(ctx, account, with_sas(account, name, token))
    assert (caller.how, caller.may("r"), caller.may("w")) == ("sas", True, False)
    if cache and kind != "account":
        assert caller.overrides == {"Cache-Control": "no-store"}
    for old, new in (("sp=r", "sp=rw"), ("&sig=", "&sig=A"), ("sv=2", "sv=1")):
        with pytest.raises(ServiceError):
            check(ctx, account, with_sas(account, name, token.replace(old, new)))


@pytest.mark.parametrize("kind", TOKENS)
def test_every_field_is_signed(ctx: Context, account: Account, kind: str) -> None:
    token = make_sas(ctx, account, kind, "name", ip="127.0.0.1", protocol="https")
    assert check(ctx, account, with_sas(account, "name", token)).how == "sas"
    for name, value in parse_qsl(token):
        if name in ("sig", "sv"):
            continue
        changed = dict(parse_qsl(token)) | {name: value + "0"}
        with pytest.raises(ServiceError) as refused:
            check(ctx, account, with_sas(account, "name", urlencode(changed)))
        assert refused.value.status in (400, 403), name


@pytest.mark.parametrize("kind", ["blob", "delegated blob"])
def test_a_blob_signature_is_for_that_blob(ctx: Context, account: Account, kind: str) -> None:
    token = make_sas(ctx, account, kind, "one")
    for other in ("two", "one/", "one/x", "On"):
        with pytest.raises(ServiceError):
            check(ctx, account, with_sas(account, other, token))


def test_time_place_and_protocol(ctx: Context, account: Account) -> None:
    now = ctx.clock.now()
    cases: dict[str, dict[str, Any]] = {
        "AuthenticationFailed": {"expiry": now - timedelta(seconds=1)},
        "AuthorizationSourceIPMismatch": {"ip": "10.0.0.1-10.0.0.9"},
    }
    for code, said in cases.items():
        token = make_sas(ctx, account, "blob", "one", **said)
        with pytest.raises(ServiceError) as refused:
            check(ctx, account, with_sas(account, "one", token))
        assert refused.value.code == code
    early = make_sas(ctx, account, "blob", "one", start=now + timedelta(seconds=5))
    with pytest.raises(ServiceError):
        check(ctx, account, with_sas(account, "one", early))
    token = make_sas(ctx, account, "blob", "one", protocol="https")
    asked = with_sas(account, "one", token)
    with pytest.raises(ServiceError) as plain:
        check(ctx, account, replace(asked, protocol="http"))
    assert plain.value.code == "AuthorizationProtocolMismatch"


def test_a_regenerated_key_signs_no_more(ctx: Context, account: Account) -> None:
    token = make_sas(ctx, account, "blob", "one")
    accounts.regenerate(ctx, account.name, "key2")
    with pytest.raises(ServiceError):
        check(ctx, account, with_sas(account, "one", token))
    delegated = make_sas(ctx, account, "delegated blob", "one")
    accounts.revoke_delegation(ctx, account.name)
    with pytest.raises(ServiceError):
        check(ctx, account, with_sas(account, "one", delegated))


def test_an_account_may_forbid_its_keys(ctx: Context, account: Account) -> None:
    token = make_sas(ctx, account, "blob", "one")
    strict = replace(account, shared_key=False)
    with pytest.raises(ServiceError) as refused:
        check(ctx, strict, with_sas(account, "one", token))
    assert refused.value.code == "KeyBasedAuthenticationNotPermitted"
    delegated = make_sas(ctx, account, "delegated blob", "one")
    assert check(ctx, strict, with_sas(account, "one", delegated)).how == "sas"


def test_a_signature_for_a_folder(ctx: Context, account: Account) -> None:
    from azure.storage.filedatalake import generate_directory_sas

    token = str(
        generate_directory_sas(
            account.name,
            "con",
            "top/inner",
            key_of(ctx, account),
            permission="rl",
            expiry=ctx.clock.now() + HOUR,
        )
    )
    for inside in ("top/inner/a", "top/inner/deep/b", "top/inner"):
        caller = check(ctx, account, with_sas(account, inside, token))
        assert caller.may("l")
    for outside in ("top/innermost/a", "top/a", "a", ""):
        with pytest.raises(ServiceError):
            check(ctx, account, with_sas(account, outside, token))
