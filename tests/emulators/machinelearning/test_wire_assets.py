"""Assets over ARM: what is stored, what is refused, and that nothing hostile gets further."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.emulators.machinelearning.conftest import World

LONG = "azureml://subscriptions/{sub}/resourcegroups/rehearsal/workspaces/rehearsal/datastores/"


def long(world: World, rest: str) -> str:
    return LONG.format(sub=world.ctx.secrets.subscription_id) + rest


def data(
    uri: str = "azureml://datastores/workspaceblobstore/paths/a.csv", **more: object
) -> object:
    return {"dataType": "uri_file", "dataUri": uri, **more}


def test_a_version_makes_its_container_and_comes_back_in_long_form(world: World) -> None:
    made = world.put("/data/w1/versions/4", data(tags={"a": "b"}))
    assert made.status_code == 201
    body = made.json()
    assert body["id"].endswith("/workspaces/rehearsal/data/w1/versions/4")
    assert body["name"] == "4"
    assert body["properties"]["dataUri"] == long(world, "workspaceblobstore/paths/a.csv")
    assert body["systemData"]["createdBy"]
    home = world.get("/data/w1").json()["properties"]
    assert (home["latestVersion"], home["nextVersion"]) == ("4", "5")
    again = world.put("/data/w1/versions/4", body["properties"] | {"isArchived": True})
    assert again.status_code == 200
    assert again.json()["properties"]["isArchived"] is True


def test_other_content_conflicts(world: World) -> None:
    world.put("/data/w2/versions/1", data())
    refused = world.put("/data/w2/versions/1", data("azureml://datastores/d/paths/other"))
    assert refused.status_code == 404  # no such datastore comes first
    other = "azureml://datastores/workspaceblobstore/paths/other"
    refused = world.put("/data/w2/versions/1", data(other))
    assert refused.status_code == 409
    error = refused.json()["error"]
    assert (error["code"], error["message"]) == ("UserError", "Asset paths cannot be updated.")


def test_ids_match_in_any_case(world: World) -> None:
    world.put("/data/w3/versions/1", data())
    url = f"{world.base}/rehearsal/data/w3/versions/1"
    shouted = url.replace("resourceGroups", "RESOURCEGROUPS").replace("/data/", "/DATA/")
    assert world.call("GET", shouted.replace("/rehearsal/data", "/Rehearsal/data")).is_success
    assert world.get("/DATA/W3/versions/1").json()["id"].endswith("/data/w3/versions/1")


def test_lists_page_by_links_and_obey_top(world: World) -> None:
    for number in range(1, 13):
        world.put(f"/data/w4/versions/{number}", data())
    shown = world.get("/data/w4/versions", _top="5").json()
    assert [v["name"] for v in shown["value"]] == ["12", "11", "10", "9", "8"]
    assert "nextLink" not in shown
    rest = world.get("/data/w4/versions", _skip="10").json()["value"]
    assert [v["name"] for v in rest] == ["2", "1"]
    oldest = world.get("/data/w4/versions", _orderBy="createdtime asc", _top="1").json()["value"]
    assert [v["name"] for v in oldest] == ["1"]


def test_more_than_a_page_is_followed_to_the_end(world: World) -> None:
    for number in range(1, 106):
        world.put(f"/data/w5/versions/{number}", data())
    first = world.get("/data/w5/versions").json()
    assert len(first["value"]) == 100
    rest = world.call("GET", first["nextLink"]).json()
    assert [v["name"] for v in rest["value"]] == ["5", "4", "3", "2", "1"]
    assert "nextLink" not in rest


def test_archived_is_hidden_until_asked_for(world: World) -> None:
    world.put("/data/w6/versions/1", data())
    world.put("/data/w6/versions/2", data(isArchived=True))
    shown = world.get("/data/w6/versions", listViewType="ActiveOnly").json()["value"]
    assert [v["name"] for v in shown] == ["1"]
    shown = world.get("/data/w6/versions", listViewType="ArchivedOnly").json()["value"]
    assert [v["name"] for v in shown] == ["2"]
    world.put("/data/w6", {"isArchived": True})
    names = [c["name"] for c in world.get("/data").json()["value"]]
    assert "w6" not in names
    names = [c["name"] for c in world.get("/data", listViewType="All").json()["value"]]
    assert "w6" in names


def test_anonymous_versions_are_had_by_name_and_listed_nowhere(world: World) -> None:
    spec = {"componentSpec": {"type": "command", "command": "x"}, "isAnonymous": True}
    path = "/components/azureml_anonymous/versions/11111111-2222-3333-4444-555555555555"
    assert world.put(path, spec).status_code == 201
    assert world.put(path, spec).status_code == 200
    assert world.get(path).json()["properties"]["componentSpec"] == spec["componentSpec"]
    names = [c["name"] for c in world.get("/components").json()["value"]]
    assert "azureml_anonymous" not in names


def test_deleting_leaves_the_rest(world: World) -> None:
    for number in (1, 2):
        world.put(f"/models/w7/versions/{number}", {"modelUri": f"runs:/r{number}/model"})
    assert world.call("DELETE", "/models/w7/versions/2").status_code == 200
    assert world.call("DELETE", "/models/w7/versions/2").status_code == 204
    home = world.get("/models/w7").json()["properties"]
    assert (home["latestVersion"], home["nextVersion"]) == ("1", "3")
    assert world.call("DELETE", "/models/w7").status_code == 200
    assert world.get("/models/w7").status_code == 404
    assert world.get("/models/w7/versions/1").status_code == 404


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("azureml://jobs/j1/outputs/o/paths/m", "workspaceblobstore/paths/azureml/j1/o/m"),
        ("azureml://jobs/j1/outputs/o", "workspaceblobstore/paths/azureml/j1/o"),
        (
            "azureml://jobs/j1/outputs/artifacts/paths/model/",
            "workspaceartifactstore/paths/ExperimentRun/dcid.j1/model",
        ),
        ("runs:/r1/model", "workspaceartifactstore/paths/ExperimentRun/dcid.r1/model"),
        ("azureml://datastores/workspaceblobstore/paths/x/y", "workspaceblobstore/paths/x/y"),
    ],
)
def test_models_say_where_their_files_are(world: World, given: str, kept: str) -> None:
    made = world.put(f"/models/w8/versions/{abs(hash(given))}", {"modelUri": given})
    assert made.status_code == 201, made.text
    assert made.json()["properties"]["modelUri"] == long(world, kept)
    assert made.json()["properties"]["flavors"] == {}


def test_a_blob_url_becomes_the_datastore_that_covers_it(world: World) -> None:
    account, container = world.ws.storage_account, f"azureml-blobstore-{world.ws.guid}"
    url = f"https://{account}.blob.core.windows.net/{container}/m/model.pkl"
    made = world.put("/models/w9/versions/1", {"modelUri": url})
    assert made.json()["properties"]["modelUri"] == long(
        world, "workspaceblobstore/paths/m/model.pkl"
    )


def test_flavors_come_from_the_mlmodel_that_storage_holds(world: World) -> None:
    account, container = world.ws.storage_account, f"azureml-blobstore-{world.ws.guid}"
    token = world.ctx.tokens.issue("https://storage.azure.com")
    text = b"flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n    env: {a: 1}\n"
    url = f"https://{account}.blob.core.windows.net/{container}/mdl/MLmodel"
    headers = {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2023-11-03",
               "authorization": f"Bearer {token}"}  # fmt: skip
    sent = world.run(world.http.put(url, content=text, headers=headers))
    assert sent.status_code == 201, sent.text
    made = world.put(
        "/models/w10/versions/1",
        {
            "modelType": "mlflow_model",
            "modelUri": "azureml://datastores/workspaceblobstore/paths/mdl",
        },
    )
    flavors = made.json()["properties"]["flavors"]
    assert flavors == {
        "python_function": {"data": {"loader_module": "mlflow.sklearn", "env": '{"a": 1}'}}
    }


def test_code_is_found_by_hash_and_its_upload_really_opens(world: World) -> None:
    granted = world.call("POST", "/codes/w11/versions/1/startPendingUpload", {}).json()
    reference = granted["blobReferenceForConsumption"]
    head, _, sas = reference["credential"]["sasUri"].partition("?")
    assert head == reference["blobUri"]
    assert head.count("/") == 3  # one segment: clients read the container at either end
    headers = {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2023-11-03"}
    url = f"{head}/src/a.py?{sas}"
    bare = type(world.http)(transport=world.http._transport)
    assert world.run(bare.put(url, content=b"print()", headers=headers)).status_code == 201
    forged = url.replace("sig=", "sig=A")
    assert world.run(bare.put(forged, content=b"x", headers=headers)).status_code == 403
    body = {"codeUri": f"{head}/src", "properties": {"hash_sha256": "f00"}, "isAnonymous": True}
    assert world.put("/codes/w11/versions/1", body).status_code == 201
    found = world.get("/codes/any-name/versions", hash="f00", hashVersion="202208").json()["value"]
    assert [v["id"].rsplit("/codes/")[-1] for v in found] == ["w11/versions/1"]
    assert world.get("/codes/any-name/versions", hash="f01").json()["value"] == []


REFUSED = (400, 404, 405)
HOSTILE = ["a b", "a/b", "a\\b", "-x", "a\n", "a\x00b", "é", "a" * 256, "a?b", "a;b"]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("kind", ["data", "models", "environments", "components", "codes"])
def test_hostile_names_get_no_further(world: World, kind: str, name: str) -> None:
    bodies = {
        "data": data(),
        "models": {"modelUri": "runs:/r/m"},
        "environments": {"image": "x"},
        "components": {"componentSpec": {"type": "command"}},
        "codes": {"codeUri": "https://acct.blob.core.windows.net/c/src"},
    }
    refused = world.put(f"/{kind}/{quote(name, safe='')}/versions/1", bodies[kind])
    assert refused.status_code in REFUSED, refused.text
    refused = world.put(f"/{kind}/fine/versions/{quote(name, safe='')}", bodies[kind])
    assert refused.status_code in REFUSED, refused.text


@pytest.mark.parametrize(
    ("path", "properties"),
    [
        ("/data/h/versions/1", {"dataType": "uri_file"}),
        ("/data/h/versions/1", {"dataType": "zip", "dataUri": "azureml://datastores/d/paths/x"}),
        ("/data/h/versions/1", data("../../etc/passwd")),
        ("/data/h/versions/1", data("azureml://datastores/workspaceblobstore/paths/../x")),
        ("/data/h/versions/1", data(tags=["a"])),
        ("/data/h/versions/1", data(tags={"a": {"b": 1}})),
        ("/data/h/versions/1", data(isArchived="false")),
        ("/data/h/versions/1", data(description=["d"])),
        ("/models/h/versions/1", {"modelUri": 5}),
        ("/models/h/versions/1", {"modelUri": "runs:/r/m", "modelType": "pickle"}),
        ("/environments/h/versions/1", {}),
        ("/environments/h/versions/1", {"image": "x", "condaFile": "a: [b"}),
        ("/environments/h/versions/1", {"image": "x", "condaFile": {"a": 1}}),
        ("/environments/h/versions/1", {"image": "x", "condaFile": "just text"}),
        ("/environments/h/versions/1", {"build": {"dockerfilePath": "D"}}),
        ("/components/h/versions/1", {"componentSpec": "text"}),
        ("/components/h/versions/1", {"componentSpec": {"command": "x"}}),
        ("/codes/h/versions/1", {"codeUri": "https://example.com/src"}),
        ("/data/h/versions/latest", data()),
        ("/data/h/versions/1", "text"),
        ("/data/h/versions/1", None),
    ],
)
def test_what_cannot_be_is_a_400_and_leaves_nothing(
    world: World, path: str, properties: object
) -> None:
    refused = world.put(path, properties)
    assert refused.status_code == 400, refused.text
    assert refused.json()["error"]["message"]
    assert world.get(path.replace("latest", "1")).status_code == 404


def test_nothing_is_ignored(world: World) -> None:
    refused = world.get("/models/any/versions", feed="x")
    assert refused.status_code == 501
    assert refused.json()["error"]["code"] == "NotEmulated"
    assert world.get("/models/any/versions", _top="-1").status_code == 400


def test_no_token_no_answer(world: World) -> None:
    bare = type(world.http)(transport=world.http._transport)
    url = f"{world.base}/rehearsal/data?api-version=2024-10-01"
    assert world.run(bare.get(url)).status_code == 401
    for audience in ("https://storage.azure.com", "https://graph.microsoft.com"):
        token = world.ctx.tokens.issue(audience)
        headers = {"authorization": f"Bearer {token}"}
        assert world.run(bare.get(url, headers=headers)).status_code == 401


def test_bodies_that_are_no_json_are_refused(world: World) -> None:
    url = f"{world.base}/rehearsal/data/h/versions/1?api-version=2024-10-01"
    for body in (b"{", b"[]", b"\xff\xfe", b'{"properties": NaN}'):
        assert world.run(world.http.put(url, content=body)).status_code == 400


def test_of_many_writers_of_one_version_one_wins(world: World) -> None:
    import asyncio

    url = f"{world.base}/rehearsal/data/race/versions/1?api-version=2024-10-01"
    store = "azureml://datastores/workspaceblobstore/paths/"

    async def all_at_once() -> list[int]:
        bodies = [{"properties": data(f"{store}{n}")} for n in range(20)]
        answers = await asyncio.gather(*(world.http.put(url, json=body) for body in bodies))
        return [answer.status_code for answer in answers]

    codes = world.run(all_at_once())
    assert sorted(codes) == [201] + [409] * 19
    kept = world.get("/data/race/versions/1").json()["properties"]["dataUri"]
    assert kept.endswith(f"/paths/{codes.index(201)}")
