"""The gateway's contract: who may ask, who answers, and what becomes of a model's answer."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from emulators.machinelearning.engine.endpoints import records
from emulators.machinelearning.engine.endpoints.access import audience_of
from emulators.machinelearning.engine.endpoints.hosting import hosting_of
from tests.emulators.machinelearning.conftest import World
from tests.emulators.machinelearning.serving import Serving

ECHO = """
from azureml_inference_server_http.api.aml_request import AMLRequest, rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse
import json

def init():
    pass

@rawhttp
def run(request):
    status = int(request.args.get("status", "200"))
    told = {k.lower(): v for k, v in request.headers.items()}
    said = {"headers": told, "method": request.method, "body": request.get_data(as_text=True)}
    return AMLResponse(said, status, {"x-own": "kept"}, json_str=True)
"""


@pytest.fixture(scope="module")
def serving(world: World) -> Serving:
    return Serving(world)


@pytest.fixture(scope="module")
def live(serving: Serving) -> str:
    """An endpoint with two deployments; blue has all traffic."""
    serving.served("gate-live", environmentVariables={"RELEASE": "blue"})
    ended = serving.deploy("gate-live", "green", environmentVariables={"RELEASE": "green"})
    assert ended["status"] == "Succeeded"
    return "gate-live"


@pytest.fixture(scope="module")
def echo(serving: Serving) -> str:
    """An endpoint whose script tells what it was sent, with the status it is asked for."""
    serving.served("gate-echo", ECHO)
    return "gate-echo"


def ledger(world: World, endpoint: str) -> list[dict[str, Any]]:
    entries = world.ctx.ledger.entries(kind="inference", limit=100_000)
    return [entry.fields for entry in entries if entry.fields["endpoint"] == endpoint]


def test_only_a_key_of_the_endpoint_opens_it(serving: Serving, live: str) -> None:
    primary, secondary = serving.keys(live)
    for key in (primary, secondary):
        assert serving.score(live, {}, key=key).status_code == 200
    for wrong in ("", "x", primary[:-1], primary + "a", primary.swapcase(), "é" * 10, "\x00"):
        refused = serving.world.run(
            serving._bare.post(
                f"https://{live}.eastus.inference.ml.azure.com/score",
                headers=[(b"authorization", b"Bearer " + wrong.encode())],
            )
        )
        assert refused.status_code == 401, wrong
        assert primary not in refused.text
    for header in ("", "Basic abc", f"Basic {primary}", primary, "Bearer"):
        refused = serving.score(live, {}, authorization=header)
        assert refused.status_code == 401, header
        assert refused.text.startswith("key_auth_bad_header_forbidden.")
    arm = serving.world.ctx.tokens.issue("https://management.azure.com")
    assert serving.score(live, {}, key=arm).status_code == 401


def test_a_key_that_was_replaced_opens_nothing(serving: Serving, live: str) -> None:
    old = serving.keys(live)[0]
    path = f"/onlineEndpoints/{live}/regenerateKeys"
    assert serving.world.call("POST", path, {"keyType": "Primary"}).status_code == 202
    assert serving.score(live, {}, key=old).status_code == 401
    assert serving.score(live, {}).status_code == 200


def test_an_endpoints_token_opens_that_endpoint_until_it_ends(serving: Serving) -> None:
    serving.served("gate-aml", mode="AMLToken")
    serving.endpoint("gate-other", "AMLToken")

    def token(endpoint: str) -> dict[str, Any]:
        found = serving.world.call("POST", f"/onlineEndpoints/{endpoint}/token")
        values: dict[str, Any] = found.json()
        return values

    own = token("gate-aml")
    assert own["tokenType"] == "Bearer"
    assert own["refreshAfterTimeUtc"] < own["expiryTimeUtc"]
    assert serving.score("gate-aml", {}, key=own["accessToken"]).status_code == 200
    assert serving.score("gate-aml", {}, key=own["accessToken"]).status_code == 200
    foreign = token("gate-other")["accessToken"]
    assert serving.score("gate-aml", {}, key=foreign).status_code == 401
    ctx = serving.world.ctx
    entra = ctx.tokens.issue("https://ml.azure.com")
    assert serving.score("gate-aml", {}, key=entra).status_code == 401
    endpoint = records.get(ctx, serving.world.ws, "gate-aml")
    over = ctx.tokens.issue(audience_of(endpoint), lifetime_s=-3600)
    assert serving.score("gate-aml", {}, key=over).status_code == 401
    assert serving.world.call("POST", "/onlineEndpoints/gate-aml/listKeys").status_code == 400


def test_an_entra_token_needs_the_right_audience(serving: Serving) -> None:
    serving.served("gate-aad", mode="AADToken")
    ctx = serving.world.ctx
    right = ctx.tokens.issue("https://ml.azure.com")
    assert serving.score("gate-aad", {}, key=right).status_code == 200
    for audience in ("https://management.azure.com", "https://storage.azure.com", "ml.azure.com"):
        refused = serving.score("gate-aad", {}, key=ctx.tokens.issue(audience))
        assert refused.status_code == 401, audience
    head, body, signature = right.split(".")
    for forged in (
        f"{head}.{body}.{signature[::-1]}",
        f"{head}.{body}.",
        f"{body}.{body}.x",
        "a.b",
    ):
        assert serving.score("gate-aad", {}, key=forged).status_code == 401
    stranger = ctx.tokens.issue("https://ml.azure.com", object_id=ctx.ids.guid())
    lacks = serving.score("gate-aad", {}, key=stranger)
    assert lacks.status_code == 403
    assert "onlineEndpoints/score/action" in lacks.text
    assert serving.world.call("POST", "/onlineEndpoints/gate-aad/token").status_code == 400


def test_the_header_reaches_a_deployment_without_traffic(serving: Serving, live: str) -> None:
    found = serving.score(live, {}, azureml_model_deployment="green")
    assert found.json()["release"] == "green"
    assert found.headers["azureml-model-deployment"] == "green"
    assert serving.score(live, {}).headers["azureml-model-deployment"] == "blue"
    unknown = serving.score(live, {}, azureml_model_deployment="red")
    assert unknown.status_code == 404


def test_without_traffic_there_is_no_route(serving: Serving, live: str) -> None:
    serving.endpoint(live, traffic={"blue": 0, "green": 0})
    lost = serving.score(live, {})
    serving.endpoint(live, traffic={"blue": 100})
    assert lost.status_code == 404
    assert lost.text.startswith("No valid deployments to route to.")
    nowhere = serving.score("gate-nowhere", {}, key="x")
    assert nowhere.status_code == 404


@pytest.mark.parametrize(
    "host",
    ["westus.inference.ml.azure.com", "inference.ml.azure.com", "a.eastus.inference.ml.azure.com"],
)
def test_an_endpoint_is_in_one_region(serving: Serving, live: str, host: str) -> None:
    sent = serving._bare.post(
        f"https://{live}.{host}/score", headers={"authorization": f"Bearer {serving.keys(live)[0]}"}
    )
    assert serving.world.run(sent).status_code == 404


def test_it_is_reached_by_the_explicit_door_too(serving: Serving, live: str) -> None:
    shown = serving.world.run(
        serving.world.http.get(
            f"https://localhost:9{serving.id}/onlineEndpoints/{live}",
            params={"api-version": "2023-04-01-preview"},
        )
    ).json()["properties"]
    assert shown["scoringUri"] == f"https://localhost:9/score/{live}/score"
    headers = {"authorization": f"Bearer {serving.keys(live)[0]}"}
    sent = serving._bare.post(shown["scoringUri"], headers=headers, content=b"{}")
    assert serving.world.run(sent).json()["release"] == "blue"
    swagger = serving.world.run(serving._bare.get(shown["swaggerUri"], headers=headers))
    assert swagger.status_code == 200


def test_traffic_is_split_by_request(serving: Serving, live: str) -> None:
    serving.endpoint(live, traffic={"blue": 90, "green": 10})
    key = serving.keys(live)[0]

    async def ask() -> list[httpx.Response]:
        found: list[httpx.Response] = []
        for _ in range(400):
            found.append(await serving.sending(live, {}, key))
        return found

    asked = serving.world.run(ask())
    serving.endpoint(live, traffic={"blue": 100})
    seen = Counter(r.json()["release"] for r in asked)
    assert all(r.status_code == 200 for r in asked)
    assert 12 <= seen["green"] <= 80  # 40 expected; outside once in a million runs
    assert seen["blue"] + seen["green"] == 400


def test_a_mirror_sees_copies_that_nobody_waits_for(serving: Serving, live: str) -> None:
    mirrored = serving.endpoint(live, traffic={"blue": 100}, mirrorTraffic={"green": 50})
    assert mirrored.status_code == 200, mirrored.text
    key = serving.keys(live)[0]

    async def ask() -> list[httpx.Response]:
        before = len(ledger(serving.world, live))
        found = [await serving.sending(live, {"n": n}, key) for n in range(40)]
        await asyncio.sleep(0.3)
        entries = ledger(serving.world, live)[before:]
        copies = [e for e in entries if e["mirrored"]]
        assert {e["deployment"] for e in copies} == {"green"}
        assert 2 <= len(copies) <= 38
        return found

    asked = serving.world.run(ask())
    serving.endpoint(live, traffic={"blue": 100})
    assert {r.json()["release"] for r in asked} == {"blue"}


@pytest.mark.parametrize(
    ("traffic", "mirror"),
    [
        ({"blue": 100}, {"green": 51}),
        ({"blue": 50, "green": 50}, {"green": 10}),
        ({"blue": 100}, {"blue": 10}),
        ({}, {"green": 10}),
        ({"blue": 60}, {}),
        ({"blue": 60, "green": 60}, {}),
        ({"blue": 110}, {}),
        ({"blue": 101, "green": -1}, {}),
    ],
)
def test_impossible_shares_are_refused_and_change_nothing(
    serving: Serving, live: str, traffic: dict[str, int], mirror: dict[str, int]
) -> None:
    before = serving.world.get(f"/onlineEndpoints/{live}").json()["properties"]
    assert serving.endpoint(live, traffic=traffic, mirrorTraffic=mirror).status_code == 400
    assert serving.world.get(f"/onlineEndpoints/{live}").json()["properties"] == before


@pytest.mark.parametrize("status", [201, 204, 302, 400, 404, 500, 503])
def test_any_status_but_200_becomes_424(serving: Serving, echo: str, status: int) -> None:
    found = serving.score(echo, {"a": 1}, path=f"/score?status={status}")
    assert found.status_code == 424
    assert found.headers["ms-azureml-model-error-statuscode"] == str(status)
    assert found.headers["ms-azureml-model-error-reason"] == "model_error"
    assert found.headers["x-own"] == "kept"
    assert json.loads(found.json()["body"]) == {"a": 1}


def test_a_script_that_raises_tells_the_caller_nothing_of_it(serving: Serving, live: str) -> None:
    found = serving.score(live, {"raise": "secret-reason"})
    assert found.status_code == 424
    assert found.headers["ms-azureml-model-error-statuscode"] == "500"
    assert found.headers["x-ms-run-function-failed"] == "True"
    assert "secret-reason" not in found.text
    assert "secret-reason" in serving.logs(live)


def test_ids_join_both_logs(serving: Serving, echo: str) -> None:
    plain = serving.score(echo, {})
    told = plain.json()["headers"]
    assert plain.headers["x-request-id"] == told["x-request-id"] == plain.headers["x-ms-request-id"]
    assert "x-ms-client-request-id" not in plain.headers
    given = serving.score(echo, {}, x_ms_client_request_id="mine", x_request_id="outer")
    assert given.headers["x-request-id"] == "outer"
    assert given.headers["x-ms-client-request-id"] == "mine"
    assert given.json()["headers"]["x-ms-client-request-id"] == "mine"
    refused = serving.score(echo, {}, key="wrong", x_ms_client_request_id="mine")
    assert refused.headers["x-ms-client-request-id"] == "mine"
    assert len(refused.headers["x-request-id"]) == 36
    long = serving.score(echo, {}, x_ms_client_request_id="i" * 101)
    assert long.headers["ms-azureml-model-error-statuscode"] == "431"


def test_the_model_never_sees_the_callers_key(serving: Serving, echo: str) -> None:
    found = serving.score(echo, {}, azureml_model_deployment="blue")
    told = found.json()["headers"]
    assert "authorization" not in told
    assert "azureml-model-deployment" not in told
    assert serving.keys(echo)[0] not in found.text


def test_a_header_cannot_smuggle_another(serving: Serving, echo: str) -> None:
    found = serving.score(echo, {}, x_evil="a\nx-more: b\r\nx-most: c")
    told = found.json()["headers"]
    assert "x-more" not in told
    assert "x-most" not in told
    assert told["x-evil"].startswith("a x-more: b")


def test_swagger_and_health_go_through(serving: Serving, live: str) -> None:
    key = serving.keys(live)[0]
    url = f"https://{live}.eastus.inference.ml.azure.com"

    def get(path: str, key: str = key) -> httpx.Response:
        sent = serving._bare.get(f"{url}{path}", headers={"authorization": f"Bearer {key}"})
        found: httpx.Response = serving.world.run(sent)
        return found

    swagger = get("/swagger.json")
    assert swagger.status_code == 200
    assert swagger.json()["swagger"] == "2.0"
    assert "/score" in swagger.json()["paths"]
    assert get("/swagger.json?version=3").json()["openapi"].startswith("3.")
    assert get("/swagger.json", "wrong").status_code == 401
    assert get("/nothing").headers["ms-azureml-model-error-statuscode"] == "404"


def test_a_slow_model_is_a_408_and_soon_free_again(serving: Serving) -> None:
    serving.served("gate-slow", requestSettings={"requestTimeout": "PT0.3S"})
    late = serving.score("gate-slow", {"sleep": 5})
    assert late.status_code == 408
    assert late.text.startswith("upstream request timeout")
    assert late.headers["azureml-model-deployment"] == "blue"
    serving.world.run(asyncio.sleep(0.6))
    assert serving.score("gate-slow", {}).status_code == 200


def test_more_than_twice_the_concurrency_is_a_429(serving: Serving) -> None:
    serving.served("gate-many", capacity=2, requestSettings={"maxConcurrentRequestsPerInstance": 2})
    key = serving.keys("gate-many")[0]

    async def ask(count: int) -> list[httpx.Response]:
        return await asyncio.gather(
            *(serving.sending("gate-many", {"sleep": 0.1}, key) for _ in range(count))
        )

    found = serving.world.run(ask(12))
    assert Counter(r.status_code for r in found) == {200: 8, 429: 4}
    refused = next(r for r in found if r.status_code == 429)
    assert refused.headers["ms-azureml-model-error-reason"] == "too_many_pending_request"
    assert refused.content == b""
    assert {r.status_code for r in serving.world.run(ask(8))} == {200}


def test_a_worker_that_dies_fails_its_request_and_comes_back(serving: Serving, live: str) -> None:
    died = serving.score(live, {"exit": 9})
    assert died.status_code == 424
    assert died.headers["ms-azureml-model-error-reason"] == "model_error"
    assert serving.score(live, {}).status_code == 200


def test_requests_that_waited_outlive_the_worker_that_died(serving: Serving, live: str) -> None:
    serving.served("gate-queue", requestSettings={"maxConcurrentRequestsPerInstance": 50})
    key = serving.keys("gate-queue")[0]

    async def ask() -> list[httpx.Response]:
        bodies = [{"sleep": 0.1, "exit": 3}, *({"n": n} for n in range(5))]
        return await asyncio.gather(*(serving.sending("gate-queue", b, key) for b in bodies))

    first, *others = serving.world.run(ask())
    assert first.status_code == 424
    assert [r.status_code for r in others] == [200] * 5


def test_a_body_over_the_limit_is_a_413(serving: Serving, live: str) -> None:
    limit = serving.world.ctx.settings.max_body_mib << 20
    said = serving.score(live, b"", content_length=str(limit + 1))
    assert said.status_code == 413

    async def endless() -> AsyncIterator[bytes]:
        for _ in range((limit >> 20) + 2):
            yield b" " * (1 << 20)

    key = serving.keys(live)[0]
    sent = serving._bare.post(
        f"https://{live}.eastus.inference.ml.azure.com/score",
        content=endless(),
        headers={"authorization": f"Bearer {key}"},
    )
    assert serving.world.run(sent).status_code == 413
    assert serving.score(live, {}).status_code == 200


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"{", b"\x00" * 1000, b"[" * 100_000])
def test_bodies_that_no_script_can_read_hurt_nobody(
    serving: Serving, live: str, body: bytes
) -> None:
    found = serving.score(live, body)
    assert found.status_code == 424
    assert serving.score(live, {}).status_code == 200


def test_a_request_just_when_its_generation_is_replaced_goes_to_the_next(
    serving: Serving, live: str
) -> None:
    """The gateway holds the old generation when it stops, and must ask again."""
    world, key = serving.world, serving.keys(live)[0]
    hosting = hosting_of(world.ctx)
    route = hosting.route(live)
    assert route is not None
    current = hosting.live(route, "green")
    assert current is not None

    async def ask() -> httpx.Response:
        pool = current.pool
        real = pool.submit

        def stopped_once(*words: Any) -> int:
            from emulators.kernel.workers import PoolStopped

            pool.submit = real  # type: ignore[method-assign]
            raise PoolStopped("the deployment is stopping")

        pool.submit = stopped_once  # type: ignore[assignment, method-assign]
        return await serving.sending(live, {}, key, azureml_model_deployment="green")

    assert world.run(ask()).status_code == 200


def test_the_ledger_says_who_was_asked_but_no_secret(serving: Serving, live: str) -> None:
    serving.score(live, {"secret": "of the caller"})
    entry = ledger(serving.world, live)[-1]
    assert (entry["deployment"], entry["status"], entry["model_status"]) == ("blue", 200, 200)
    assert entry["auth"] == "Key"
    everything = json.dumps(ledger(serving.world, live)) + serving.logs(live)
    for key in serving.keys(live):
        assert key not in everything
    assert "of the caller" not in everything
