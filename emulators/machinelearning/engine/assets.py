"""Versioned assets of every kind: containers made by their first version, immutable content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from emulators.kernel.context import Context
from emulators.machinelearning.engine import names, workspaces
from emulators.machinelearning.engine.uris import AssetUri, parse_uri
from emulators.machinelearning.errors import AssetExists, AssetNotFound, InvalidUri, ValidationError
from emulators.machinelearning.store.assets import (
    CODE_HASHES,
    CONTAINERS,
    VERSIONS,
    AssetContainer,
    AssetVersion,
    CodeHash,
)
from emulators.machinelearning.store.registries import Home

LATEST = "latest"
LABELS = (LATEST, "default")
DEFAULT_VERSION = "azureml_default"
"""What the client writes for "no version given" of a component."""

SYSTEM = "rehearsal"
"""Who made what nobody asked for by name, such as the outputs of jobs."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What is particular to a kind of asset."""

    name: str  # the path word
    type: str  # ARM type below workspaces
    word: str  # in messages
    content: tuple[str, ...]  # properties that never change once made
    uri: str | None = None  # the property that says where its files are
    defaults: tuple[tuple[str, Any], ...] = ()


KINDS = {
    kind.name: kind
    for kind in (
        Kind("data", "data", "Data asset", ("dataUri", "dataType"), "dataUri"),
        Kind(
            "models",
            "models",
            "Model",
            ("modelUri", "modelType"),
            "modelUri",
            (("modelType", "custom_model"),),
        ),
        Kind(
            "environments",
            "environments",
            "Environment",
            ("image", "condaFile", "build", "inferenceConfig", "osType"),
        ),
        Kind("components", "components", "Component", ("componentSpec",)),
        Kind("codes", "codes", "Code asset", ("codeUri",), "codeUri"),
    )
}

# Parts of a component's specification that say what it is called and who wrote it, not what it
# does. The client gives the same anonymous component another name in another order of calls.
_SPEC_WORDS = ("name", "version", "display_name", "description", "tags", "is_archived", "_source")
_CHANGEABLE = ("description", "tags", "properties", "isArchived", "stage", "autoRebuild")


@dataclass(frozen=True, slots=True)
class Draft:
    """A version as somebody asks for it. `version` None takes the next free number."""

    kind: str  # "data", "environments", "models", "components" or "codes"
    name: str
    properties: Mapping[str, Any]  # as on the wire; URIs already in canonical form
    version: str | None = None
    by: str = SYSTEM


@dataclass(frozen=True, slots=True)
class Made:
    """A version, and whether this call made it."""

    version: AssetVersion
    created: bool


def find_container(ctx: Context, ws: Home, kind: str, name: str) -> AssetContainer | None:
    """The container of that name, or None."""
    return ctx.store.get(CONTAINERS, ws.guid, kind, name.lower())


def get_container(ctx: Context, ws: Home, kind: str, name: str) -> AssetContainer:
    """The container of that name.

    Raises:
        AssetNotFound: there is none; clients take that for "no version yet".
    """
    found = find_container(ctx, ws, kind, name)
    if found is None:
        raise AssetNotFound(
            f"{KINDS[kind].word} container {name} not found in {ws.spoken}.", target=name
        )
    return found


def get_version(ctx: Context, ws: Home, kind: str, name: str, version: str) -> AssetVersion:
    """One version of an asset.

    Args:
        kind: "data", "environments", "models", "components" or "codes".

    Raises:
        AssetNotFound: no such name or version.
    """
    if version == DEFAULT_VERSION:
        return get_labelled(ctx, ws, kind, name, LATEST)
    found = ctx.store.get(VERSIONS, ws.guid, kind, name.lower(), version)
    if found is None:
        raise AssetNotFound(
            f"{KINDS[kind].word} {name}:{version} not found in {ws.spoken}.",
            target=f"{name}:{version}",
        )
    return found


def get_labelled(ctx: Context, ws: Home, kind: str, name: str, label: str) -> AssetVersion:
    """The version a label stands for; each is the newest that is not archived.

    Raises:
        AssetNotFound: no such asset or label.
    """
    if label.lower() not in LABELS:
        raise AssetNotFound(f"{KINDS[kind].word} {name} has no label '{label}'.", target=name)
    get_container(ctx, ws, kind, name)
    living = [v for v in versions(ctx, ws, kind, name) if not v.properties.get("isArchived")]
    if not living:
        raise AssetNotFound(f"{KINDS[kind].word} {name} has no version.", target=name)
    return max(living, key=lambda v: v.number)


