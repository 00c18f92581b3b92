"""The Web activity: what is sent, how the answer becomes output, and how it fails."""

from __future__ import annotations

import asyncio
import json
import warnings
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from emulators.datafactory.engine.activities.base import ActivityFailed
from emulators.datafactory.engine.activities.catalogue import EXECUTORS, KNOWN_TYPES
from emulators.datafactory.engine.activities.outgoing import Answer, Ask, NoAnswer, replaced
from emulators.datafactory.engine.activities.web import merged
from emulators.datafactory.engine.expressions import Scope
from emulators.kernel.clock import ManualClock
from emulators.kernel.context import Context
from tests.emulators.datafactory.calling import Bench, FarSide, answered, bench


@pytest.fixture
def at(tmp_path: Path) -> Bench:
    return bench(tmp_path)


def web(**properties: Any) -> dict[str, Any]:
    return {
        "type": "WebActivity",
        "typeProperties": {"url": "https://svc.local/x", "method": "GET", **properties},
    }


def test_members_of_the_answer_are_merged_with_headers_and_service_fields(at: Bench) -> None:
    far = FarSide(Answer(200, (("X-Tag", "t1"), ("Content-Type", "text/plain")), b'{"id": 7}'))
    done = answered(far, lambda: at.do(web()))
    assert done.output["id"] == 7
    assert done.output["ADFWebActivityResponseHeaders"]["X-Tag"] == "t1"
    assert done.output["effectiveIntegrationRuntime"].startswith("AutoResolveIntegrationRuntime")
    assert done.output["billingReference"]["activityType"] == "ExternalActivity"
    assert done.input == {"url": "https://svc.local/x", "method": "GET", "headers": {}}


@pytest.mark.parametrize(
    ("body", "key", "value"),
    [(b"plain text", "Response", "plain text"), (b"[1, 2]", "value", [1, 2])],
)
def test_what_is_no_object_has_its_own_member(
    at: Bench, body: bytes, key: str, value: object
) -> None:
    assert answered(FarSide(Answer(200, (), body)), lambda: at.do(web())).output[key] == value


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ('{key: "no json"}', b'{key: "no json"}'),
        ({"a": [1, "ä"], "b": None}, '{"a":[1,"ä"],"b":null}'.encode()),
        ({"type": "Expression", "value": "@concat('a','=b')"}, b"a=b"),
    ],
)
def test_a_text_is_sent_verbatim_and_an_object_as_json(
    at: Bench, body: object, sent: bytes
) -> None:
    far = FarSide(Answer(200))
    answered(far, lambda: at.do(web(method="POST", body=body)))
    assert far.asked[0].body == sent
    assert "content-type" not in {n.lower() for n in far.asked[0].headers}


def test_an_error_status_fails_with_2108_and_the_text(at: Bench) -> None:
    far = FarSide(Answer(404, (), b"gone"))
    with pytest.raises(ActivityFailed) as failed:
        answered(far, lambda: at.do(web()))
    assert failed.value.code == "2108"
    assert failed.value.message == (
        "Invoking Web Activity failed with HttpStatusCode - '404 : NotFound', message - 'gone'"
    )


def test_a_broken_network_fails_with_2108(at: Bench) -> None:
    with pytest.raises(ActivityFailed, match="Error calling the endpoint") as failed:
        answered(FarSide(NoAnswer("no route")), lambda: at.do(web()))
    assert failed.value.code == "2108"


