"""Operations on the account's Blob service itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from emulators.kernel.http import Reply, read_body
from emulators.storage import errors
from emulators.storage.engine import sas
from emulators.storage.engine.access import Need
from emulators.storage.engine.blobs import stamp
from emulators.storage.store import ACCOUNTS
from emulators.storage.wire import xml
from emulators.storage.wire.ask import Ask
from emulators.storage.wire.containers import XML
from emulators.storage.wire.routes import Route

RETENTION = "<RetentionPolicy><Enabled>false</Enabled></RetentionPolicy>"
METRICS = f"<Version>1.0</Version><Enabled>false</Enabled>{RETENTION}"
DEFAULT_PROPERTIES = {
    "Logging": (
        "<Version>1.0</Version><Delete>false</Delete><Read>false</Read><Write>false</Write>"
        + RETENTION
    ),
    "HourMetrics": METRICS,
    "MinuteMetrics": METRICS,
    "Cors": "",
    "DefaultServiceVersion": "",
    "DeleteRetentionPolicy": "<Enabled>false</Enabled>",
    "StaticWebsite": "<Enabled>false</Enabled>",
}


async def get_properties(ask: Ask) -> Reply:
    stored = xml.inner_elements(ask.account.service)
    items = "".join(
        xml.element(name, stored.get(name, default))
        for name, default in DEFAULT_PROPERTIES.items()
        if name != "DefaultServiceVersion" or name in stored
    )
    body = f"{xml.HEAD}<StorageServiceProperties>{items}</StorageServiceProperties>"
    return Reply(200, body, media=XML)


async def set_properties(ask: Ask) -> Reply:
    body = await read_body(ask.request, xml.MAX_BODY)
    given = xml.properties(body, set(DEFAULT_PROPERTIES))
    kept = xml.inner_elements(ask.account.service) | given
    stored = "".join(xml.element(name, inner) for name, inner in kept.items())
    ask.ctx.store.put(ACCOUNTS, replace(ask.account, service=stored))
    return Reply(202)


async def get_account_information(ask: Ask) -> Reply:
    headers = {
        "x-ms-sku-name": ask.account.sku,
        "x-ms-account-kind": ask.account.kind,
        "x-ms-is-hns-enabled": "false",
    }
    return Reply(200, headers=headers)


async def get_user_delegation_key(ask: Ask) -> Reply:
    if ask.caller.how != "bearer":
        raise errors.AuthorizationFailure
    asked = xml.parse(await read_body(ask.request, xml.MAX_BODY), "KeyInfo")
    if asked.findtext("DelegatedUserTid"):
        from emulators.kernel.errors import Unsupported

        raise Unsupported("user delegation keys for another tenant's user")
    now = ask.ctx.clock.now()
    try:
        start = sas.moment(asked.findtext("Start", "") or stamp(now)[:19] + "Z")
        expiry = sas.moment(asked.findtext("Expiry", ""))
    except ValueError:
        raise errors.InvalidXmlDocument from None
    if not now < expiry <= max(now, start) + sas.KEY_LIFETIME or start >= expiry:
        raise errors.InvalidXmlNodeValue
    if start > now + timedelta(days=7):
        raise errors.InvalidXmlNodeValue
    fields = {
        "skoid": ask.caller.object_id,
        "sktid": ask.caller.tenant_id,
        "skt": f"{start:%Y-%m-%dT%H:%M:%SZ}",
        "ske": f"{expiry:%Y-%m-%dT%H:%M:%SZ}",
        "sks": "b",
        "skv": ask.version,
    }
    body = (
        f"{xml.HEAD}<UserDelegationKey>"
        + xml.text("SignedOid", fields["skoid"])
        + xml.text("SignedTid", fields["sktid"])
        + xml.text("SignedStart", fields["skt"])
        + xml.text("SignedExpiry", fields["ske"])
        + xml.text("SignedService", fields["sks"])
        + xml.text("SignedVersion", fields["skv"])
        + xml.text("Value", sas.delegation_key(ask.ctx, ask.account.name, fields))
        + "</UserDelegationKey>"
    )
    return Reply(200, body, media=XML)


PROPERTIES = "restype=service&comp=properties"
DELEGATION = "restype=service&comp=userdelegationkey"
INFORMATION = "restype=account&comp=properties"
OWN = Need("s", "", signature=False)
ROUTES = [
    Route("GetBlobServiceProperties", "GET", "service", PROPERTIES, Need("s", "r"), get_properties),
    Route("SetBlobServiceProperties", "PUT", "service", PROPERTIES, Need("s", "w"), set_properties),
    Route("GetUserDelegationKey", "POST", "service", DELEGATION, OWN, get_user_delegation_key),
    *(
        Route(
            "GetAccountInformation",
            verb,
            level,
            INFORMATION,
            Need(kind, ""),
            get_account_information,
        )
        for level, kind in (("service", "s"), ("container", "c"), ("blob", "o"))
        for verb in ("GET", "HEAD")
    ),
]