def versions(ctx: Context, ws: Home, kind: str, name: str) -> list[AssetVersion]:
    """All versions of a name, newest first."""
    found = ctx.store.scan(VERSIONS, ws.guid, kind, name.lower())
    return sorted(found, key=lambda v: -v.number)


def containers(ctx: Context, ws: Home, kind: str) -> list[AssetContainer]:
    """All containers of a kind, newest first."""
    found = ctx.store.scan(CONTAINERS, ws.guid, kind)
    return sorted(found, key=lambda c: c.modified, reverse=True)


def create_version(ctx: Context, ws: Home, draft: Draft) -> Made:
    """Make a version, or change the words on one that is there.

    The same content again is harmless; its tags, description, properties and archived flag
    become those given.

    Raises:
        ValidationError: a name or a version Azure ML does not take.
        AssetExists: the version holds other content.
    """
    names.check("asset", draft.name)
    if draft.version is not None:
        names.check("version", draft.version)
        if draft.version.lower() in (LATEST, DEFAULT_VERSION):
            raise ValidationError(f"'{draft.version}' is a label, not a version.", target="version")
    with ctx.store.transaction():
        home = find_container(ctx, ws, draft.kind, draft.name)
        version = draft.version or str(home.next_number if home else 1)
        old = ctx.store.get(VERSIONS, ws.guid, draft.kind, draft.name.lower(), version)
        if old is not None:
            return Made(_reword(ctx, old, draft.properties, draft.by), created=False)
        return Made(_make(ctx, ws, replace(draft, version=version)), created=True)


def _make(ctx: Context, ws: Home, draft: Draft) -> AssetVersion:
    now, rules, by = ctx.clock.now(), KINDS[draft.kind], draft.by
    version = draft.version or "1"
    given = {k: v for k, v in draft.properties.items() if v is not None}
    values = {"isAnonymous": False, "isArchived": False, **dict(rules.defaults), **given}
    values["tags"], values["properties"] = values.get("tags") or {}, values.get("properties") or {}
    home = find_container(ctx, ws, draft.kind, draft.name) or AssetContainer(
        ws.guid, draft.kind, draft.name.lower(), draft.name, now, now, by
    )
    home = replace(
        home,
        latest=version,
        next_number=max(home.next_number, (names.as_number(version) or 0) + 1),
        made=home.made + 1,
        modified=now,
        anonymous=home.anonymous and bool(values["isAnonymous"]),
    )
    made = AssetVersion(
        ws.guid, draft.kind, home.key, version, home.name, home.made, values, now, now, by, by
    )
    ctx.store.put(CONTAINERS, home)
    ctx.store.put(VERSIONS, made)
    digest = values["properties"].get("hash_sha256")
    if draft.kind == "codes" and digest:
        ctx.store.insert(CODE_HASHES, CodeHash(ws.guid, str(digest), home.name, version))
    return made


def _reword(
    ctx: Context, old: AssetVersion, properties: Mapping[str, Any], by: str
) -> AssetVersion:
    rules = KINDS[old.kind]
    for field in rules.content:
        given = properties.get(field)
        if given is not None and _essence(field, given) != _essence(
            field, old.properties.get(field)
        ):
            raise _immutable(old, field)
    changed = {k: properties[k] for k in _CHANGEABLE if properties.get(k) is not None}
    values = {**old.properties, **changed}
    if "componentSpec" in rules.content and properties.get("componentSpec") is not None:
        values["componentSpec"] = properties["componentSpec"]
    if values == old.properties:
        return old
    new = replace(old, properties=values, modified=ctx.clock.now(), modified_by=by)
    ctx.store.put(VERSIONS, new)
    return new


def _essence(field: str, value: Any) -> Any:
    if field == "componentSpec" and isinstance(value, Mapping):
        return {k: v for k, v in value.items() if k not in _SPEC_WORDS}
    return value.rstrip("/") if field.endswith("Uri") and isinstance(value, str) else value


def _immutable(old: AssetVersion, field: str) -> AssetExists:
    if field.endswith("Uri"):
        # The one message that the client recognises by its text.
        return AssetExists("Asset paths cannot be updated.", target=f"{old.name}:{old.version}")
    word = KINDS[old.kind].word
    return AssetExists(
        f"{word} {old.name}:{old.version} already exists with another '{field}'. Versions are"
        " immutable: only tags, description, properties and the archived flag can change.",
        target=f"{old.name}:{old.version}",
    )


