"""The environment variables that make any client use this front door, and their notations."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emulators.kernel.azure_domains import AZURE_DOMAINS

if TYPE_CHECKING:
    from emulators.kernel.context import Context
    from emulators.kernel.door import Ports
    from emulators.kernel.tls import Authority

LOOPBACK = ("localhost", "127.0.0.1")
"""Always reached directly. Not `::1`: mltable's native reader takes its colons for a port and
refuses to work at all; clients say `localhost`, and that name covers it."""

TOKEN_LIFETIME_S = 24 * 3600  # of MLFLOW_TRACKING_TOKEN: a working day, then `rehearse env` again
FORMATS = ("shell", "json", "dotenv", "powershell")


@dataclass(frozen=True, slots=True)
class ClientFacts:
    """What the variables say; plain values, so that they can be made without a running host."""

    proxy_port: int
    ca_bundle: str  # path: public roots and our authority
    node_ca: str  # path: our authority, for what adds it to its own roots
    tenant_id: str
    client_id: str
    client_secret: str
    subscription_id: str
    resource_group: str
    workspace: str
    region: str
    storage_account: str
    storage_key: str
    mlflow_token: str
    host: str = "127.0.0.1"
    key_vault: str = ""  # name of the state folder's vault
    data_factory: str = ""


def variables(facts: ClientFacts, inherited: Mapping[str, str]) -> dict[str, str]:
    """The variables by name, given the environment they are added to.

    HTTP_PROXY is set as well as HTTPS_PROXY: a plain http:// URL of Azure must meet our refusal,
    not the real cloud. The lower-case forms are what curl and Python prefer.
    """
    proxy = f"http://{facts.host}:{facts.proxy_port}"
    no_proxy = ",".join([*LOOPBACK, *_kept_no_proxy(_user_value("NO_PROXY", inherited))])
    connection = (
        "DefaultEndpointsProtocol=https;EndpointSuffix=core.windows.net;"
        f"AccountName={facts.storage_account};AccountKey={facts.storage_key}"
    )
    workspace = (
        f"/subscriptions/{facts.subscription_id}/resourceGroups/{facts.resource_group}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{facts.workspace}"
    )
    # v1.0 is the plain address: with azureml-mlflow installed, v2.0 is answered in its terms.
    tracking = f"https://{facts.region}.api.azureml.ms/mlflow/v1.0{workspace}"
    return {
        **dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"), proxy),
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
        **_upstream(inherited),
        "REQUESTS_CA_BUNDLE": facts.ca_bundle,
        "SSL_CERT_FILE": facts.ca_bundle,
        "CURL_CA_BUNDLE": facts.ca_bundle,
        "NODE_EXTRA_CA_CERTS": facts.node_ca,
        "NODE_USE_ENV_PROXY": "1",  # Node 22.21 and later: fetch() honours the proxy
        "AZURE_TENANT_ID": facts.tenant_id,
        "AZURE_CLIENT_ID": facts.client_id,
        "AZURE_CLIENT_SECRET": facts.client_secret,
        "AZURE_SUBSCRIPTION_ID": facts.subscription_id,
        "AZURE_RESOURCE_GROUP": facts.resource_group,
        "AZUREML_WORKSPACE_NAME": facts.workspace,
        "AZURE_STORAGE_ACCOUNT": facts.storage_account,
        "AZURE_STORAGE_CONNECTION_STRING": connection,
        "AZURE_DATA_FACTORY_NAME": facts.data_factory,
        "AZURE_KEY_VAULT_URL": f"https://{facts.key_vault}.vault.azure.net/",
        "MLFLOW_TRACKING_URI": tracking,
        "MLFLOW_TRACKING_TOKEN": facts.mlflow_token,
    }


def led_names() -> frozenset[str]:
    """The names of the variables that lead a client here, whatever their values."""
    blank = ClientFacts(0, *[""] * 12)
    return frozenset(variables(blank, {}))


def client_environment(
    ctx: Context, ports: Ports, authority: Authority, inherited: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The variables of a host that is up; they are added to `inherited` (by default, nothing)."""
    secrets = ctx.secrets
    account = secrets.values.get("default_account", "")
    audience = "https://management.azure.com"
    facts = ClientFacts(
        proxy_port=ports.proxy,
        ca_bundle=str(authority.bundle_file),
        node_ca=str(authority.node_file),
        tenant_id=secrets.tenant_id,
        client_id=secrets.client_id,
        client_secret=secrets.client_secret,
        subscription_id=secrets.subscription_id,
        resource_group=ctx.settings.resource_group,
        workspace=ctx.settings.workspace,
        region=ctx.settings.region,
        storage_account=account,
        storage_key=secrets.key(f"storage/{account}/key1") if account else "",
        data_factory=ctx.settings.data_factory,
        key_vault=secrets.values.get("default_vault", "none"),
        mlflow_token=ctx.tokens.issue(audience, lifetime_s=TOKEN_LIFETIME_S),
    )
    return variables(facts, inherited or {})


