"""What cannot be deployed, told alike by the deployment and by its validation."""

from __future__ import annotations

from typing import Any

import pytest

from tests.emulators.arm.deploying import DEPLOYMENT, GROUP, Deploying, nested, values
from tests.emulators.arm.providers import TYPE, template, thing


def refused(deploying: Deploying, what: dict[str, Any], **properties: Any) -> tuple[str, str]:
    """What a deployment is answered, which validation must answer too."""
    error = deploying.put(what, **properties)
    body = {"properties": {"mode": "Incremental", "template": what, **properties}}
    again = deploying.arm("POST", f"{GROUP}/{DEPLOYMENT}/d/validate", json=body).json()["error"]
    assert again == error
    assert deploying.arm("GET", f"{GROUP}/{DEPLOYMENT}/d").status_code == 404
    return error["code"], error["message"]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"resources": []}, "Required property '$schema' not found in JSON."),
    (template(outputz={}), "Could not find member 'outputz' on object of type 'Template'."),
    (template(thing("a", "b")), "The resource 'b' is not defined in the template."),
    (template(thing("a", "b"), thing("b", "a")), "Circular dependency detected on resource:"),
    (template(thing("a"), thing("A")), "is defined multiple times in a template."),
    (template(thing("a/b")), f"The template resource 'a/b' for type '{TYPE}' has incorrect segment"
     " lengths."),
    (template({"type": TYPE, "name": "a"}), "its 'apiVersion' must be a string"),
    (template(thing("[variables('x')]")), "The template variable 'x' is not found."),
    (template(thing("a", properties={"x": "[foo()]"})), "function 'foo' is not valid"),
    (template(thing("a", properties={"x": "[concat('a']"})), "expected token 'RightParenthesis'"),
    (template(thing("a"), thing("b", location="[reference('a').x]")),
     "The template function 'reference' is not expected at this location."),
    (template(outputs={"a": {"type": "string", "value": "[reference('b').c]"}}),
     "could not find template resource"),
    (template(thing("a", condition="maybe")), "must be a boolean"),
    (template(thing("a", copy={"name": "c", "count": 801})), "from '0' to '800'"),
    (template(thing("[concat('a', copyIndex())]")), "where a copy loop is in effect"),
    (template(variables={"a": "[variables('b')]", "b": "[variables('a')]"}), "on each other"),
    (template(outputs={"a": {"type": "string"}}), "it has no type and value"),
    (template(parameters={"a": {"type": "text"}}), "its type 'text' must be one of"),
    (template(thing("a", resources=[thing("b", copy={"name": "c", "count": 1})])),
     "without a 'copy'"),
    (template(*[thing(f"t{i}") for i in range(801)]), "Limit: 800 and actual: 801"),
    (template(nested("n", template(thing("x", "y")))), "The resource 'y' is not defined"),
    (template(nested("n", template(thing("x", "y")), scope="inner")), "The resource 'y' is not"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "why"), WRONG)
def test_templates_that_cannot_be(deploying: Deploying, what: dict[str, Any], why: str) -> None:
    code, message = refused(deploying, what)
    assert code == "InvalidTemplate"
    assert why in message


PARAMETERS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, values(b=1), "The template parameters 'b' in the parameters file are not valid; they are"
     " not present in the original template"),
    ({"type": "string"}, {}, "The value for the template parameter 'a' is not provided."),
    ({"type": "string"}, values(a=None), "template parameter 'a' is not provided."),
    ({"type": "string"}, values(a=1), "Expected 'String, Uri'. Actual 'Integer'."),
    ({"type": "int"}, values(a="1"), "Expected 'Integer'. Actual 'String'."),
    ({"type": "bool"}, values(a="true"), "Expected 'Boolean'. Actual 'String'."),
    ({"type": "array"}, values(a={}), "Expected 'Array'. Actual 'Object'."),
    ({"type": "object"}, values(a=[]), "Expected 'Object'. Actual 'Array'."),
    ({"type": "string", "allowedValues": ["x", "y"]}, values(a="z"), "The value 'z' is not part of"
     " the allowed value(s): 'x,y'."),
    ({"type": "securestring", "allowedValues": ["x"]}, values(a="hidden"), "value '***' is not"),
    ({"type": "int", "minValue": 3}, values(a=2), "should be greater than or equal to '3'"),
    ({"type": "int", "maxValue": 3}, values(a=4), "should be less than or equal to '3'"),
    ({"type": "string", "minLength": 3}, values(a="ab"), "greater than or equal to '3'"),
    ({"type": "array", "maxLength": 1}, values(a=[1, 2]), "less than or equal to '1'"),
    ({"type": "int", "defaultValue": "[concat('a')]"}, {}, "Expected 'Integer'. Actual 'String'."),
    ({"type": "string", "defaultValue": "[parameters('a')]"}, {}, "on each other"),
    ({"type": "string"}, {"a": "x"}, "must be an object with a 'value'"),
]  # fmt: skip


