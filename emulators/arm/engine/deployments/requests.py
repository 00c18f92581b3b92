"""What a deployment is asked for: its properties, linked content fetched, its plan made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

from emulators.arm.engine.deployments import records
from emulators.arm.engine.deployments.surroundings import around
from emulators.arm.engine.deployments.vaults import with_secrets
from emulators.arm.engine.templates import relaxed
from emulators.arm.engine.templates.frames import Place
from emulators.arm.engine.templates.order import ordered
from emulators.arm.engine.templates.planning import Plan, plan
from emulators.arm.engine.templates.values import look_up
from emulators.arm.errors import InvalidDeployment, InvalidTemplateLink
from emulators.kernel.context import Context
from emulators.kernel.errors import Unsupported

TRACKED = 'emulators/arm/README.md, "Template deployments"'
LARGEST_LINKED = 4 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Asked:
    """A deployment as it is asked for, with its template at hand."""

    place: Place
    name: str
    template: dict[str, Any]
    link: dict[str, Any] | None
    parameters: Mapping[str, Any]  # name -> {"value": ...}; may hold secrets
    location: str | None = None
    tags: dict[str, str] = field(default_factory=dict)


async def read(
    ctx: Context,
    place: Place,
    name: str,
    properties: Mapping[str, Any],
    parent_link: Mapping[str, Any] | None = None,
    *,
    by: str,
) -> Asked:
    """Read a deployment's properties, fetching what they link to, for the principal `by`.

    Raises:
        InvalidDeployment: neither a template nor a link to one, or no mode.
        InvalidTemplateLink: linked content that cannot be fetched.
        VaultReferenceForbidden, VaultReferenceFailed: a parameter's secret that cannot be had.
        Unsupported: something that Azure would do and this does not.
    """
    check_mode(look_up(properties, "mode"))
    for refused in ("onErrorDeployment", "externalInputs", "extensionConfigs"):
        if look_up(properties, refused):
            raise Unsupported(f"'{refused}' of a deployment", tracked=TRACKED)
    detail = look_up(look_up(properties, "debugSetting") or {}, "detailLevel")
    if str(detail or "none").lower() != "none":
        raise Unsupported("'debugSetting' of a deployment", tracked=TRACKED)
    template, link = look_up(properties, "template"), look_up(properties, "templateLink")
    if (template is None) == (link is None):
        raise InvalidDeployment(
            "The request content was invalid: a deployment has either a 'template' or a"
            " 'templateLink'."
        )
    given, given_link = look_up(properties, "parameters"), look_up(properties, "parametersLink")
    if given is not None and given_link is not None:
        raise InvalidDeployment(
            "The request content was invalid: a deployment has either 'parameters' or a"
            " 'parametersLink'."
        )
    if link is not None:
        link = _absolute(link, parent_link)
        template = await _fetch(ctx, link)
    if given_link is not None:
        content = await _fetch(ctx, _absolute(given_link, parent_link))
        given = content.get("parameters", content)
    if not isinstance(given or {}, dict) or not isinstance(template, dict):
        raise InvalidDeployment(
            "The request content was invalid: 'template' and 'parameters' must be objects."
        )
    records.check_name(name)
    return Asked(place, name, template, link, await with_secrets(ctx, template, given or {}, by))


def check_mode(mode: object) -> None:
    """The mode of a deployment, if it is one that is served.

    Raises:
        InvalidDeployment: no mode.
        Unsupported: one that deletes what the template does not name.
    """
    word = str(mode or "").lower()
    if word == "complete":
        raise Unsupported(
            "deployments in the mode Complete, which delete what the template does not name",
            tracked=TRACKED,
        )
    if word != "incremental":
        raise InvalidDeployment(
            f"The request content was invalid: the deployment mode '{mode or ''}' must be"
            " 'Incremental' or 'Complete'."
        )


def planned(ctx: Context, asked: Asked) -> Plan:
    """The plan of a deployment.

    Raises:
        InvalidTemplate: as the service says.
    """
    public = {
        name: one
        for name, one in asked.parameters.items()
        if not _secret(asked.template, name)
    }  # fmt: skip
    properties: dict[str, Any] = {
        "template": asked.template,
        "templateHash": records.hash_of(asked.template),
        "parameters": public,
        "mode": "Incremental",
        "provisioningState": "Accepted",
    }
    if asked.link is not None:
        properties["templateLink"] = asked.link
    about: dict[str, Any] = {"name": asked.name, "properties": properties}
    if asked.location is not None:
        about["location"] = asked.location
    at = around(ctx, asked.place, about)
    return ordered(plan(asked.template, asked.parameters, at, at.place))


def _secret(template: Mapping[str, Any], name: str) -> bool:
    declared = look_up(template, "parameters")
    one = look_up(declared, name) if isinstance(declared, dict) else None
    kind = one.get("type") if isinstance(one, dict) else None
    return str(kind or "secure").lower().startswith("secure")


def _absolute(link: object, parent: Mapping[str, Any] | None) -> dict[str, Any]:
    """A link with its whole address."""
    if not isinstance(link, dict):
        raise InvalidDeployment("The request content was invalid: a link must be an object.")
    if look_up(link, "id"):
        raise Unsupported("template specs ('id' of a templateLink)", tracked=TRACKED)
    uri, relative = look_up(link, "uri"), look_up(link, "relativePath")
    found = {k: v for k, v in link.items() if k.lower() != "relativepath" and v is not None}
    if relative:
        if parent is None or not look_up(parent, "uri"):
            raise InvalidTemplateLink(str(relative), "The deployment itself has no link.")
        base = urlsplit(str(look_up(parent, "uri")))
        uri = urljoin(base._replace(query="").geturl(), str(relative))
        query = str(look_up(parent, "queryString") or base.query)
        found |= {"uri": uri} | ({"queryString": query} if query else {})
    if not isinstance(uri, str) or not uri.startswith(("https://", "http://")):
        raise InvalidTemplateLink(str(uri), "It is not an absolute address.")
    return found


async def _fetch(ctx: Context, link: Mapping[str, Any]) -> dict[str, Any]:
    """A linked document, read as Azure does: with nothing but what its address holds."""
    uri, query = str(look_up(link, "uri")), str(look_up(link, "queryString") or "").lstrip("?")
    whole = f"{uri}{'&' if '?' in uri else '?'}{query}" if query else uri
    try:
        async with ctx.peers.client() as http:
            answer = await http.get(whole, auth=None)
    except Exception as wrong:  # whatever the transport raises when nobody answers
        raise InvalidTemplateLink(uri, f"It cannot be reached: {wrong}.") from None
    if not answer.is_success:
        raise InvalidTemplateLink(uri, f"The server answered {answer.status_code}.")
    if len(answer.content) > LARGEST_LINKED:
        raise InvalidTemplateLink(uri, "It is larger than 4 MiB.")
    try:
        content = relaxed.read(answer.content)
    except relaxed.Unreadable:
        content = None
    if not isinstance(content, dict):
        raise InvalidTemplateLink(uri, "It is not a JSON object.")
    version = look_up(link, "contentVersion")
    if version and version != look_up(content, "contentVersion"):
        raise InvalidTemplateLink(uri, f"Its content version is not '{version}'.")
    return content
