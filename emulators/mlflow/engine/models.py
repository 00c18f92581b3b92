"""Azure ML's model table and MLflow's registry: the same rows in each other's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from emulators.mlflow.engine import locations
from emulators.mlflow.errors import InvalidParameter

Json = dict[str, Any]

STAGES = {"none": "None", "staging": "Staging", "production": "Production", "archived": "Archived"}
ALIAS = "mlflow.alias."
SOURCE, RUN_ID, RUN_LINK, MODEL_ID = (
    "mlflow.modelSourceUri",
    "mlflow.runId",
    "mlflow.runLink",
    "mlflow.modelId",
)


@dataclass(frozen=True, slots=True)
class Version:
    """One model version, whichever side made it."""

    name: str
    version: str
    created: int  # ms since the epoch
    updated: int  # ms since the epoch
    uri: str  # Azure ML's modelUri
    user: str = ""
    description: str = ""
    stage: str = "None"
    source: str = ""  # as the MLflow client gave it; empty when Azure ML registered it
    run_id: str = ""
    run_link: str = ""
    model_id: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """The version as a number; text that is none sorts first."""
        return int(self.version) if self.version.isdigit() else -1


@dataclass(frozen=True, slots=True)
class Model:
    """One name of the registry and what hangs on it."""

    name: str
    created: int  # ms since the epoch
    updated: int  # ms since the epoch
    user: str = ""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)  # alias -> version
    next_version: str = "1"


def milliseconds(text: object) -> int:
    """ARM's time text as ms since the epoch; 0 when there is none."""
    if not isinstance(text, str) or not text:
        return 0
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def version_of(name: str, resource: Mapping[str, Any]) -> Version:
    """A model version from its ARM resource."""
    inside: Mapping[str, Any] = resource.get("properties") or {}
    kept: Mapping[str, Any] = inside.get("properties") or {}
    system: Mapping[str, Any] = resource.get("systemData") or {}
    created = milliseconds(system.get("createdAt"))
    return Version(
        name=name,
        version=str(resource.get("name", "")),
        created=created,
        updated=milliseconds(system.get("lastModifiedAt")) or created,
        uri=str(inside.get("modelUri") or ""),
        user=str(system.get("createdBy") or ""),
        description=str(inside.get("description") or ""),
        stage=STAGES.get(str(inside.get("stage") or "none").lower(), "None"),
        source=str(kept.get(SOURCE) or ""),
        run_id=str(kept.get(RUN_ID) or inside.get("jobName") or ""),
        run_link=str(kept.get(RUN_LINK) or ""),
        model_id=str(kept.get(MODEL_ID) or ""),
        tags={str(k): str(v) for k, v in (inside.get("tags") or {}).items()},
    )


def model_of(resource: Mapping[str, Any]) -> Model:
    """A registered model from its ARM container."""
    inside: Mapping[str, Any] = resource.get("properties") or {}
    kept: Mapping[str, Any] = inside.get("properties") or {}
    system: Mapping[str, Any] = resource.get("systemData") or {}
    created = milliseconds(system.get("createdAt"))
    return Model(
        name=str(resource.get("name", "")),
        created=created,
        updated=milliseconds(system.get("lastModifiedAt")) or created,
        user=str(system.get("createdBy") or ""),
        description=str(inside.get("description") or ""),
        tags={str(k): str(v) for k, v in (inside.get("tags") or {}).items()},
        aliases={
            str(key).removeprefix(ALIAS): str(value)
            for key, value in kept.items()
            if str(key).startswith(ALIAS)
        },
        next_version=str(inside.get("nextVersion") or "1"),
    )


def new_version(uri: str, kind: str, given: Mapping[str, Any]) -> Json:
    """The ARM body that registers a version as an MLflow client asked for it."""
    kept = {
        SOURCE: given.get("source"),
        RUN_ID: given.get("run_id"),
        RUN_LINK: given.get("run_link"),
        MODEL_ID: given.get("model_id"),
    }
    inside: Json = {
        "modelType": kind,
        "modelUri": uri,
        "isAnonymous": False,
        "isArchived": False,
        "tags": tags_of(given.get("tags")),
        "properties": {key: str(value) for key, value in kept.items() if value},
    }
    if given.get("description"):
        inside["description"] = str(given["description"])
    if given.get("run_id"):
        inside["jobName"] = str(given["run_id"])
    return {"properties": inside}