def test_an_answer_over_the_limit_fails_with_2001(tmp_path: Path) -> None:
    at = bench(tmp_path)

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        size = (4 << 20) + 1
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        writer.write(b"x" * size)
        writer.close()

    async def go() -> None:
        server = await asyncio.start_server(handler, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            await at.run(web(url=f"http://127.0.0.1:{port}/"))

    with pytest.raises(ActivityFailed) as failed:
        asyncio.run(go())
    assert failed.value.code == "2001"


def test_a_202_is_looked_after_at_its_pace(at: Bench) -> None:
    far = FarSide(
        Answer(202, (("Location", "/op/1"), ("Retry-After", "7"))),
        Answer(202, (("Location", "https://svc.local/op/2"),)),
        Answer(200, (), b'{"done": true}'),
    )
    clock = at.ctx.clock
    assert isinstance(clock, ManualClock)

    async def go() -> dict[str, Any]:
        with replaced(far):
            body = web(method="POST", body="{}", headers={"X-A": "1", "Content-Type": "t/p"})
            running = asyncio.ensure_future(at.run(body))
            await clock.advance(6.9)
            assert len(far.asked) == 1
            await clock.advance(20)
            return dict((await running).output)

    assert asyncio.run(go())["done"] is True
    assert [(a.method, a.url) for a in far.asked] == [
        ("POST", "https://svc.local/x"),
        ("GET", "https://svc.local/op/1"),
        ("GET", "https://svc.local/op/2"),
    ]
    assert far.asked[1].headers == {"X-A": "1"}


def test_azure_async_operation_is_polled_by_its_status(at: Bench) -> None:
    far = FarSide(
        Answer(202, (("Azure-AsyncOperation", "https://svc.local/s"), ("Retry-After", "0"))),
        Answer(200, (("Retry-After", "0"),), b'{"status": "InProgress"}'),
        Answer(200, (), b'{"status": "Succeeded"}'),
    )
    assert answered(far, lambda: at.do(web(method="PUT"))).output["status"] == "Succeeded"


def test_turn_off_async_leaves_it_at_the_202(at: Bench) -> None:
    far = FarSide(Answer(202, (("Location", "/op/1"),), b'{"a": 1}'))
    done = answered(far, lambda: at.do(web(method="POST", turnOffAsync=True)))
    assert done.output["a"] == 1


def test_no_answer_within_a_minute_fails(at: Bench) -> None:
    async def slow(ctx: Context, ask: Ask) -> Answer:
        await ctx.clock.sleep(300)
        return Answer(200)

    clock = at.ctx.clock
    assert isinstance(clock, ManualClock)

    async def go() -> None:
        with replaced(slow):
            running = asyncio.ensure_future(at.run(web()))
            await clock.advance(59)
            assert not running.done()
            await clock.advance(2)
            await running

    with pytest.raises(ActivityFailed, match="The operation was canceled"):
        asyncio.run(go())


def test_basic_authentication_takes_its_password_from_a_vault(at: Bench) -> None:
    at.resources.publish(
        "linkedservices",
        "Vault",
        {"type": "AzureKeyVault", "typeProperties": {"baseUrl": "https://v.vault.azure.net/"}},
    )
    secret = {
        "type": "AzureKeyVaultSecret",
        "store": {"referenceName": "Vault", "type": "LinkedServiceReference"},
        "secretName": "@concat('pass','word')",
    }
    far = FarSide(Answer(200, (), b'{"value": "s3cret"}'), Answer(200))
    done = answered(
        far,
        lambda: at.do(web(authentication={"type": "Basic", "username": "me", "password": secret})),
    )
    assert far.asked[0].url == "https://v.vault.azure.net/secrets/password?api-version=7.4"
    assert far.asked[1].headers["Authorization"] == "Basic bWU6czNjcmV0"
    assert "s3cret" not in json.dumps(done.input)
    bearer = far.asked[0].headers["Authorization"].removeprefix("Bearer ")
    found = at.ctx.tokens.verify(bearer, ["https://vault.azure.net"])
    assert found.object_id == "11111111-1111-4111-8111-111111111111"


def test_a_service_principals_token_comes_from_the_login_host(at: Bench) -> None:
    far = FarSide(Answer(200, (), b'{"access_token": "tok"}'), Answer(200))
    given = {
        "type": "ServicePrincipal",
        "tenant": "ten",
        "servicePrincipalId": "id",
        "servicePrincipalKey": {"type": "SecureString", "value": "k&y"},
        "resource": "https://r/",
    }
    answered(far, lambda: at.do(web(authentication=given)))
    assert far.asked[0].url == "https://login.microsoftonline.com/ten/oauth2/token"
    assert b"client_secret=k%26y" in far.asked[0].body
    assert far.asked[1].headers["Authorization"] == "Bearer tok"


def test_a_redirect_is_followed_without_the_credential(at: Bench) -> None:
    far = FarSide(Answer(302, (("Location", "/y"),)), Answer(200, (), b"{}"))
    answered(far, lambda: at.do(web(method="POST", body="b", headers={"Authorization": "x"})))
    assert (far.asked[1].method, far.asked[1].headers, far.asked[1].body) == ("GET", {}, b"")


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/metadata", "http://management.azure.com/", "ftp://x/", "x", ""]
)
def test_what_may_not_be_called_is_not(at: Bench, url: str) -> None:
    with pytest.raises(ActivityFailed):
        at.do(web(url=url))


def test_an_azure_host_without_an_emulator_is_refused_and_never_called(at: Bench) -> None:
    with pytest.raises(ActivityFailed, match="never forwarded"):
        at.do(web(url="https://example.search.windows.net/"))


def test_expressions_see_the_scope(at: Bench) -> None:
    far = FarSide(Answer(200))
    scope = Scope(parameters={"p": 5})
    url = "https://svc.local/@{pipeline().parameters.p}"
    answered(far, lambda: at.do(web(url=url, headers={"N": "@pipeline().parameters.p"}), scope))
    assert far.asked[0].url == "https://svc.local/5"
    assert far.asked[0].headers == {"N": "5"}


def test_every_type_of_the_sdks_is_known() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from azure.mgmt.datafactory import models
        from azure.synapse.artifacts import models as synapse

    named: set[str] = set()
    for module in (models, synapse):
        for base in (module.Activity, module.ExecutionActivity, module.ControlActivity):
            named |= set(base._subtype_map["type"])
    assert {name.lower() for name in named - {"Container", "Execution"}} == set(KNOWN_TYPES)


def test_a_type_that_is_not_run_fails_as_not_emulated(at: Bench) -> None:
    with pytest.raises(ActivityFailed, match="DatabricksNotebook") as failed:
        at.do({"type": "databricksnotebook", "typeProperties": {}})
    assert failed.value.code == "NotEmulated"
    assert "wait" not in EXECUTORS


bodies = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.binary(max_size=60) | bodies.map(lambda value: json.dumps(value).encode()))
@example(b'{"a": "\\ud800", "n": 123456789012345678901234567890}')
@example(b'{"a": NaN}')
@example(b"[" * 100_000)
def test_any_answer_becomes_an_output_that_can_be_kept(body: bytes) -> None:
    output = merged(Answer(200, (("X", "1"),), body))
    orjson.dumps(output)
    assert output["ADFWebActivityResponseHeaders"] == {"X": "1"}


def test_a_length_that_is_written_is_not_believed(at: Bench) -> None:
    far = FarSide(Answer(200))
    answered(far, lambda: at.do(web(method="POST", body="ab", headers={"Content-Length": "0"})))
    assert far.asked[0].headers == {}
