"""Shared access signatures of an account, of a service, and of a user's delegation key.

Source: learn.microsoft.com/rest/api/storageservices, the pages create-account-sas,
create-service-sas and create-user-delegation-sas.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

from emulators.kernel.context import Context
from emulators.kernel.errors import Unsupported
from emulators.storage import errors
from emulators.storage.engine import accounts
from emulators.storage.engine.signing import Signable, is_signature, signed_by
from emulators.storage.store import CONTAINERS

OLDEST = "2015-04-05"
WITH_RESOURCE = "2018-11-09"
WITH_AGENTS = "2020-02-10"
WITH_SCOPE = "2020-12-06"
WITH_DELEGATED_USER = "2025-07-05"
WITH_REQUEST = "2026-04-06"

OVERRIDES = {
    "rscc": "Cache-Control",
    "rscd": "Content-Disposition",
    "rsce": "Content-Encoding",
    "rscl": "Content-Language",
    "rsct": "Content-Type",
}
KEY_LIFETIME = timedelta(days=7)
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,7}))?)?(Z|[+-]\d\d:\d\d)?)?"
)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a signature allows."""

    kind: str  # account, service or delegation
    permissions: str
    types: str = ""  # of an account's: s, c, o
    scope: str = ""  # of the others: c, b, bs or d
    overrides: Mapping[str, str] = field(default_factory=dict)  # response headers


def moment(text: str) -> datetime:
    """An instant as signatures write it.

    Raises:
        ValueError: it does not read.
    """
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise ValueError(f"not an instant: {text!r}")
    day, minute, second, _, zone = found.groups()
    zone = "+00:00" if zone in (None, "Z") else zone
    return datetime.fromisoformat(f"{day}T{minute or '00:00'}:{second or '00'}{zone}").astimezone(
        UTC
    )


def verify(ctx: Context, request: Signable, account: str, container: str, blob: str) -> Grant:
    """Check a signature in the query: its text, its time, and from where it may be used.

    Raises:
        AuthenticationFailed: it does not hold.
        ServiceError: it holds, and not for this service, address or protocol.
    """
    q = request.values
    version = q.get("sv", "")
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", version):
        raise _failed("sv is mandatory. Cannot be empty")
    if version < OLDEST:
        raise Unsupported(f"shared access signatures of version {version}, before {OLDEST}")
    if q.get("ses"):
        raise Unsupported("encryption scopes (ses)")
    if "ss" in q or "srt" in q:
        grant = _account(ctx, request, account, version)
    elif "skoid" in q:
        grant = _delegation(ctx, request, account, container, blob)
    else:
        grant = _service(ctx, request, account, container, blob)
    _check_place(request)
    return grant


def _failed(detail: str) -> errors.AuthenticationFailed:
    return errors.AuthenticationFailed(detail={"AuthenticationErrorDetail": detail})


def _check_signature(keys: list[str], text: str, given: str) -> None:
    if not is_signature(given):
        raise _failed("Signature is not well formed: base64 of 32 bytes is expected")
    if not signed_by(keys, iter([text]), given):
        raise _failed(f"Signature did not match. String to sign used was {text}")


def _check_time(now: datetime, start: str, expiry: str) -> None:
    try:
        first = moment(start) if start else None
        last = moment(expiry)
    except ValueError:
        raise _failed("Signature fields not well formed.") from None
    if now >= last or (first is not None and now < first):
        stamp = "%a, %d %b %Y %H:%M:%S GMT"
        shown = f"Start [{first.strftime(stamp)}] - " if first else ""
        raise _failed(
            f"Signature not valid in the specified time frame: {shown}Expiry"
            f" [{last.strftime(stamp)}] - Current [{now.strftime(stamp)}]"
        )


def _check_place(request: Signable) -> None:
    q = request.values
    protocols = q.get("spr", "") or "https,http"
    if request.protocol not in protocols.split(","):
        raise errors.ProtocolMismatch
    if q.get("sip"):
        low, _, high = q["sip"].partition("-")
        try:
            first = ipaddress.ip_address(low)
            last = ipaddress.ip_address(high or low)
            caller = ipaddress.ip_address(request.address)
            inside = int(first) <= int(caller) <= int(last) and first.version == caller.version
        except ValueError:
            inside = False
        if not inside:
            raise errors.SourceIPMismatch(detail={"SourceIP": request.address})


def _overrides(q: Mapping[str, str]) -> dict[str, str]:
    return {header: q[name] for name, header in OVERRIDES.items() if q.get(name)}


def _account(ctx: Context, request: Signable, account: str, version: str) -> Grant:
    q = request.values
    names = ["sp", "ss", "srt", "st", "se", "sip", "spr", "sv"]
    names += ["ses"] if version >= WITH_SCOPE else []
    text = "\n".join([account, *(q.get(name, "") for name in names)]) + "\n"
    _check_signature(list(accounts.keys(ctx, account).values()), text, q.get("sig", ""))
    _check_time(ctx.clock.wall(), q.get("st", ""), q.get("se", ""))
    if "b" not in q.get("ss", ""):
        raise errors.ServiceMismatch
    return Grant("account", q.get("sp", ""), types=q.get("srt", ""))