def tags_of(listed: object) -> dict[str, str]:
    """MLflow's list of tags as a map.

    Raises:
        InvalidParameter: not a list of keys and values.
    """
    if listed is None:
        return {}
    try:
        assert isinstance(listed, list)
        return {str(tag["key"]): str(tag.get("value", "")) for tag in listed}
    except (AssertionError, KeyError, TypeError, AttributeError):
        raise InvalidParameter("Invalid value for parameter 'tags' supplied.") from None


def stage_named(text: object) -> str:
    """MLflow's spelling of a stage.

    Raises:
        InvalidParameter: there is no such stage.
    """
    found = STAGES.get(str(text).lower())
    if found is None:
        raise InvalidParameter(
            f"Invalid Model Version stage: {text}. Value must be one of"
            f" {', '.join(STAGES.values())}."
        )
    return found


def readable(version: Version, *, plugin: bool) -> str:
    """The URI from which this client can download the version."""
    place = locations.of_source(version.uri) if version.uri.startswith("azureml:") else None
    if place is None:
        return version.source or version.uri
    return locations.plugin_uri(place) if plugin else locations.proxy_uri(place)


def version_json(version: Version, model: Model | None, *, plugin: bool) -> Json:
    """A version as MLflow's REST API writes it."""
    source = version.source
    if not source or plugin or source.startswith("azureml:"):
        source = readable(version, plugin=plugin)
    body: Json = {
        "name": version.name,
        "version": version.version,
        "creation_timestamp": version.created,
        "last_updated_timestamp": version.updated,
        "user_id": version.user,
        "current_stage": version.stage,
        "description": version.description,
        "source": source,
        "run_id": version.run_id,
        "run_link": version.run_link,
        "status": "READY",
        "tags": [{"key": key, "value": value} for key, value in version.tags.items()],
    }
    if model is not None:
        body["aliases"] = [a for a, number in model.aliases.items() if number == version.version]
    if version.model_id:
        body["model_id"] = version.model_id
    return body


def model_json(model: Model, versions: list[Version], *, plugin: bool) -> Json:
    """A registered model as MLflow's REST API writes it, with the latest of each stage."""
    return {
        "name": model.name,
        "creation_timestamp": model.created,
        "last_updated_timestamp": max([model.updated, *(v.updated for v in versions)]),
        "user_id": model.user,
        "description": model.description,
        "latest_versions": [version_json(v, model, plugin=plugin) for v in latest(versions)],
        "tags": [{"key": key, "value": value} for key, value in model.tags.items()],
        "aliases": [{"alias": alias, "version": v} for alias, v in model.aliases.items()],
    }


def latest(versions: list[Version], stages: list[str] | None = None) -> list[Version]:
    """The newest version of each stage, of the stages asked for."""
    newest: dict[str, Version] = {}
    for version in sorted(versions, key=lambda v: (v.number, v.created)):
        newest[version.stage] = version
    wanted = [stage_named(stage) for stage in stages or STAGES.values()]
    return [newest[stage] for stage in wanted if stage in newest]


def record_of_version(version: Version) -> Json:
    """What a search may ask about a version."""
    return {
        "name": version.name,
        "version_number": version.number,
        "run_id": version.run_id,
        "source_path": version.source or version.uri,
        "creation_timestamp": version.created,
        "last_updated_timestamp": version.updated,
        "tags": version.tags,
        "it": version,
    }


def record_of_model(model: Model) -> Json:
    """What a search may ask about a registered model."""
    return {
        "name": model.name,
        "creation_timestamp": model.created,
        "last_updated_timestamp": model.updated,
        "tags": model.tags,
        "it": model,
    }