def change_container(
    ctx: Context, ws: Home, kind: str, name: str, given: Mapping[str, Any], *, by: str
) -> tuple[AssetContainer, bool]:
    """Make a container, or change its words and archived flag; whether it was made.

    Raises:
        ValidationError: a name Azure ML does not take.
    """
    names.check("asset", name)
    now = ctx.clock.now()
    with ctx.store.transaction():
        old = find_container(ctx, ws, kind, name)
        base = old or AssetContainer(
            ws.guid,
            kind,
            name.lower(),
            name,
            created=now,
            modified=now,
            created_by=by,
            anonymous=False,
        )
        new = replace(
            base,
            archived=bool(given.get("isArchived", base.archived)),
            description=given.get("description", base.description),
            tags=base.tags if given.get("tags") is None else given["tags"],
            properties=base.properties if given.get("properties") is None else given["properties"],
            modified=now,
        )
        ctx.store.put(CONTAINERS, new)
    return new, old is None


def delete_version(ctx: Context, ws: Home, kind: str, name: str, version: str) -> bool:
    """Remove a version; the container stays, and its number is not given out again."""
    with ctx.store.transaction():
        old = ctx.store.get(VERSIONS, ws.guid, kind, name.lower(), version)
        if old is None:
            return False
        ctx.store.delete(VERSIONS, ws.guid, kind, name.lower(), version)
        _forget_hash(ctx, old)
        home = get_container(ctx, ws, kind, name)
        left = versions(ctx, ws, kind, name)
        ctx.store.put(CONTAINERS, replace(home, latest=left[0].version if left else None))
    return True


def delete_container(ctx: Context, ws: Home, kind: str, name: str) -> bool:
    """Remove a name and all its versions."""
    with ctx.store.transaction():
        for old in versions(ctx, ws, kind, name):
            ctx.store.delete(VERSIONS, ws.guid, kind, old.key, old.version)
            _forget_hash(ctx, old)
        return ctx.store.delete(CONTAINERS, ws.guid, kind, name.lower())


def _forget_hash(ctx: Context, old: AssetVersion) -> None:
    digest = (old.properties.get("properties") or {}).get("hash_sha256")
    if old.kind == "codes" and digest:
        found = ctx.store.get(CODE_HASHES, old.owner, str(digest))
        if found is not None and (found.name, found.version) == (old.name, old.version):
            ctx.store.delete(CODE_HASHES, old.owner, str(digest))


def code_by_hash(ctx: Context, ws: Home, digest: str) -> AssetVersion | None:
    """The code version with that content, whatever its name."""
    index = ctx.store.get(CODE_HASHES, ws.guid, digest)
    if index is None:
        return None
    return ctx.store.get(VERSIONS, ws.guid, "codes", index.name.lower(), index.version)


def arm_id(ws: Home, kind: str, name: str, version: str | None = None) -> str:
    """The id of a container or a version: ARM's in a workspace, `azureml://…` in a registry."""
    tail = "" if version is None else f"/versions/{version}"
    return f"{ws.asset_scope}/{kind}/{name}{tail}"


def resolve_id(ctx: Context, ws: Home, reference: str, kind: str = "") -> AssetVersion:
    """The version that an ARM id, `azureml://…` id or `azureml:name:version` stands for.

    Without a version or label the latest is meant.

    Args:
        kind: what the place of use expects; needed where the reference does not say.

    Raises:
        InvalidUri: not an asset reference, or of another kind.
        AssetNotFound, ResourceMissing: it does not exist.
        Unsupported: it lives in a registry of Microsoft's.
    """
    uri = parse_uri(reference)
    if not isinstance(uri, AssetUri):
        raise InvalidUri(reference, "the id of an asset is expected")
    wanted = uri.kind or kind
    if not wanted or (kind and wanted != kind) or wanted not in KINDS:
        raise InvalidUri(reference, f"the id of one of '{kind or ', '.join(KINDS)}' is expected")
    home = workspaces.of_asset(ctx, ws, uri)
    if uri.version is not None:
        return get_version(ctx, home, wanted, uri.name, uri.version)
    return get_labelled(ctx, home, wanted, uri.name, uri.label or LATEST)
