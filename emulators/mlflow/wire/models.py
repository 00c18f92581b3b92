"""Registered models and versions over MLflow's REST API."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.requests import Request

from emulators.kernel.errors import Unsupported
from emulators.kernel.http import Operation, Reply, context_of, read_json
from emulators.mlflow.engine import filters, models
from emulators.mlflow.engine.models import ALIAS, Json, Model, Version
from emulators.mlflow.errors import InvalidParameter
from emulators.mlflow.wire.paths import BASE
from emulators.mlflow.wire.registry import Registry, named
from emulators.mlflow.wire.tracking import is_plugin
from emulators.mlflow.wire.workspaces import workspace_of

MAX_MODELS, MAX_VERSIONS = 1000, 200_000
DEFAULT_MODELS, DEFAULT_VERSIONS = 100, 10_000
ORDERS = frozenset({"name", "version_number", "creation_timestamp", "last_updated_timestamp"})


class Asked:
    """One registry call: its parameters, from body or query, and the registry it is about."""

    def __init__(self, request: Request, given: Json, registry: Registry) -> None:
        self.given, self.registry, self.plugin = given, registry, is_plugin(request)

    def text(self, name: str) -> str:
        """A parameter that must be there.

        Raises:
            InvalidParameter: it is not.
        """
        value = self.given.get(name)
        if not isinstance(value, str | int) or value == "":
            raise InvalidParameter(f"Missing value for required parameter '{name}'.")
        return str(value)

    @property
    def at(self) -> tuple[str, str]:
        """Name and version."""
        return self.text("name"), self.text("version")

    def listed(self, name: str) -> list[str]:
        """A parameter that may come several times."""
        value = self.given.get(name) or []
        return [str(entry) for entry in (value if isinstance(value, list) else [value])]


Handler = Callable[[Asked], Awaitable[Json]]
REPEATED = ("order_by", "stages")


def _handled(handler: Handler) -> Callable[[Request], Awaitable[Reply]]:
    async def answer(request: Request) -> Reply:
        workspace = await workspace_of(request)
        query = request.query_params
        given: Json = {k: query.getlist(k) if k in REPEATED else query[k] for k in query}
        given |= await read_json(request)
        registry = Registry(context_of(request), workspace)
        return Reply(200, await handler(Asked(request, given, registry)))

    return answer


async def _model(asked: Asked, model: Model) -> Json:
    versions = await asked.registry.versions(model.name)
    return {"registered_model": models.model_json(model, versions, plugin=asked.plugin)}


async def _version(asked: Asked, version: Version) -> Json:
    model = await asked.registry.find(version.name)
    return {"model_version": models.version_json(version, model, plugin=asked.plugin)}


async def create_model(asked: Asked) -> Json:
    tags = models.tags_of(asked.given.get("tags"))
    if filters.PROMPT_TAG in tags:
        raise Unsupported(
            "MLflow prompts (Azure ML has none)", tracked="emulators/mlflow/README.md"
        )
    return await _model(asked, await asked.registry.create_model(asked.text("name"), asked.given))


async def get_model(asked: Asked) -> Json:
    return await _model(asked, await asked.registry.model(asked.text("name")))


async def update_model(asked: Asked) -> Json:
    def change(inside: Json) -> None:
        inside["description"] = str(asked.given.get("description") or "")

    return await _model(asked, await asked.registry.change_model(asked.text("name"), change))


async def delete_model(asked: Asked) -> Json:
    await asked.registry.model(asked.text("name"))
    await asked.registry.delete(named(asked.text("name")))
    return {}


async def latest_versions(asked: Asked) -> Json:
    name = asked.text("name")
    model = await asked.registry.model(name)
    found = models.latest(await asked.registry.versions(name), asked.listed("stages"))
    return {"model_versions": [models.version_json(v, model, plugin=asked.plugin) for v in found]}


async def search_models(asked: Asked) -> Json:
    clauses = filters.parse(str(asked.given.get("filter") or ""), filters.MODEL_ATTRIBUTES)
    records = [models.record_of_model(model) for model in await asked.registry.models()]
    chosen = filters.ordered(
        [record for record in records if filters.matches(record, clauses)],
        asked.listed("order_by"),
        ORDERS - {"version_number"},
        ["name"],
    )
    some, token = _page(asked, chosen, DEFAULT_MODELS, MAX_MODELS)
    answer: Json = {
        "registered_models": [
            (await _model(asked, record["it"]))["registered_model"] for record in some
        ]
    }
    return answer | ({"next_page_token": token} if token else {})


async def search_versions(asked: Asked) -> Json:
    clauses = filters.parse(str(asked.given.get("filter") or ""), filters.VERSION_ATTRIBUTES)
    by_name = {model.name: model for model in await asked.registry.models()}
    exact = [c.value for c in clauses if c.key == "name" and not c.tag and c.comparator == "="]
    names = [name for name in by_name if not exact or name in exact]
    versions = [v for name in names for v in await asked.registry.versions(name)]
    records = [models.record_of_version(version) for version in versions]
    chosen = filters.ordered(
        [record for record in records if filters.matches(record, clauses)],
        asked.listed("order_by"),
        ORDERS,
        ["last_updated_timestamp DESC", "name", "version_number DESC"],
    )
    some, token = _page(asked, chosen, DEFAULT_VERSIONS, MAX_VERSIONS)
    answer: Json = {
        "model_versions": [
            models.version_json(r["it"], by_name[r["name"]], plugin=asked.plugin) for r in some
        ]
    }
    return answer | ({"next_page_token": token} if token else {})


def _page(
    asked: Asked, records: Sequence[Any], default: int, most: int
) -> tuple[Sequence[Any], str]:
    """The part of a listing that was asked for, and the token of the next part."""
    size = _number(asked.given.get("max_results") or default, "max_results")
    if not 1 <= size <= most:
        raise InvalidParameter(f"Invalid value for max_results: it must be from 1 to {most}.")
    token = str(asked.given.get("page_token") or "")
    try:
        start = int(base64.urlsafe_b64decode(token.encode())) if token else 0
    except (binascii.Error, ValueError) as wrong:
        raise InvalidParameter("Invalid page token.") from wrong
    end = start + size
    more = base64.urlsafe_b64encode(str(end).encode()).decode() if end < len(records) else ""
    return records[max(start, 0) : end], more


def _number(value: object, name: str) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise InvalidParameter(f"Invalid value for {name}: {value!r}.") from None


async def set_model_tag(asked: Asked) -> Json:
    key, value = asked.text("key"), str(asked.given.get("value") or "")
    await asked.registry.change_model(
        asked.text("name"), lambda inside: inside["tags"].update({key: value})
    )
    return {}


async def delete_model_tag(asked: Asked) -> Json:
    key = asked.text("key")
    await asked.registry.change_model(
        asked.text("name"), lambda inside: inside["tags"].pop(key, None)
    )
    return {}


async def set_alias(asked: Asked) -> Json:
    name, number = asked.at
    alias = asked.text("alias")
    await asked.registry.version(name, number)
    await asked.registry.change_model(
        name, lambda inside: inside["properties"].update({ALIAS + alias: number})
    )
    return {}


async def delete_alias(asked: Asked) -> Json:
    alias = asked.text("alias")
    await asked.registry.change_model(
        asked.text("name"), lambda inside: inside["properties"].pop(ALIAS + alias, None)
    )
    return {}


async def get_by_alias(asked: Asked) -> Json:
    found = await asked.registry.by_alias(asked.text("name"), asked.text("alias"))
    return await _version(asked, found)


async def create_version(asked: Asked) -> Json:
    made = await asked.registry.create_version(asked.text("name"), asked.given)
    return await _version(asked, made)


async def get_version(asked: Asked) -> Json:
    return await _version(asked, await asked.registry.version(*asked.at))


async def update_version(asked: Asked) -> Json:
    def change(inside: Json) -> None:
        inside["description"] = str(asked.given.get("description") or "")

    return await _version(asked, await asked.registry.change_version(*asked.at, change))


async def delete_version(asked: Asked) -> Json:
    name, number = asked.at
    await asked.registry.version(name, number)
    await asked.registry.delete(f"{named(name)}/versions/{named(number)}")
    model = await asked.registry.find(name)
    if model is not None and number in model.aliases.values():
        gone = [ALIAS + alias for alias, version in model.aliases.items() if version == number]

        def change(inside: Json) -> None:
            for key in gone:
                inside["properties"].pop(key, None)

        await asked.registry.change_model(name, change)
    return {}


async def transition_stage(asked: Asked) -> Json:
    name, number = asked.at
    stage = models.stage_named(asked.text("stage"))
    others = []
    if str(asked.given.get("archive_existing_versions", False)).lower() == "true":
        if stage not in ("Staging", "Production"):
            raise InvalidParameter(
                "Model version transition cannot archive existing model versions because"
                f" '{stage}' is not an Active stage."
            )
        others = [v.version for v in await asked.registry.versions(name) if v.stage == stage]
    made = await asked.registry.change_version(name, number, _staged(stage))
    for other in others:
        if other != number:
            await asked.registry.change_version(name, other, _staged("Archived"))
    return await _version(asked, made)


def _staged(stage: str) -> Callable[[Json], None]:
    def change(inside: Json) -> None:
        inside["stage"] = stage

    return change


async def download_uri(asked: Asked) -> Json:
    found = await asked.registry.version(*asked.at)
    return {"artifact_uri": models.readable(found, plugin=asked.plugin)}


async def set_version_tag(asked: Asked) -> Json:
    key, value = asked.text("key"), str(asked.given.get("value") or "")
    await asked.registry.change_version(
        *asked.at, lambda inside: inside["tags"].update({key: value})
    )
    return {}


async def delete_version_tag(asked: Asked) -> Json:
    key = asked.text("key")
    await asked.registry.change_version(*asked.at, lambda inside: inside["tags"].pop(key, None))
    return {}


_CALLS: list[tuple[str, str, str, Handler]] = [
    ("RegisteredModels_Create", "POST", "registered-models/create", create_model),
    ("RegisteredModels_Get", "GET", "registered-models/get", get_model),
    ("RegisteredModels_Update", "PATCH", "registered-models/update", update_model),
    ("RegisteredModels_Delete", "DELETE", "registered-models/delete", delete_model),
    ("RegisteredModels_Search", "GET", "registered-models/search", search_models),
    ("RegisteredModels_SearchByPost", "POST", "registered-models/search", search_models),
    ("RegisteredModels_List", "GET", "registered-models/list", search_models),
    ("RegisteredModels_Latest", "POST", "registered-models/get-latest-versions", latest_versions),
    ("RegisteredModels_GetLatest", "GET", "registered-models/get-latest-versions", latest_versions),
    ("RegisteredModels_SetTag", "POST", "registered-models/set-tag", set_model_tag),
    ("RegisteredModels_DeleteTag", "DELETE", "registered-models/delete-tag", delete_model_tag),
    ("RegisteredModels_SetAlias", "POST", "registered-models/alias", set_alias),
    ("RegisteredModels_DeleteAlias", "DELETE", "registered-models/alias", delete_alias),
    ("RegisteredModels_GetByAlias", "GET", "registered-models/alias", get_by_alias),
    ("ModelVersions_Create", "POST", "model-versions/create", create_version),
    ("ModelVersions_Get", "GET", "model-versions/get", get_version),
    ("ModelVersions_Update", "PATCH", "model-versions/update", update_version),
    ("ModelVersions_Delete", "DELETE", "model-versions/delete", delete_version),
    ("ModelVersions_Search", "GET", "model-versions/search", search_versions),
    ("ModelVersions_SearchByPost", "POST", "model-versions/search", search_versions),
    ("ModelVersions_TransitionStage", "POST", "model-versions/transition-stage", transition_stage),
    ("ModelVersions_GetDownloadUri", "GET", "model-versions/get-download-uri", download_uri),
    ("ModelVersions_SetTag", "POST", "model-versions/set-tag", set_version_tag),
    ("ModelVersions_DeleteTag", "DELETE", "model-versions/delete-tag", delete_version_tag),
]
OPERATIONS = [
    Operation(name, method, f"{BASE}/api/2.0/mlflow/{path}", _handled(handler))
    for name, method, path, handler in _CALLS
]
