"""Resources that are records, roles, providers, and what is refused by name."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from emulators.arm.engine.kinds import KINDS
from emulators.arm.service import SPEC
from emulators.kernel import azure_http
from emulators.kernel.errors import Conflict
from emulators.kernel.http import Operation, Reply, ServiceSpec
from emulators.kernel.store_memory import MemoryStore
from tests.site import ARM, Site

GROUP = "resourceGroups/rehearsal"
REGISTRY = f"{GROUP}/providers/Microsoft.ContainerRegistry/registries"


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


@pytest.mark.parametrize("kind", sorted(kind.type for kind in KINDS.values()))
def test_every_recorded_kind_lives(site: Site, kind: str) -> None:
    path = f"{GROUP}/providers/{kind}/One"
    made = site.arm("PUT", path, json={"location": "East US", "tags": {"a": "1"}})
    body = made.json()
    assert made.status_code == 201
    assert (body["type"], body["name"], body["location"]) == (kind, "One", "eastus")
    again = site.arm("PUT", path.upper(), json={"location": "eastus", "tags": {"a": "1"}})
    assert again.status_code == 200
    assert again.json()["properties"] == body["properties"]  # made ids stay
    assert again.json()["id"] == body["id"]
    assert site.arm("GET", path.lower()).json()["properties"] == body["properties"]
    assert site.arm("HEAD", path).status_code == 204
    listed = site.arm("GET", path.rpartition("/")[0]).json()["value"]
    assert [one["id"] for one in listed] == [body["id"]]
    everywhere = site.arm("GET", f"providers/{kind}").json()["value"]
    assert [one["id"] for one in everywhere] == [body["id"]]
    changed = site.arm("PATCH", path, json={"tags": {"b": "2"}}).json()
    assert (changed["tags"], changed["properties"]) == ({"b": "2"}, body["properties"])
    assert site.arm("DELETE", path).status_code == 200
    assert site.arm("DELETE", path).status_code == 204
    assert site.arm("HEAD", path).status_code == 404
    assert code(site.arm("GET", path)) == (404, "ResourceNotFound")


def test_what_a_record_adds(site: Site) -> None:
    registry = site.arm("PUT", f"{REGISTRY}/Kv", json={"location": "eastus"}).json()["properties"]
    assert registry["loginServer"] == "kv.azurecr.io"
    path = f"{GROUP}/providers/Microsoft.Insights/components/ai"
    insights = site.arm("PUT", path, json={"location": "westus", "kind": "web"}).json()
    key = insights["properties"]["InstrumentationKey"]
    assert f"InstrumentationKey={key};" in insights["properties"]["ConnectionString"]
    assert insights["kind"] == "web"


@pytest.mark.parametrize(
    ("name", "body", "status", "error"),
    [
        ("kv", {}, 400, "LocationRequired"),
        ("kv", {"location": "eastus", "properties": []}, 400, "InvalidRequestContent"),
        ("kv", {"location": "eastus", "tags": {"a": None}}, 400, "InvalidTags"),
        ("a%2f..%2fb", {"location": "eastus"}, 400, "InvalidResourceName"),
        ("%2e%2e", {"location": "eastus"}, 400, "InvalidResourceName"),
        ("a%1fb", {"location": "eastus"}, 400, "InvalidResourceName"),
        ("a%00", {"location": "eastus"}, 400, "InvalidResourceName"),
        ("%0d%0aSet-Cookie:x", {"location": "eastus"}, 400, "InvalidResourceName"),
    ],
)
def test_refused_records(site: Site, name: str, body: Any, status: int, error: str) -> None:
    answer = site.arm("PUT", f"{REGISTRY}/{name}", json=body)
    assert code(answer) == (status, error)
    assert "set-cookie" not in answer.headers
    assert site.arm("GET", REGISTRY).json()["value"] == []


def test_a_record_cannot_move(site: Site) -> None:
    site.arm("PUT", f"{REGISTRY}/kv", json={"location": "eastus"})
    moved = site.arm("PUT", f"{REGISTRY}/kv", json={"location": "westus"})
    assert code(moved) == (409, "InvalidResourceLocation")


def test_a_missing_group(site: Site) -> None:
    path = "resourceGroups/none/providers/Microsoft.ContainerRegistry/registries/kv"
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        body = {"location": "eastus"} if method in ("PUT", "PATCH") else None
        assert code(site.arm(method, path, json=body)) == (404, "ResourceGroupNotFound")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", f"{GROUP}/providers/Microsoft.Network/virtualNetworks/v"),
        ("GET", f"{GROUP}/providers/Microsoft.Network/virtualNetworks"),
        ("POST", f"{GROUP}/providers/Microsoft.Resources/deployments/d/whatIf"),
        ("POST", "providers/Microsoft.Resources/deployments/d/whatIf"),
        ("PUT", "providers/Microsoft.Authorization/locks/l"),
        ("PUT", "providers/Microsoft.Authorization/policyAssignments/p"),
        ("PUT", f"{REGISTRY}/kv/tasks/t"),
        ("POST", f"{REGISTRY}/kv/importImage"),
        ("DELETE", REGISTRY),
        ("POST", f"{GROUP}/exportTemplate"),
        ("POST", f"{GROUP}/moveResources"),
        ("GET", "tagNames"),
        ("GET", "providers/Microsoft.Cdn"),
        ("POST", "providers/Microsoft.Cdn/register"),
        ("POST", "providers/Microsoft.Storage/unregister"),
        ("PUT", "providers/Microsoft.Resources/tags/default"),
    ],
)
def test_what_would_have_to_act_is_refused(site: Site, method: str, path: str) -> None:
    body = {"location": "eastus"} if method == "PUT" else None
    answer = site.arm(method, path, json=body)
    assert code(answer) == (501, "NotEmulated")
    site.ctx.ledger.flush()
    assert sum(site.ctx.ledger.refusals.values()) == 1


def test_a_stranger_s_namespace(site: Site) -> None:
    path = f"{GROUP}/providers/Contoso.Things/widgets/w"
    assert code(site.arm("GET", path)) == (404, "InvalidResourceNamespace")
    assert code(site.arm("GET", "providers/Contoso.Things")) == (404, "InvalidResourceNamespace")


def test_the_generic_list_and_its_filters(site: Site) -> None:
    site.arm("PUT", "resourceGroups/b", json={"location": "eastus"})
    site.arm("PUT", f"{REGISTRY}/kv", json={"location": "eastus", "tags": {"Env": "dev"}})
    other = "resourceGroups/b/providers/Microsoft.ContainerRegistry/registries/reg"
    site.arm("PUT", other, json={"location": "westus"})

    def names(query: str = "", scope: str = "") -> list[str]:
        found = site.arm("GET", f"{scope}resources?{query}").json()["value"]
        return [one["name"] for one in found]

    assert names() == ["reg", "kv"]
    assert names(scope="resourceGroups/B/") == ["reg"]
    assert names("$filter=resourceType eq 'microsoft.containerregistry/REGISTRIES'") == [
        "reg",
        "kv",
    ]
    assert names("$filter=name eq 'REG' or location eq 'eastus'") == ["reg", "kv"]
    assert names("$filter=resourceGroup eq 'b'") == ["reg"]
    assert names("$filter=tagName eq 'env' and tagValue eq 'dev'") == ["kv"]
    assert names("$filter=tagName eq 'none'") == []
    assert names("$top=1") == ["reg"]
    expanded = site.arm("GET", "resources?$expand=createdTime,provisioningState").json()["value"]
    assert {"createdTime", "provisioningState"} <= set(expanded[0])
    assert "properties" not in expanded[0]
    refused = site.arm("GET", "resources?$filter=tagValue eq 'x'")
    assert code(refused) == (400, "InvalidFilterInQueryString")


READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"


def role(site: Site, name: str) -> str:
    subscription = site.ctx.secrets.subscription_id
    return f"/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{name}"


def test_roles_are_given_listed_and_taken_away(site: Site) -> None:
    site.arm("PUT", f"{REGISTRY}/kv", json={"location": "eastus"})
    principal, name = site.ctx.ids.guid(), site.ctx.ids.guid()
    kind = "providers/Microsoft.Authorization/roleAssignments"
    body = {"properties": {"roleDefinitionId": role(site, READER), "principalId": principal}}
    made = site.arm("PUT", f"{REGISTRY}/kv/{kind}/{name}", json=body)
    assert made.status_code == 201
    assert made.json()["properties"]["scope"].endswith("/registries/kv")
    assert site.arm("PUT", f"{REGISTRY}/kv/{kind}/{name}", json=body).status_code == 200
    twin = site.arm("PUT", f"{REGISTRY}/kv/{kind}/{site.ctx.ids.guid()}", json=body)
    assert code(twin) == (409, "RoleAssignmentExists")

    def listed(scope: str, query: str = "") -> list[str]:
        return [one["name"] for one in site.arm("GET", f"{scope}{kind}?{query}").json()["value"]]

    assert listed("") == [name]
    assert listed("", "$filter=atScope()") == []
    assert listed(f"{REGISTRY}/kv/", "$filter=atScope()") == [name]
    assert listed("", f"$filter=principalId eq '{principal.upper()}'") == [name]
    assert listed("", f"$filter=assignedTo('{site.ctx.ids.guid()}')") == []
    assert site.arm("GET", f"{REGISTRY}/kv/{kind}/{name}").json() == made.json()
    site.arm("DELETE", f"{REGISTRY}/kv")
    assert listed("") == []  # it went with its scope
    assert site.arm("DELETE", f"{REGISTRY}/kv/{kind}/{name}").status_code == 204


@pytest.mark.parametrize(
    ("name", "properties", "error"),
    [
        ("no-guid", {}, "InvalidCreateRoleAssignmentRequest"),
        (None, {}, "InvalidCreateRoleAssignmentRequest"),
        (None, {"principalId": "x"}, "InvalidCreateRoleAssignmentRequest"),
        (
            None,
            {"principalId": READER, "roleDefinitionId": READER[:-1] + "0"},
            "RoleDefinitionDoesNotExist",
        ),
        (None, {"principalId": READER}, "RoleDefinitionDoesNotExist"),
        (None, {"principalId": READER, "roleDefinitionId": 7}, "RoleDefinitionDoesNotExist"),
    ],
)
def test_refused_roles(site: Site, name: str | None, properties: Any, error: str) -> None:
    path = f"{GROUP}/providers/Microsoft.Authorization/roleAssignments/{name or READER}"
    assert code(site.arm("PUT", path, json={"properties": properties})) == (400, error)


def test_role_definitions(site: Site) -> None:
    path = "providers/Microsoft.Authorization/roleDefinitions"
    found = site.arm("GET", f"{path}?$filter=roleName eq 'contributor'").json()["value"]
    assert [one["properties"]["roleName"] for one in found] == ["Contributor"]
    one = site.arm("GET", f"/{path}/{found[0]['name'].upper()}").json()
    assert one["properties"] == found[0]["properties"]
    assert len(site.arm("GET", f"{GROUP}/{path}").json()["value"]) > 8
    assert code(site.arm("PUT", f"{path}/{READER}", json={})) == (501, "NotEmulated")


def test_providers(site: Site) -> None:
    listed = site.arm("GET", "providers").json()["value"]
    namespaces = [one["namespace"] for one in listed]
    assert {"Microsoft.MachineLearningServices", "Microsoft.Storage"} <= set(namespaces)
    one = site.arm("GET", "providers/microsoft.machinelearningservices").json()
    assert one["registrationState"] == "Registered"
    kinds = {kind["resourceType"]: kind["apiVersions"] for kind in one["resourceTypes"]}
    assert "2024-10-01" in kinds["workspaces"]
    registered = site.arm("POST", "providers/Microsoft.Storage/register").json()
    assert registered["registrationState"] == "Registered"
    assert "registrationState" not in site.arm("GET", "/providers/Microsoft.Storage").json()


class Refusing(Conflict):
    """A peer's own reason."""

    code = "InUse"


