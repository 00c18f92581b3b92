"""Subscriptions, resource groups and their errors, as ARM words them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.site import ARM, Site

STRANGER = "11111111-2222-3333-4444-555555555555"


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_the_subscription_and_the_tenant(site: Site) -> None:
    subscription = site.ctx.secrets.subscription_id
    listed = site.arm("GET", "/subscriptions").json()["value"]
    assert [s["subscriptionId"] for s in listed] == [subscription]
    assert listed[0]["displayName"] == "Rehearsal"
    assert listed[0]["tenantId"] == site.ctx.secrets.tenant_id
    one = site.arm("GET", f"/SUBSCRIPTIONS/{subscription.upper()}").json()
    assert one == listed[0]
    assert site.arm("GET", "/tenants").json()["value"][0]["tenantId"] == one["tenantId"]
    regions = site.arm("GET", "locations").json()["value"]
    assert {"eastus", "westeurope"} <= {r["name"] for r in regions}


def test_another_subscription(site: Site) -> None:
    for path in ("", "/resourceGroups", "/resourceGroups/x", "/locations", "/providers"):
        found = site.arm("GET", f"/subscriptions/{STRANGER}{path}")
        assert code(found) == (404, "SubscriptionNotFound")
    assert code(site.arm("GET", "/subscriptions/x/resourceGroups")) == (
        400,
        "InvalidSubscriptionId",
    )


def test_a_group_s_life(site: Site) -> None:
    made = site.arm(
        "PUT", "resourcegroups/Team.A", json={"location": "West US", "tags": {"a": "1"}}
    )
    assert made.status_code == 201
    body = made.json()
    assert (body["name"], body["location"], body["tags"]) == ("Team.A", "westus", {"a": "1"})
    assert body["id"].endswith("/resourceGroups/Team.A")
    assert body["properties"] == {"provisioningState": "Succeeded"}
    again = site.arm("PUT", "resourceGroups/TEAM.a", json={"location": "westus"})
    assert (again.status_code, again.json()["name"], again.json()["tags"]) == (200, "Team.A", {})
    assert site.arm("HEAD", "resourceGroups/team.a").status_code == 204
    patched = site.arm("PATCH", "resourceGroups/team.a", json={"tags": {"b": "2"}})
    assert patched.json()["tags"] == {"b": "2"}
    gone = site.arm("DELETE", "resourceGroups/team.a")
    assert (gone.status_code, gone.content) == (202, b"")
    assert "x-ms-retry-after-ms" in gone.headers
    assert site.ask("GET", gone.headers["location"], token=site.token()).status_code == 200
    assert site.arm("HEAD", "resourceGroups/team.a").status_code == 404
    assert code(site.arm("GET", "resourceGroups/team.a")) == (404, "ResourceGroupNotFound")
    assert code(site.arm("DELETE", "resourceGroups/team.a")) == (404, "ResourceGroupNotFound")


def test_the_first_group_is_seeded_once(site: Site) -> None:
    names = [g["name"] for g in site.arm("GET", "resourceGroups").json()["value"]]
    assert names == ["rehearsal"]
    site.arm("DELETE", "resourceGroups/rehearsal")
    assert site.arm("GET", "resourceGroups").json()["value"] == []


@pytest.mark.parametrize(
    ("name", "body", "status", "error"),
    [
        ("a", {}, 400, "LocationRequired"),
        ("a", {"location": 5}, 400, "LocationRequired"),
        ("a", {"location": "the moon"}, 400, "LocationNotAvailableForResourceGroup"),
        ("rehearsal", {"location": "westus"}, 409, "InvalidResourceGroupLocation"),
        ("a.", {"location": "eastus"}, 400, "InvalidResourceGroup"),
        ("a%20b", {"location": "eastus"}, 400, "InvalidResourceGroup"),
        ("a%2f..%2fb", {"location": "eastus"}, 400, "InvalidResourceGroup"),
        ("a%1fb", {"location": "eastus"}, 400, "InvalidResourceGroup"),
        ("x" * 91, {"location": "eastus"}, 400, "InvalidResourceGroup"),
        ("a", {"location": "eastus", "tags": []}, 400, "InvalidTags"),
        ("a", {"location": "eastus", "tags": {"x": 1}}, 400, "InvalidTags"),
        ("a", {"location": "eastus", "tags": {"x<": "1"}}, 400, "InvalidTags"),
        ("a", {"location": "eastus", "tags": {"x": "1" * 257}}, 400, "InvalidTags"),
        ("a", {"location": "eastus", "tags": {"x": "1", "X": "2"}}, 400, "InvalidTags"),
        ("a", {"location": "eastus", "tags": {str(n): "" for n in range(51)}}, 400, "InvalidTags"),
        ("a", {"location": "eastus", "managedBy": 1}, 400, "InvalidRequestContent"),
    ],
)
def test_refused_groups(site: Site, name: str, body: Any, status: int, error: str) -> None:
    assert code(site.arm("PUT", f"resourceGroups/{name}", json=body)) == (status, error)
    assert len(site.arm("GET", "resourceGroups").json()["value"]) == 1


@pytest.mark.parametrize("content", [b"{", b"[1]", b'"x"', b"\xff", b"[" * 100_000])
def test_malformed_bodies(site: Site, content: bytes) -> None:
    answer = site.arm("PUT", "resourceGroups/a", content=content)
    assert code(answer) == (400, "InvalidRequestContent")


def test_pages_follow_each_other(site: Site) -> None:
    for number in range(5):
        site.arm("PUT", f"resourceGroups/g{number}", json={"location": "eastus"})
    url: str | None = f"{ARM}/subscriptions/{site.ctx.secrets.subscription_id}/resourceGroups"
    url, names = f"{url}?api-version=2025-04-01&$top=2", []
    while url:
        body = site.ask("GET", url, token=site.token()).json()
        assert len(body["value"]) <= 2
        names += [g["name"] for g in body["value"]]
        url = body.get("nextLink")
    assert names == ["g0", "g1", "g2", "g3", "g4", "rehearsal"]


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("$top=0", "InvalidTopInQueryString"),
        ("$top=x", "InvalidTopInQueryString"),
        ("$top=²", "InvalidTopInQueryString"),
        ("$skiptoken=%ff", "InvalidSkipToken"),
        ("$skiptoken=a", "InvalidSkipToken"),
        ("$filter=bogus", "InvalidFilterInQueryString"),
    ],
)
def test_refused_queries(site: Site, query: str, error: str) -> None:
    assert code(site.arm("GET", f"resourceGroups?{query}")) == (400, error)


def test_groups_by_tag(site: Site) -> None:
    site.arm("PUT", "resourceGroups/a", json={"location": "eastus", "tags": {"Env": "Dev"}})
    site.arm("PUT", "resourceGroups/b", json={"location": "eastus", "tags": {"env": "prod"}})

    def named(text: str) -> list[str]:
        found = site.arm("GET", f"resourceGroups?$filter={text}").json()["value"]
        return [g["name"] for g in found]

    assert named("tagName eq 'env'") == ["a", "b"]
    assert named("tagName eq 'env' and tagValue eq 'dev'") == ["a"]
    assert named("tagName eq 'none'") == []


def test_the_api_version_is_required(site: Site) -> None:
    url = f"{ARM}/subscriptions"
    assert code(site.ask("GET", url, token=site.token())) == (400, "MissingApiVersionParameter")
    bad = site.ask("GET", f"{url}?api-version=banana", token=site.token())
    assert code(bad) == (400, "InvalidApiVersionParameter")
    newer = site.ask("GET", f"{url}?api-version=2031-01-01", token=site.token())
    assert newer.headers["x-emulator-served-as"] == "2026-06-01"


def test_an_unknown_path_is_not_found(site: Site) -> None:
    assert code(site.arm("GET", "resourceGroups/rehearsal/bogus"))[0] == 404
    assert code(site.arm("GET", "/bogus"))[0] == 404
    assert code(site.arm("POST", "resourceGroups/rehearsal/bogus"))[0] == 404


@pytest.mark.parametrize("version", ["2015-01-01", "2019-05-01", "2020-06-01", "2022-09-01"])
def test_cloud_metadata_is_open_to_all(site: Site, version: str) -> None:
    answer = site.ask("GET", f"{ARM}/metadata/endpoints?api-version={version}")
    body = answer.json()
    whole = body[0] if isinstance(body, list) else body
    assert whole["authentication"]["loginEndpoint"] == "https://login.microsoftonline.com/"
    if version > "2018":
        assert whole["name"] == "AzureCloud"
        assert whole["resourceManager"] == f"{ARM}/"


def test_cloud_metadata_of_the_explicit_door(site: Site) -> None:
    url = "https://localhost:8441/metadata/endpoints?api-version=2022-09-01"
    body = site.ask("GET", url).json()
    assert body["name"] == "Rehearsal"
    assert body["resourceManager"] == "https://localhost:8441/"
    assert body["resourceManager"] in url  # how azure-ai-ml recognises its cloud
    assert body["authentication"]["audiences"][0] == "https://localhost:8441"
    assert ":" not in body["authentication"]["loginEndpoint"].removeprefix("https://")
    assert body["portal"].split(".")[2:] == ["com"]  # makes the audience https://ml.azure.com
    assert body["suffixes"]["storage"] == "core.windows.net"
