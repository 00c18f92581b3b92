"""Deployments of templates: their resources, order, errors, secrets, outputs and ends."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest

from emulators.arm.engine.deployments import records
from emulators.arm.engine.deployments.hosting import deployer_of
from emulators.arm.engine.templates.frames import Place
from emulators.arm.store import DEPLOYMENTS
from tests.emulators.arm.deploying import DEPLOYMENT, GROUP, Deploying, nested, values
from tests.emulators.arm.providers import TYPE, template, thing


def test_resources_are_put_in_order_with_what_they_say(deploying: Deploying) -> None:
    what = template(
        thing("third", f"[resourceId('{TYPE}', 'second')]"),
        thing("second", "first", properties={"of": "[reference('first').size]", "gone": None}),
        thing(
            "first",
            properties={"size": "[parameters('size')]", "tag": "[[not an expression]"},
            tags={"[concat('a', 'b')]": "[resourceGroup().location]"},
            comments="not for the provider",
        ),
        parameters={"size": {"type": "int", "minValue": 1}},
        outputs={
            "size": {"type": "int", "value": "[reference('first').size]"},
            "where": {
                "type": "string",
                "value": "[reference('third', '2026-01-01', 'full').location]",
            },
        },
    )
    ended = deploying.put(what, parameters=values(size=3))
    properties = ended["properties"]
    assert properties["provisioningState"] == "Succeeded"
    assert deploying.things.order == ["first", "second", "third"]
    first, second = deploying.things.made("first", "second")
    assert first == {
        "location": "eastus",
        "properties": {"size": 3, "tag": "[not an expression]"},
        "tags": {"ab": "eastus"},
    }
    assert second["properties"] == {"of": 3}
    assert properties["parameters"] == {"size": {"type": "Int", "value": 3}}
    assert properties["outputs"] == {
        "size": {"type": "Int", "value": 3},
        "where": {"type": "String", "value": "eastus"},
    }
    ids = [one["id"].rpartition("/")[2] for one in properties["outputResources"]]
    assert ids == ["first", "second", "third"]
    assert properties["duration"].startswith("PT0.")
    assert deploying.things.callers == {deploying.ctx.secrets.object_id}
    after = {
        one["resourceName"]: [d["resourceName"] for d in one["dependsOn"]]
        for one in properties["dependencies"]
    }
    assert after == {"third": ["second"], "second": ["first"]}


@pytest.mark.parametrize("way", ["slow", "located", "creating"])
def test_what_takes_its_time_is_waited_for(deploying: Deploying, way: str) -> None:
    ended = deploying.put(template(thing(way), thing("after", way)))
    assert ended["properties"]["provisioningState"] == "Succeeded"
    assert deploying.things.order == [way, "after"]


def test_a_refusal_is_the_deployment_s_error(deploying: Deploying) -> None:
    what = template(thing("bad"), thing("alone"), thing("never", "bad"), thing("nor", "never"))
    ended = deploying.put(what)
    error = ended["properties"]["error"]
    assert ended["properties"]["provisioningState"] == "Failed"
    assert (error["code"], error["target"]) == ("DeploymentFailed", ended["id"])
    assert error["message"].startswith("At least one resource deployment operation failed.")
    assert error["details"] == [
        {"code": "ThingRefused", "message": "The thing 'bad' is refused.", "target": "bad"}
    ]
    assert deploying.things.order == ["alone"]
    assert "outputResources" not in ended["properties"]
    steps = deploying.arm("GET", f"{GROUP}/deployments/d/operations").json()["value"]
    told = {
        s["properties"]["targetResource"]["resourceName"]: (
            s["properties"]["provisioningState"],
            s["properties"]["statusCode"],
        )
        for s in steps
    }
    assert told == {"bad": ("Failed", "BadRequest"), "alone": ("Succeeded", "Created")}
    [failed] = [s for s in steps if s["properties"]["provisioningState"] == "Failed"]
    assert failed["properties"]["statusMessage"]["error"]["code"] == "ThingRefused"
    one = deploying.arm("GET", f"{GROUP}/{DEPLOYMENT}/d/operations/{failed['operationId']}")
    assert one.json() == failed


def test_a_failure_after_a_while(deploying: Deploying) -> None:
    ended = deploying.put(template(thing("broken"), thing("fading")))
    details = {
        one["target"].rpartition("/")[2]: one for one in ended["properties"]["error"]["details"]
    }
    assert details["broken"]["code"] == "ResourceDeploymentFailure"
    assert "terminal provisioning state 'Failed'" in details["broken"]["message"]
    assert details["broken"]["details"][0]["code"] == "ThingBroke"
    assert "details" not in details["fading"]


def test_a_type_that_nobody_serves(deploying: Deploying) -> None:
    other = {
        "type": "Microsoft.Network/virtualNetworks",
        "apiVersion": "2024-01-01",
        "name": "v",
        "location": "eastus",
        "properties": {},
    }
    [detail] = deploying.put(template(other))["properties"]["error"]["details"]
    assert detail["code"] == "NotEmulated"
    assert "Microsoft.Network/virtualNetworks" in detail["message"]


def test_conditions_children_loops_and_scopes(deploying: Deploying) -> None:
    what = template(
        thing("no", condition="[equals(parameters('n'), 7)]"),
        thing(
            "parent",
            "no",
            resources=[
                {**thing("part", f"[resourceId('{TYPE}', 'parent')]"), "type": "parts"},
                {**thing("parent/whole"), "type": f"{TYPE}/parts"},
            ],
        ),
        thing(
            "[format('turn{0}', copyIndex(1))]",
            copy={"name": "turns", "count": "[parameters('n')]", "mode": "serial", "batchSize": 1},
            properties={
                "index": "[copyIndex()]",
                "copy": [{"name": "inner", "count": 2, "input": "[copyIndex('inner', 10)]"}],
            },
        ),
        thing("[concat('none', copyIndex())]", copy={"name": "none", "count": 0}),
        thing("last", "turns", "none"),
        {
            **thing("kv"),
            "type": "Microsoft.ContainerRegistry/registries",
            "apiVersion": "2023-07-01",
        },
        {
            "type": "Microsoft.Authorization/roleAssignments",
            "apiVersion": "2022-04-01",
            "name": "[guid('a')]",
            "scope": "Microsoft.ContainerRegistry/registries/kv",
            "dependsOn": ["kv"],
            "properties": {
                "roleDefinitionId": "[subscriptionResourceId("
                "'Microsoft.Authorization/roleDefinitions',"
                " 'b24988ac-6180-42a0-ab88-20f7382dd24c')]",
                "principalId": "[guid('p')]",
                "principalType": "ServicePrincipal",
            },
        },
        parameters={"n": {"type": "int", "defaultValue": 3}},
        outputs={
            "names": {
                "type": "array",
                "copy": {"count": 2, "input": "[reference(format('turn{0}', copyIndex(1))).index]"},
            },
            "absent": {"type": "string", "condition": False, "value": "[reference('no').x]"},
        },
    )
    assert deploying.outputs(what) == {"names": [0, 1]}
    assert "no" not in deploying.things.kept
    assert {"parent", "parent/parts/part", "parent/parts/whole"} <= deploying.things.kept.keys()
    turns = [name for name in deploying.things.order if name.startswith("turn")]
    assert turns == ["turn1", "turn2", "turn3"]
    assert deploying.things.made("turn3")[0]["properties"] == {"index": 2, "inner": [10, 11]}
    assert deploying.things.order.index("last") > deploying.things.order.index("turn3")
    registry = f"{GROUP}/providers/Microsoft.ContainerRegistry/registries/kv"
    scope = f"{registry}/providers/Microsoft.Authorization/roleAssignments"
    assert len(deploying.arm("GET", scope).json()["value"]) == 1


def test_loops_run_side_by_side_unless_told_otherwise(deploying: Deploying) -> None:
    copy = {"name": "turns", "count": 12}
    deploying.put(template(thing("[concat('t', copyIndex())]", copy=copy)))
    assert deploying.things.most_running > 1
    deploying.things.most_running = 0
    serial = {**copy, "mode": "Serial", "batchSize": 1}
    deploying.put(template(thing("[concat('u', copyIndex())]", copy=serial)))
    assert deploying.things.most_running == 1


def test_secrets_are_used_and_never_kept_or_shown(deploying: Deploying) -> None:
    secret = "the-very-secret-value"
    inner = template(
        thing("inner", properties={"password": "[parameters('deep')]"}),
        parameters={"deep": {"type": "securestring"}},
        outputs={"kept": {"type": "securestring", "value": "[parameters('deep')]"}},
    )
    what = template(
        thing("one", properties={"password": "[parameters('password').word]"}),
        nested(
            "within", inner, parameters=values(deep="[parameters('password').word]"), scope="inner"
        ),
        parameters={"password": {"type": "secureObject"}},
        outputs={
            "again": {"type": "secureObject", "value": "[parameters('password')]"},
            "about": {"type": "object", "value": "[deployment().properties.parameters]"},
        },
    )
    ended = deploying.put(what, parameters=values(password={"word": secret}))
    assert ended["properties"]["provisioningState"] == "Succeeded", ended
    assert [one["properties"]["password"] for one in deploying.things.made("one", "inner")] == [
        secret
    ] * 2
    assert ended["properties"]["parameters"]["password"] == {"type": "SecureObject"}
    assert ended["properties"]["outputs"]["again"] == {"type": "SecureObject"}
    assert ended["properties"]["outputs"]["about"]["value"] == {}
    for one in deploying.ctx.store.scan(DEPLOYMENTS):
        assert secret not in repr(one)
    listed = deploying.arm("GET", f"{GROUP}/{DEPLOYMENT}").text
    assert "within" in listed
    assert secret not in listed


def test_nested_templates_in_both_scopes(deploying: Deploying) -> None:
    inner = template(
        thing("[concat('in-', variables('v'))]", properties={"p": "[parameters('p')]"}),
        parameters={"p": {"type": "string"}, "q": {"type": "string", "defaultValue": "inner"}},
        variables={"v": "[parameters('q')]"},
        outputs={"name": {"type": "string", "value": "[parameters('p')]"}},
    )
    outer = template(
        thing("[concat('out-', variables('v'))]", properties={"p": "[reference('base').size]"})
    )
    what = template(
        thing("base", properties={"size": 5}),
        nested(
            "inner", inner, scope="inner", parameters=values(p="[string(reference('base').size)]")
        ),
        nested("outer", outer),
        thing("end", properties={"name": "[reference('inner').outputs.name.value]"}),
        variables={"v": "outer"},
    )
    ended = deploying.put(what)
    assert ended["properties"]["provisioningState"] == "Succeeded", ended
    made = deploying.things.made("in-inner", "out-outer", "end")
    assert [one["properties"] for one in made] == [{"p": "5"}, {"p": 5}, {"name": "5"}]
    names = [one["name"] for one in deploying.arm("GET", f"{GROUP}/{DEPLOYMENT}").json()["value"]]
    assert names == ["d", "inner", "outer"]
    correlations = {
        deploying.arm("GET", f"{GROUP}/{DEPLOYMENT}/{name}").json()["properties"]["correlationId"]
        for name in names
    }
    assert len(correlations) == 1


def test_a_nested_failure_is_the_outer_one_s(deploying: Deploying) -> None:
    what = template(nested("within", template(thing("bad"))), thing("after", "within"))
    ended = deploying.put(what)
    [detail] = ended["properties"]["error"]["details"]
    assert (detail["code"], detail["target"].rpartition("/")[2]) == ("DeploymentFailed", "within")
    assert detail["details"][0]["code"] == "ThingRefused"
    assert deploying.things.order == []


def test_a_group_and_what_is_in_it_from_the_subscription(deploying: Deploying) -> None:
    group = {
        "type": "Microsoft.Resources/resourceGroups",
        "apiVersion": "2024-03-01",
        "name": "[parameters('name')]",
        "location": "[deployment().location]",
        "properties": {},
    }
    inside = template(
        thing("there", properties={"group": "[resourceGroup().name]"}),
        outputs={"id": {"type": "string", "value": f"[resourceId('{TYPE}', 'there')]"}},
    )
    what = template(
        group,
        nested(
            "inside",
            inside,
            "[subscriptionResourceId('Microsoft.Resources/resourceGroups', parameters('name'))]",
            scope="inner",
            group="[parameters('name')]",
        ),
        parameters={"name": {"type": "string"}},
        outputs={
            "id": {"type": "string", "value": "[reference(resourceId(parameters('name'),"
                   " 'Microsoft.Resources/deployments', 'inside'), '2024-03-01').outputs.id.value]"}
        },
    )  # fmt: skip
    group["name"] = "[parameters('name')]"
    what["resources"][1]["dependsOn"] = ["[parameters('name')]"]
    found = deploying.outputs(what, scope="", parameters=values(name="new"))
    subscription = deploying.ctx.secrets.subscription_id
    assert found["id"] == f"/subscriptions/{subscription}/resourceGroups/new/providers/{TYPE}/there"
    assert deploying.things.made("there")[0]["properties"] == {"group": "new"}
    assert deploying.arm("GET", "resourceGroups/new").json()["location"] == "eastus"
    listed = deploying.arm("GET", DEPLOYMENT).json()["value"]
    assert [(one["name"], one["location"]) for one in listed] == [("d", "eastus")]
    assert deploying.arm("DELETE", "resourceGroups/new").status_code == 202
    deploying.arm("PUT", "resourceGroups/new", json={"location": "eastus"})
    assert deploying.arm("GET", f"resourceGroups/new/{DEPLOYMENT}").json()["value"] == []


def test_lists_of_keys_and_references_by_id(deploying: Deploying) -> None:
    what = template(
        thing("one", properties={"n": 1}),
        thing(
            "two",
            properties={
                "key": "[listKeys('one', '2026-01-01').key]",
                "asked": f"[listSas(resourceId('{TYPE}', 'one'), '2026-01-01',"
                " createObject('a', 1)).asked]",
                "whole": "[reference('one', '2026-01-01', 'Full')]",
            },
        ),
    )
    assert deploying.put(what)["properties"]["provisioningState"] == "Succeeded"
    properties = deploying.things.made("two")[0]["properties"]
    assert (properties["key"], properties["asked"]) == ("listKeys of one", {"a": 1})
    assert properties["whole"]["properties"]["n"] == 1
    assert properties["whole"]["resourceGroupName"] == "rehearsal"
    by_id = template(outputs={
        "n": {"type": "int", "value": f"[reference(resourceId('{TYPE}', 'one'), '2026-01-01').n]"}
    })  # fmt: skip
    assert deploying.outputs(by_id, name="e") == {"n": 1}
    nameless = {"n": {"type": "int", "value": f"[reference(resourceId('{TYPE}', 'one')).n]"}}
    error = deploying.put(template(outputs=nameless), name="f")
    assert error["code"] == "InvalidTemplate"
    assert "no API version" in error["message"]
    gone = {"n": {"type": "int", "value": "[reference('/subscriptions/x/y', '2026-01-01').n]"}}
    error = deploying.put(template(outputs=gone), name="f")["properties"]["error"]
    assert error["code"] == "DeploymentOutputEvaluationFailed"
    assert error["details"][0]["code"]


def test_a_reference_that_only_turns_up_while_running_is_waited_for(deploying: Deploying) -> None:
    late = {
        "copy": [
            {"name": "all", "count": 2, "input": "[reference(concat('slow', copyIndex('all'))).n]"}
        ]
    }
    what = template(
        thing("early", properties=late),
        thing("slow0", properties={"n": 0}),
        thing("slow1", properties={"n": 1}),
    )
    assert deploying.put(what)["properties"]["provisioningState"] == "Succeeded"
    assert deploying.things.made("early")[0]["properties"] == {"all": [0, 1]}
    circle = template(
        thing(
            "a",
            properties={
                "copy": [
                    {"name": "x", "count": 1, "input": "[reference(concat('b', copyIndex('x'))).n]"}
                ]
            },
        ),
        thing("b0", "a"),
    )
    error = deploying.put(circle, name="e")["properties"]["error"]
    assert error["code"] == "InvalidTemplate"
    assert "Circular dependency" in error["message"]


def test_symbolic_names(deploying: Deploying) -> None:
    what = template(languageVersion="2.0", outputs={
        "n": {"type": "int", "value": "[reference('turns[1]').index]"},
        "old": {"type": "int", "value": "[reference('before').n]"},
    })  # fmt: skip
    deploying.put(template(thing("was", properties={"n": 9})), name="first")
    what["resources"] = {
        "turns": thing(
            "[concat('t', copyIndex())]",
            copy={"name": "loop", "count": 2},
            properties={"index": "[copyIndex()]"},
        ),
        "before": {**thing("was"), "existing": True},
        "last": thing("last", "turns", "before"),
    }
    assert deploying.outputs(what) == {"n": 1, "old": 9}
    assert deploying.things.order == ["was", "t0", "t1", "last"]


def test_validation_deploys_nothing(deploying: Deploying) -> None:
    what = template(thing("a"), parameters={"s": {"type": "securestring"}})
    body = {"properties": {"mode": "Incremental", "template": what, "parameters": values(s="x")}}
    answer = deploying.arm("POST", f"{GROUP}/{DEPLOYMENT}/d/validate", json=body)
    properties = answer.json()["properties"]
    assert properties["provisioningState"] == "Succeeded"
    assert properties["parameters"] == {"s": {"type": "SecureString"}}
    assert [one["id"].rpartition("/")[2] for one in properties["validatedResources"]] == ["a"]
    assert deploying.things.order == []
    assert deploying.arm("GET", f"{GROUP}/{DEPLOYMENT}").json()["value"] == []


def test_records_of_deployments(deploying: Deploying) -> None:
    what = template(thing("a"))
    for name in ("One", "two"):
        deploying.put(what, name=name)
    deploying.put(template(thing("bad")), name="three")
    path = f"{GROUP}/{DEPLOYMENT}"
    assert deploying.arm("HEAD", f"{path}/ONE").status_code == 204
    assert deploying.arm("HEAD", f"{path}/gone").status_code == 404
    assert deploying.arm("GET", f"{path}/gone").json()["error"]["code"] == "DeploymentNotFound"
    failed = deploying.arm("GET", f"{path}?$filter=provisioningState eq 'Failed'").json()["value"]
    assert [one["name"] for one in failed] == ["three"]
    page = deploying.arm("GET", f"{path}?$top=2").json()
    assert len(page["value"]) == 2
    assert "nextLink" in page
    assert deploying.arm("POST", f"{path}/one/exportTemplate").json() == {"template": what}
    again = deploying.arm("POST", f"{path}/one/cancel").json()["error"]
    assert again["code"] == "DeploymentCannotBeCancelled"
    assert deploying.arm("GET", f"{path}/one/operations/gone").status_code == 404
    assert deploying.arm("GET", f"{path}/one/operationStatuses/gone").status_code == 404
    assert deploying.arm("DELETE", f"{path}/one").status_code == 204
    assert deploying.arm("DELETE", f"{path}/one").status_code == 204
    assert deploying.arm("GET", f"{path}/one").status_code == 404
    assert "a" in deploying.things.kept  # what it deployed stays


def test_one_that_runs_cannot_be_replaced_and_can_be_cancelled(deploying: Deploying) -> None:
    inner = nested("within", template(thing("endless2")))
    what = template(thing("endless"), thing("after", "endless"), inner)
    body = {"properties": {"mode": "Incremental", "template": what}}

    async def go(client: httpx.AsyncClient) -> dict[str, Any]:
        path = deploying.path("d")
        assert (await client.put(path, json=body)).status_code == 201
        while not {"endless", "endless2"} <= deploying.things.kept.keys():
            await asyncio.sleep(0.005)
        for answer in (await client.put(path, json=body), await client.delete(path)):
            assert (answer.status_code, answer.json()["error"]["code"]) == (409, "DeploymentActive")
        assert (await client.get(path)).json()["properties"]["provisioningState"] == "Running"
        assert (await client.post(f"{path}/cancel")).status_code == 204
        within = (await client.get(deploying.path("within"))).json()
        assert within["properties"]["provisioningState"] == "Canceled"
        steps = (await client.get(f"{path}/operations")).json()["value"]
        assert {step["properties"]["provisioningState"] for step in steps} == {"Canceled"}
        found: dict[str, Any] = (await client.get(path)).json()
        assert (await client.put(path, json={"properties": {
            "mode": "Incremental", "template": template()}})).status_code == 200  # fmt: skip
        await deployer_of(deploying.ctx).settled()
        return found

    found = deploying.within(go)
    assert found["properties"]["provisioningState"] == "Canceled"
    assert "after" not in deploying.things.kept


def test_a_stop_of_the_server_is_told(deploying: Deploying) -> None:
    body = {"properties": {"mode": "Incremental", "template": template(thing("endless"))}}

    async def go(client: httpx.AsyncClient) -> None:
        await client.put(deploying.path("d"), json=body)
        while "endless" not in deploying.things.kept:
            await asyncio.sleep(0.005)

    deploying.within(
        go
    )  # the loop ends here as a process would: nobody says how the deployment ended
    place = Place(deploying.ctx.secrets.subscription_id, "rehearsal")
    made = records.get(deploying.ctx, place, "d")
    deploying.ctx.store.put(DEPLOYMENTS, replace(made, state="Running", ended=None, error=None))
    records.end_interrupted(deploying.ctx)
    found = deploying.arm("GET", f"{GROUP}/{DEPLOYMENT}/d").json()["properties"]
    assert (found["provisioningState"], found["error"]["code"]) == (
        "Failed",
        "OperationInterrupted",
    )
    [step] = deploying.arm("GET", f"{GROUP}/deployments/d/operations").json()["value"]
    assert step["properties"]["provisioningState"] in ("Failed", "Canceled")
    assert deploying.put(template(thing("a")))["properties"]["provisioningState"] == "Succeeded"