def peer(stubborn: bool = False) -> tuple[ServiceSpec, list[str]]:
    """Another emulator on the same host that holds one storage account."""
    gone: list[str] = []
    accounts = "/subscriptions/{s}/resourceGroups/{g}/providers/Microsoft.Storage/storageAccounts"

    async def listed(request: Any) -> Reply:
        base = request.scope["azure_path"]
        held = [] if gone else [
            {"id": f"{base}/acct", "name": "acct", "type": "Microsoft.Storage/storageAccounts",
             "location": "eastus", "properties": {"secret": 1}}
        ]  # fmt: skip
        return Reply(200, {"value": held})

    async def deleted(request: Any) -> Reply:
        if stubborn:
            raise Refusing("The account is in use.")
        gone.append(request.path_params["name"])
        return Reply(200)

    spec = ServiceSpec(
        name="peer",
        hosts=("management.azure.com",),
        operations=lambda: [
            Operation("L", "GET", accounts, listed),
            Operation("D", "DELETE", accounts + "/{name}", deleted),
        ],
        audiences=(ARM,),
    )
    return spec, gone


def test_what_others_hold_is_listed_and_deleted_with_its_group(site: Site) -> None:
    spec, gone = peer()
    site.app._specs.append(spec)
    listed = site.arm("GET", f"{GROUP}/resources").json()["value"]
    assert [one["name"] for one in listed] == ["acct"]
    assert "properties" not in listed[0]
    site.arm("PUT", f"{REGISTRY}/kv", json={"location": "eastus"})
    removed = site.arm("DELETE", GROUP)
    assert gone == ["acct"]
    assert site.ask("GET", removed.headers["location"], token=site.token()).status_code == 200
    site.arm("PUT", GROUP, json={"location": "eastus"})
    assert site.arm("GET", f"{GROUP}/resources").json()["value"] == []


