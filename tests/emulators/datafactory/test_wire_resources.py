"""Factories and their children over the wire: conditions, secrets, roles, hostile bodies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from emulators.arm.service import SPEC as ARM_SPEC
from emulators.datafactory import service
from tests.site import Site

GROUP = "resourceGroups/rg"
FACTORY = f"{GROUP}/providers/Microsoft.DataFactory/factories/adf-wire"
WORKSPACE = f"{GROUP}/providers/Microsoft.Synapse/workspaces/syn-wire"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"


class Wire(Site):
    """A site with one factory."""

    def child(self, method: str, path: str, properties: Any = None, **options: Any) -> Any:
        body = {"json": {"properties": properties}} if properties is not None else {}
        return self.arm(method, f"{FACTORY}/{path}", **body, **options)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Wire:
    folder: Path = tmp_path_factory.mktemp("factory")
    made = Wire(
        folder,
        [ARM_SPEC, service.SPEC, service.SYNAPSE, service.SYNAPSE_WORKSPACES],
    )
    assert made.arm("PUT", GROUP, json={"location": "eastus"}).status_code == 201
    assert made.arm("PUT", FACTORY, json={"location": "eastus"}).status_code == 200
    return made


def code(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


def wait(name: str = "A", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "Wait", "typeProperties": {"waitTimeInSeconds": 1}, **more}


def test_a_broken_pipeline_is_rejected_with_every_place(site: Wire) -> None:
    broken = {
        "activities": [
            wait("A", dependsOn=[{"activity": "Gone", "dependencyConditions": ["Succeeded"]}]),
            wait("a"),
        ]
    }
    answer = site.child("PUT", "pipelines/Broken", broken)
    assert (answer.status_code, code(answer)) == (400, "InvalidTemplate")
    error = answer.json()["error"]
    assert [one["code"] for one in error["details"]] == ["InvalidTemplate"] * 2
    assert "activities[0].dependsOn[0].activity" in error["details"][1]["message"]
    assert site.child("GET", "pipelines/Broken").status_code == 404


def test_what_is_missing_is_an_invalid_reference(site: Wire) -> None:
    calls = {
        "name": "Call",
        "type": "ExecutePipeline",
        "typeProperties": {"pipeline": {"referenceName": "Gone", "type": "PipelineReference"}},
    }
    answer = site.child("PUT", "pipelines/Caller", {"activities": [calls]})
    assert (answer.status_code, code(answer)) == (400, "BadRequest")
    assert "invalid reference 'Gone'" in answer.json()["error"]["message"]


def test_a_secret_is_never_given_back(site: Wire) -> None:
    secret = {"type": "SecureString", "value": "open sesame"}
    given = {"type": "HttpServer", "typeProperties": {"url": "https://x", "password": secret}}
    for answer in (
        site.child("PUT", "linkedservices/Web", given),
        site.child("GET", "linkedservices/web"),
        site.child("GET", "linkedservices"),
    ):
        assert answer.status_code == 200
        assert "open sesame" not in answer.text
        assert "**********" in answer.text
    site.child("DELETE", "linkedservices/Web")


def test_entity_tags(site: Wire) -> None:
    made = site.child("PUT", "pipelines/Tagged", {"activities": [wait()]}).json()
    tag = made["etag"]
    headers = {"if-none-match": f'W/"{tag}"'}
    assert site.child("GET", "pipelines/tagged", headers=headers).status_code == 304
    for wanted, status in ((tag, 200), (tag, 412), ("*", 200)):
        answer = site.child(
            "PUT", "pipelines/Tagged", {"activities": []}, headers={"if-match": wanted}
        )
        assert answer.status_code == status
    absent = site.child("PUT", "pipelines/New", {"activities": []}, headers={"if-match": "*"})
    assert absent.status_code == 412
    factory = site.arm("GET", FACTORY).json()
    assert factory["eTag"] == f'"{factory["eTag"].strip(chr(34))}"'
    stale = site.arm("PUT", FACTORY, json={}, headers={"if-match": '"other"'})
    assert stale.status_code == 412


def test_a_name_keeps_its_first_spelling(site: Wire) -> None:
    site.child("PUT", "pipelines/Mixed", {"activities": []})
    again = site.child("PUT", "pipelines/MIXED", {"activities": []}).json()
    assert again["name"] == "Mixed"
    assert again["id"].endswith("/factories/adf-wire/pipelines/Mixed")
    assert site.child("DELETE", "pipelines/mixeD").status_code == 200
    assert site.child("DELETE", "pipelines/mixeD").status_code == 204


@pytest.mark.parametrize("name", ["a.b", "a%3Fb", "%20a", "a*", "x" * 141, "a%23"])
def test_names_outside_the_rules(site: Wire, name: str) -> None:
    answer = site.child("PUT", f"pipelines/{name}", {"activities": []})
    assert (answer.status_code, code(answer)) == (400, "InvalidResourceName")


@pytest.mark.parametrize("name", ["ab", "-ab", "a--b", "a_b", "x" * 64])
def test_factory_names_outside_the_rules(site: Wire, name: str) -> None:
    at = f"{GROUP}/providers/Microsoft.DataFactory/factories/{name}"
    answer = site.arm("PUT", at, json={"location": "eastus"})
    assert (answer.status_code, code(answer)) == (400, "InvalidResourceName")


def test_an_identity_stays_until_another_is_asked_for(site: Wire) -> None:
    at = f"{GROUP}/providers/Microsoft.DataFactory/factories/adf-identity"
    body = {"location": "eastus", "identity": {"type": "SystemAssigned"}}
    first = site.arm("PUT", at, json=body).json()["identity"]
    assert site.arm("PUT", at, json={"location": "eastus"}).json()["identity"] == first
    user = {"type": "SystemAssigned,UserAssigned", "userAssignedIdentities": {"/x": {}}}
    both = site.arm("PATCH", at, json={"identity": user}).json()["identity"]
    assert both["principalId"] == first["principalId"]
    assert both["userAssignedIdentities"] == {"/x": {}}


def test_a_factory_needs_its_group(site: Wire) -> None:
    at = "resourceGroups/gone/providers/Microsoft.DataFactory/factories/adf-gone"
    assert code(site.arm("PUT", at, json={})) == "ResourceGroupNotFound"
    assert code(site.arm("GET", at)) == "ResourceNotFound"
    hostile = at.replace("gone/", "a%0d%0ab%2f..%3f/")
    assert code(site.arm("PUT", hostile, json={})) == "ResourceGroupNotFound"
    assert site.arm("DELETE", at).status_code == 204


def test_deep_json_is_refused_and_not_followed(site: Wire) -> None:
    activity: dict[str, Any] = wait()
    for level in range(120):
        branch = {"expression": "@bool(1)", "ifTrueActivities": [activity]}
        activity = {"name": f"I{level}", "type": "IfCondition", "typeProperties": branch}
    answer = site.child("PUT", "pipelines/Deep", {"activities": [activity]})
    assert (answer.status_code, code(answer)) == (400, "InvalidRequestContent")


def test_the_repository_is_noted(site: Wire) -> None:
    factory = f"/subscriptions/{site.ctx.secrets.subscription_id}/{FACTORY}"
    repo = {"type": "FactoryGitHubConfiguration", "accountName": "a", "repositoryName": "r"}
    answer = site.arm(
        "POST",
        "providers/Microsoft.DataFactory/locations/eastus/configureFactoryRepo",
        json={"factoryResourceId": factory, "repoConfiguration": repo},
    )
    assert answer.json()["properties"]["repoConfiguration"] == repo


def test_roles_decide(site: Wire) -> None:
    """A reader sees and changes nothing; a factory's contributor may not touch another's."""
    from emulators.kernel.access import Grant

    who = site.ctx.ids.guid()
    scope = f"/subscriptions/{site.ctx.secrets.subscription_id}/{FACTORY}".lower()
    site.ctx.access.begin("arm")
    owner = site.ctx.secrets.object_id
    site.ctx.access.give(Grant(owner, "owner", scope.partition("/resourcegroups")[0], ["*"]))
    site.ctx.access.give(Grant(who, "one", scope, ["*/read"]))
    token = site.token(object_id=who)
    assert site.arm("GET", FACTORY, token=token).status_code == 200
    assert site.child("GET", "pipelines", token=token).status_code == 200
    assert site.child("POST", "queryPipelineRuns", {}, token=token).status_code == 400
    for method, path in (
        ("PUT", "pipelines/New"),
        ("POST", "pipelines/Tagged/createRun"),
        ("DELETE", "pipelines/Tagged"),
    ):
        answer = site.child(method, path, {"activities": []}, token=token)
        assert (answer.status_code, code(answer)) == (403, "AuthorizationFailed"), path
    assert site.arm("PUT", WORKSPACE, json={}, token=token).status_code == 403
    assert site.arm("PUT", WORKSPACE, json={"location": "eastus"}).status_code == 200
    dev = "https://syn-wire.dev.azuresynapse.net/pipelines?api-version=2020-12-01"
    audience = "https://dev.azuresynapse.net"
    stranger, own = (site.token(audience, object_id=one) for one in (who, owner))
    assert site.ask("GET", dev, token=stranger).status_code == 403
    assert site.ask("GET", dev, token=own).status_code == 200
    assert site.ask("GET", dev, token=site.token()).status_code == 401
    other = "https://nobody.dev.azuresynapse.net/pipelines?api-version=2020-12-01"
    assert site.ask("GET", other, token=own).status_code == 404


def test_the_explicit_door_leads_to_a_workspace_and_on_through_its_pages(site: Wire) -> None:
    site.arm("PUT", WORKSPACE.replace("syn-wire", "syn-door"), json={"location": "eastus"})
    base = "https://localhost:8441/syn-door.dev.azuresynapse.net"
    token, version = site.token("https://dev.azuresynapse.net"), "?api-version=2020-12-01"
    for number in range(101):
        url = f"{base}/pipelines/P{number:03}{version}"
        made = site.ask("PUT", url, token=token, json={"properties": {"activities": []}})
        assert made.status_code == 202
    where = made.headers["location"]
    assert where.startswith(f"{base}/operationResults/")
    assert site.ask("GET", where, token=token).json()["name"] == "P100"
    other = where.replace("syn-door", "syn-wire")
    assert site.ask("GET", other, token=token).status_code == 404
    first = site.ask("GET", f"{base}/pipelines{version}", token=token).json()
    assert len(first["value"]) == 100
    assert first["nextLink"].startswith(f"{base}/pipelines?")
    rest = site.ask("GET", first["nextLink"], token=token).json()
    assert [one["name"] for one in rest["value"]] == ["P100"]
    assert "nextLink" not in rest


@pytest.mark.parametrize(
    "member",
    [
        {"location": 5},
        {"tags": []},
        {"tags": {"a": 5}},
        {"identity": "SystemAssigned"},
        {"identity": {"type": 5}},
        {"identity": {"type": "UserAssigned", "userAssignedIdentities": ["x"]}},
        {"identity": {"type": "UserAssigned", "userAssignedIdentities": {"x": 5}}},
        {"properties": {"globalParameters": {"a": 5}}},
    ],
)
def test_members_of_another_shape_are_refused(site: Wire, member: dict[str, Any]) -> None:
    for path in (FACTORY, WORKSPACE):
        answer = site.arm("PUT", path, json={"location": "eastus", **member})
        assert (answer.status_code, code(answer)) == (400, "InvalidRequestContent")
    changed = site.arm("PATCH", FACTORY, json=member)
    assert (changed.status_code, code(changed)) == (400, "InvalidRequestContent")


def test_an_update_leaves_an_integration_runtime_its_type(site: Wire) -> None:
    path = "integrationRuntimes/Own"
    assert site.child("PUT", path, {"type": "SelfHosted"}).status_code == 200
    refused = site.arm("PATCH", f"{FACTORY}/{path}", json={"type": None})
    assert (refused.status_code, code(refused)) == (400, "InvalidRequestContent")
    made = site.arm("PATCH", f"{FACTORY}/{path}", json={"autoUpdate": "On"})
    assert made.json()["properties"] == {"type": "SelfHosted", "autoUpdate": "On"}