def render(values: Mapping[str, str], notation: str) -> str:
    """Write variables so that a shell, a file reader or a program takes exactly these values.

    Args:
        notation: one of FORMATS.

    Raises:
        ValueError: an unknown notation, a name no shell takes, or a NUL or line break in a value
            of a notation that has one line a variable.
    """
    for name, value in values.items():
        if not (name.isascii() and name.isidentifier()):
            raise ValueError(f"{name!r} is not a variable's name")
        if "\0" in value or (notation == "dotenv" and ("\n" in value or "\r" in value)):
            raise ValueError(f"the value of {name} cannot be written as {notation}")
    if notation == "json":
        return json.dumps(dict(values), indent=2) + "\n"
    writers = {"shell": _shell, "dotenv": _dotenv, "powershell": _powershell}
    if notation not in writers:
        raise ValueError(f"unknown format {notation!r}; known: {', '.join(FORMATS)}")
    write = writers[notation]
    return "".join(f"{write(name, value)}\n" for name, value in values.items())


def _shell(name: str, value: str) -> str:
    quoted = value.replace("'", "'\\''")
    return f"export {name}='{quoted}'"


def _dotenv(name: str, value: str) -> str:
    # Within single quotes readers take two backslashes, and one before the quote, for an escape.
    if "'" not in value and "\\\\" not in value and not value.endswith("\\"):
        return f"{name}='{value}'"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{name}="{escaped}"'


def _powershell(name: str, value: str) -> str:
    quoted = value
    for mark in "'\u2018\u2019\u201a\u201b":  # PowerShell takes every one of these for a quote
        quoted = quoted.replace(mark, mark * 2)
    return f"$env:{name} = '{quoted}'"


def _user_value(name: str, inherited: Mapping[str, str]) -> str:
    for key in (f"REHEARSAL_UPSTREAM_{name}", name.lower(), name):
        if key in inherited:
            return inherited[key]
    return ""


def _upstream(inherited: Mapping[str, str]) -> dict[str, str]:
    """What the user's own proxies were, for a `rehearse up` started from a shell set up by us."""
    found = {}
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"):
        found[f"REHEARSAL_UPSTREAM_{name}"] = _user_value(name, inherited) or (
            "" if name == "NO_PROXY" else _user_value("ALL_PROXY", inherited)
        )
    return found


def _kept_no_proxy(text: str) -> list[str]:
    """The user's own exceptions, less those that would let an Azure host pass us by."""
    kept: list[str] = []
    for entry in (e.strip() for e in text.split(",")):
        name = entry.lower().removeprefix("*").strip(".").partition(":")[0]
        whole = not name and entry != "" and not entry.startswith("::")
        # Some clients match any ending, within a label too.
        over = name != "" and any(d.endswith(name) or name.endswith(f".{d}") for d in AZURE_DOMAINS)
        if entry and not whole and not over and entry not in (*LOOPBACK, "::1", "[::1]", *kept):
            kept.append(entry)
    return kept