def test_a_group_stays_when_something_in_it_does(site: Site) -> None:
    spec, _ = peer(stubborn=True)
    site.app._specs.append(spec)
    removed = site.arm("DELETE", GROUP)
    answer = site.ask("GET", removed.headers["location"], token=site.token())
    assert code(answer) == (409, "ResourceGroupDeletionBlocked")
    assert "The account is in use." in answer.json()["error"]["message"]
    assert site.arm("HEAD", GROUP).status_code == 204


def test_a_deletion_cut_short_is_said_to_have_failed(site: Site) -> None:
    group = site.arm("GET", GROUP).json()["id"]
    begun = azure_http.begin(site.ctx, group)
    other = azure_http.begin(site.ctx, f"{group}/providers/Microsoft.X/things/t")
    running = site.arm("GET", f"operationresults/{begun.id}")
    assert (running.status_code, "x-ms-retry-after-ms" in running.headers) == (202, True)

    async def start() -> None:
        assert SPEC.lifespan is not None
        async with SPEC.lifespan(site.ctx):
            return

    asyncio.run(start())
    assert code(site.arm("GET", f"operationresults/{begun.id}")) == (409, "OperationInterrupted")
    assert [op.id for op in azure_http.interrupted(site.ctx)] == [other.id]
    assert code(site.arm("GET", "operationresults/none"))[0] == 404
    owners = site.arm("GET", "providers/Microsoft.Authorization/roleAssignments").json()["value"]
    owner = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
    assert [
        o["properties"]["principalId"]
        for o in owners
        if o["properties"]["roleDefinitionId"].endswith(owner)
    ] == [site.ctx.secrets.object_id]


def test_a_failing_peer_is_not_an_empty_list(site: Site) -> None:
    spec, _ = peer()

    async def broken(request: Any) -> Reply:
        raise Refusing("no")

    first, second = spec.operations()
    site.app._specs.append(
        ServiceSpec(
            name="broken",
            hosts=spec.hosts,
            operations=lambda: [Operation("B", first.method, first.path, broken), second],
        )
    )
    assert code(site.arm("GET", f"{GROUP}/resources")) == (502, "BadGateway")


def test_state_is_in_the_store(site: Site) -> None:
    """Another process on the same store sees what this one acknowledged."""
    site.arm("PUT", f"{REGISTRY}/kv", json={"location": "eastus"})
    assert isinstance(site.ctx.store, MemoryStore)
    names = set(site.ctx.store._tables)
    assert {"arm_groups", "arm_resources", "arm_seeds"} <= names