def _resource(q: Mapping[str, str], account: str, container: str, blob: str) -> str:
    """The canonical name of what the signature is for, as this request would have it."""
    scope = q.get("sr", "")
    if scope == "c":
        return f"/blob/{account}/{container}"
    if scope in ("b", "bs", "bv"):
        return f"/blob/{account}/{container}/{blob}"
    if scope == "d":
        depth = q.get("sdd", "")
        if not depth.isdigit():
            raise _failed("sdd is mandatory for a directory")
        folder = "/".join(blob.split("/")[: int(depth)])
        return f"/blob/{account}/{container}" + (f"/{folder}" if folder else "")
    raise _failed("sr is mandatory. Cannot be empty")


def _tail(q: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """The signed values before and after those a delegation key adds, from `sip` on."""
    version = q["sv"]
    first = [q.get("sip", ""), q.get("spr", ""), version]
    if version >= WITH_RESOURCE:
        first += [q.get("sr", ""), q.get("snapshot", "") if q.get("sr") == "bs" else ""]
    if version >= WITH_SCOPE:
        first.append(q.get("ses", ""))
    return first, [q.get(name, "") for name in OVERRIDES]


def _service(ctx: Context, request: Signable, account: str, container: str, blob: str) -> Grant:
    q = request.values
    first, last = _tail(q)
    text = "\n".join(
        [
            q.get("sp", ""),
            q.get("st", ""),
            q.get("se", ""),
            _resource(q, account, container, blob),
            q.get("si", ""),
            *first,
            *last,
        ]
    )
    _check_signature(list(accounts.keys(ctx, account).values()), text, q.get("sig", ""))
    start, expiry, permissions = q.get("st", ""), q.get("se", ""), q.get("sp", "")
    if q.get("si"):
        stored = _policy(ctx, account, container, q["si"])
        start, expiry = start or stored["start"], expiry or stored["expiry"]
        permissions = permissions or stored["permission"]
    _check_time(ctx.clock.wall(), start, expiry)
    return Grant("service", permissions, scope=q.get("sr", ""), overrides=_overrides(q))


def _policy(ctx: Context, account: str, container: str, name: str) -> dict[str, str]:
    found = ctx.store.get(CONTAINERS, account, container)
    for policy in found.policies if found else []:
        if policy["id"] == name:
            return policy
    raise _failed(
        "Access without signed identifier cannot have time window more than 1 hour"
        if not found
        else f"The signed identifier {name} is not a policy of the container"
    )


def delegation_key(ctx: Context, account: str, fields: Mapping[str, str]) -> str:
    """The secret of a user delegation key, a function of what it says; base64."""
    secret = ctx.secrets.token(f"storage/{account}/delegation")
    names = ("skoid", "sktid", "skt", "ske", "sks", "skv", "skdutid")
    said = "\n".join(fields.get(name, "") for name in names)
    return base64.b64encode(
        hmac.new(secret.encode(), said.encode(), hashlib.sha256).digest()
    ).decode()


def _listed(request: Signable, names: str, values: Mapping[str, str]) -> list[str]:
    wanted = [unquote(name) for name in names.split(",") if name]
    return [f"{name}:{values.get(name.lower(), '')}" for name in wanted]


def _delegated_text(request: Signable, resource: str) -> str:
    q = request.values
    version = q["sv"]
    lines = [q.get("sp", ""), q.get("st", ""), q.get("se", ""), resource]
    lines += [q.get(name, "") for name in ("skoid", "sktid", "skt", "ske", "sks", "skv")]
    if version >= WITH_AGENTS:
        lines += [q.get(name, "") for name in ("saoid", "suoid", "scid")]
    if version >= WITH_DELEGATED_USER:
        lines += [q.get(name, "") for name in ("skdutid", "sduoid")]
    first, last = _tail(q)
    lines += first
    if version >= WITH_REQUEST:
        headers = dict(request.headers)
        queries = {name.lower(): value for name, value in q.items()}
        heads = _listed(request, q.get("srh", ""), headers)
        asked = _listed(request, q.get("srq", ""), queries)
        lines.append("".join(f"{line}\n" for line in heads))
        lines.append("".join(f"\n{line}" for line in asked))
    return "\n".join([*lines, *last])


def _delegation(ctx: Context, request: Signable, account: str, container: str, blob: str) -> Grant:
    q = request.values
    if q.get("sduoid") or q.get("skdutid"):
        raise Unsupported("user delegation signatures bound to another user (sduoid, skdutid)")
    now = ctx.clock.wall()
    text = _delegated_text(request, _resource(q, account, container, blob))
    _check_signature([delegation_key(ctx, account, q)], text, q.get("sig", ""))
    _check_time(now, q.get("st", ""), q.get("se", ""))
    _check_time(now, q.get("skt", ""), q.get("ske", ""))
    if q.get("sks") != "b":
        raise errors.ServiceMismatch
    return Grant("delegation", q.get("sp", ""), scope=q.get("sr", ""), overrides=_overrides(q))