@pytest.mark.parametrize(("declared", "given", "why"), PARAMETERS)
def test_parameters_that_cannot_be(
    deploying: Deploying, declared: dict[str, Any], given: dict[str, Any], why: str
) -> None:
    what = template(parameters={"a": declared} if declared else {})
    code, message = refused(deploying, what, parameters=given)
    assert code == "InvalidTemplate"
    assert why in message


def test_parameters_that_can(deploying: Deploying) -> None:
    what = template(
        parameters={
            "Given": {"type": "string"},
            "from": {"type": "string", "defaultValue": "[concat(parameters('given'), '!')]"},
            "fresh": {"type": "string", "defaultValue": "[newGuid()]"},
            "perhaps": {"type": "string", "defaultValue": "default"},
            "some": {"type": "array", "allowedValues": ["a", "b"]},
            "nothing": {"type": "string", "nullable": True},
        },
        outputs={
            "from": {"type": "string", "value": "[parameters('from')]"},
            "fresh": {
                "type": "bool",
                "value": "[equals(parameters('fresh'), parameters('fresh'))]",
            },
            "perhaps": {"type": "string", "value": "[parameters('perhaps')]"},
            "literal": {"type": "string", "value": "[parameters('given')]"},
            "none": {"type": "bool", "value": "[equals(parameters('nothing'), null())]"},
        },
    )
    given = values(GIVEN="[concat('a')]", perhaps=None, some=["b", "a"])
    assert deploying.outputs(what, parameters=given) == {
        "from": "[concat('a')]!", "fresh": True, "perhaps": "default",
        "literal": "[concat('a')]", "none": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"mode": "Complete", "template": template()}, "NotEmulated"),
        ({"mode": "Sometimes", "template": template()}, "InvalidRequestContent"),
        ({"template": template()}, "InvalidRequestContent"),
        ({"mode": "Incremental"}, "InvalidRequestContent"),
        ({"mode": "Incremental", "template": template(apiProfile="x")}, "NotEmulated"),
        ({"mode": "Incremental", "template": template(), "debugSetting": {"detailLevel": "x"}},
         "NotEmulated"),
        ({"mode": "Incremental", "template": template(),
          "onErrorDeployment": {"type": "LastSuccessful"}}, "NotEmulated"),
        ({"mode": "Incremental", "template": template(parameters={"a": {"type": "string"}}),
          "parameters": {"a": {"reference": {"keyVault": {"id": "x"}, "secretName": "y"}}}},
         "NotEmulated"),
        ({"mode": "Incremental", "templateLink": {"id": "/x"}}, "NotEmulated"),
        ({"mode": "Incremental", "templateLink": {"relativePath": "x.json"}}, "InvalidContentLink"),
        ({"mode": "Incremental", "templateLink": {"uri": "https://nowhere.example/x.json"}},
         "InvalidContentLink"),
    ],
)  # fmt: skip
def test_requests_that_cannot_be(
    deploying: Deploying, properties: dict[str, Any], code: str
) -> None:
    for method, path in (("PUT", "d"), ("POST", "d/validate")):
        answer = deploying.arm(
            method, f"{GROUP}/{DEPLOYMENT}/{path}", json={"properties": properties}
        )
        assert answer.json()["error"]["code"] == code
    assert deploying.arm("GET", f"{GROUP}/{DEPLOYMENT}").json()["value"] == []


def test_where_a_deployment_may_be(deploying: Deploying) -> None:
    body = {"properties": {"mode": "Incremental", "template": template()}}

    def code(path: str) -> str:
        return str(deploying.arm("PUT", path, json=body).json()["error"]["code"])

    assert code(f"resourceGroups/gone/{DEPLOYMENT}/d") == "ResourceGroupNotFound"
    assert code(f"{DEPLOYMENT}/d") == "LocationRequired"
    assert code(f"{GROUP}/{DEPLOYMENT}/{'d' * 65}") == "InvalidDeploymentName"
    assert code(f"{GROUP}/{DEPLOYMENT}/a%20b") == "InvalidDeploymentName"
    foreign = f"/subscriptions/{'0' * 8}-0000-0000-0000-{'0' * 12}/{GROUP}/{DEPLOYMENT}/d"
    assert code(foreign) == "SubscriptionNotFound"


def test_a_template_that_calls_for_an_expression_only_the_run_can_refuse(
    deploying: Deploying,
) -> None:
    what = template(
        thing("a", properties={"n": 1}), thing("b", properties={"x": "[reference('a').gone]"})
    )
    error = deploying.put(what)["properties"]["error"]
    assert error["code"] == "InvalidTemplate"
    assert "Unable to process template language expressions for resource" in error["message"]
    assert (
        "The language expression property 'gone' doesn't exist, available properties are"
        in error["message"]
    )
