"""Role definitions and assignments. The kernel decides by them; here they are kept and listed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from emulators.arm.engine import filters, groups
from emulators.arm.engine.filters import Filter
from emulators.arm.engine.ids import Scope
from emulators.arm.errors import (
    InvalidFilter,
    InvalidRoleAssignment,
    RoleAssignmentExists,
    RoleDefinitionUnknown,
)
from emulators.arm.store import ROLE_ASSIGNMENTS, SEEDS, RoleAssignment, Seed
from emulators.kernel.access import Grant
from emulators.kernel.context import Context

ASSIGNMENTS = "Microsoft.Authorization/roleAssignments"
DEFINITIONS = "Microsoft.Authorization/roleDefinitions"
GUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", re.IGNORECASE)
PRINCIPAL_TYPES = ("User", "Group", "ServicePrincipal", "ForeignGroup", "Device")
_ML = "Microsoft.MachineLearningServices/workspaces"
_REGISTRIES = "Microsoft.MachineLearningServices/registries"
_VAULTS = "Microsoft.KeyVault/vaults"
_BLOBS = "Microsoft.Storage/storageAccounts/blobServices"


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """A role of Azure's own; the permissions that matter to what is emulated."""

    title: str
    description: str
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()


# Source: learn.microsoft.com/azure/role-based-access-control/built-in-roles
BUILT_IN: dict[str, BuiltIn] = {
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": BuiltIn(
        "Owner", "Manages all resources and who may do what with them.", ("*",)
    ),
    "b24988ac-6180-42a0-ab88-20f7382dd24c": BuiltIn(
        "Contributor",
        "Manages all resources; gives no roles.",
        ("*",),
        (
            "Microsoft.Authorization/*/Delete",
            "Microsoft.Authorization/*/Write",
            "Microsoft.Authorization/elevateAccess/Action",
        ),
    ),
    "acdd72a7-3385-48ef-bd42-f606fba81ae7": BuiltIn(
        "Reader", "Sees all resources and changes none.", ("*/read",)
    ),
    "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9": BuiltIn(
        "User Access Administrator",
        "Gives roles.",
        ("*/read", "Microsoft.Authorization/*", "Microsoft.Support/*"),
    ),
    "f6c7c914-8db3-469d-8ca1-694a8f32e121": BuiltIn(
        "AzureML Data Scientist",
        "Works in a workspace, without making or changing compute or the workspace itself.",
        tuple(f"{_ML}/*/{verb}" for verb in ("read", "action", "delete", "write")),
        (
            f"{_ML}/delete",
            f"{_ML}/write",
            f"{_ML}/computes/*/write",
            f"{_ML}/computes/*/delete",
            f"{_ML}/computes/listKeys/action",
            f"{_ML}/listKeys/action",
        ),
    ),
    "1823dd4f-9b8c-4ab6-ab4e-7397a3684615": BuiltIn(
        "AzureML Registry User",
        "Reads, adds, changes and deletes the assets of a registry.",
        (f"{_REGISTRIES}/read", f"{_REGISTRIES}/assets/*"),
    ),
    "e503ece1-11d0-4e8e-8e2c-7a6c3bf38815": BuiltIn(
        "AzureML Compute Operator",
        "Manages compute in a workspace.",
        (f"{_ML}/computes/*", f"{_ML}/notebooks/vm/*"),
    ),
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": BuiltIn(
        "Storage Blob Data Owner",
        "All of blob data, access control included.",
        (f"{_BLOBS}/containers/*", f"{_BLOBS}/generateUserDelegationKey/action"),
        (),
        (f"{_BLOBS}/containers/blobs/*",),
    ),
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": BuiltIn(
        "Storage Blob Data Contributor",
        "Reads, writes and deletes blobs.",
        (
            f"{_BLOBS}/containers/delete",
            f"{_BLOBS}/containers/read",
            f"{_BLOBS}/containers/write",
            f"{_BLOBS}/generateUserDelegationKey/action",
        ),
        (),
        tuple(
            f"{_BLOBS}/containers/blobs/{verb}"
            for verb in ("delete", "read", "write", "move/action", "add/action")
        ),
    ),
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": BuiltIn(
        "Storage Blob Data Reader",
        "Reads blobs.",
        (f"{_BLOBS}/containers/read", f"{_BLOBS}/generateUserDelegationKey/action"),
        (),
        (f"{_BLOBS}/containers/blobs/read",),
    ),
    "7f951dda-4ed3-4680-a7ca-43fe172d538d": BuiltIn(
        "AcrPull", "Pulls images.", ("Microsoft.ContainerRegistry/registries/pull/read",)
    ),
    "8311e382-0749-4cb8-b61a-304f252e45ec": BuiltIn(
        "AcrPush",
        "Pushes and pulls images.",
        (
            "Microsoft.ContainerRegistry/registries/pull/read",
            "Microsoft.ContainerRegistry/registries/push/write",
        ),
    ),
    "4633458b-17de-408a-b874-0445c86b69e6": BuiltIn(
        "Key Vault Secrets User",
        "Reads secrets.",
        (),
        (),
        (f"{_VAULTS}/secrets/getSecret/action", f"{_VAULTS}/secrets/readMetadata/action"),
    ),
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7": BuiltIn(
        "Key Vault Secrets Officer",
        "Does anything with secrets; gives no roles.",
        (f"{_VAULTS}/*/read", "Microsoft.KeyVault/deletedVaults/read"),
        (),
        (f"{_VAULTS}/secrets/*",),
    ),
    "00482a5a-887f-4fb3-b363-3b7fe8e74483": BuiltIn(
        "Key Vault Administrator",
        "Does anything with what is in a vault; neither manages vaults nor gives roles.",
        (f"{_VAULTS}/*/read", "Microsoft.KeyVault/deletedVaults/read"),
        (),
        (f"{_VAULTS}/*",),
    ),
    "21090545-7ca7-4776-b22c-e363652d74d2": BuiltIn(
        "Key Vault Reader",
        "Sees vaults and what is in them, but no value of a secret.",
        (f"{_VAULTS}/*/read", "Microsoft.KeyVault/deletedVaults/read"),
        (),
        (f"{_VAULTS}/*/read", f"{_VAULTS}/secrets/readMetadata/action"),
    ),
    "f25e0fa2-a7c8-4377-a976-54943a77a395": BuiltIn(
        "Key Vault Contributor",
        "Manages vaults; sees nothing of what is in them.",
        ("Microsoft.KeyVault/*",),
        (
            "Microsoft.KeyVault/locations/deletedVaults/purge/action",
            "Microsoft.KeyVault/hsmPools/*",
            "Microsoft.KeyVault/managedHsms/*",
        ),
    ),
    "673868aa-7521-48a0-acc6-0f60742d39f5": BuiltIn(
        "Data Factory Contributor",
        "Makes and changes data factories and what is in them.",
        (
            "Microsoft.DataFactory/dataFactories/*",
            "Microsoft.DataFactory/factories/*",
            "Microsoft.EventGrid/eventSubscriptions/write",
            "Microsoft.Resources/deployments/*",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
        ),
    ),
}
OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"
BLOB_OWNER = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"
BLOB_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
VAULT_ADMINISTRATOR = "00482a5a-887f-4fb3-b363-3b7fe8e74483"
SECRETS_OFFICER = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7"
SEEDED = "roles"
SEEDED_NAME = "00000000-0000-0000-0000-0000000000a{}"


def seed(ctx: Context) -> None:
    """Give the first roles, once in the life of a state folder, and let all of them decide.

    The seeded service principal owns the subscription and the data in it. The managed identity
    of this machine, which is that of whatever runs here, may do everything but give roles.
    What came later is a batch of its own, so that older state folders get it, too.
    """
    scope = f"/subscriptions/{ctx.secrets.subscription_id}"
    owner, machine = ctx.secrets.object_id, ctx.secrets.guid("managed_object_id")
    batches = {
        SEEDED: (
            ("a", OWNER, owner), ("b", BLOB_OWNER, owner),
            ("c", CONTRIBUTOR, machine), ("d", BLOB_CONTRIBUTOR, machine),
        ),
        f"{SEEDED}-vaults": (("e", VAULT_ADMINISTRATOR, owner), ("f", SECRETS_OFFICER, machine)),
    }  # fmt: skip
    with ctx.store.transaction():
        for batch, roles in batches.items():
            if ctx.store.insert(SEEDS, Seed(batch)):
                for letter, role, principal in roles:
                    made = _record(ctx, scope, SEEDED_NAME.format(letter), role, principal, {})
                    ctx.store.insert(ROLE_ASSIGNMENTS, made)
        for one in list(ctx.store.scan(ROLE_ASSIGNMENTS)):
            ctx.access.give(_grant(one))
        ctx.access.begin("arm")


def _grant(one: RoleAssignment) -> Grant:
    """What an assignment allows, as the kernel decides by it."""
    role = BUILT_IN[one.role]
    return Grant(
        one.principal,
        one.key,
        one.scope.lower(),
        list(role.actions),
        list(role.not_actions),
        list(role.data_actions),
    )


def definitions(ctx: Context, title_filter: str | None) -> list[tuple[str, BuiltIn]]:
    """The roles that a `$filter` lets pass, by title.

    Raises:
        InvalidFilter: it cannot be read.
    """
    asked = filters.parse(title_filter, frozenset({"rolename", "type"})) if title_filter else None
    return sorted(
        (
            (name, role)
            for name, role in BUILT_IN.items()
            if asked is None or asked.matches({"rolename": role.title, "type": "BuiltInRole"})
        ),
        key=lambda pair: pair[1].title,
    )


def assign(
    ctx: Context, scope: Scope, name: str, properties: Mapping[str, Any], by: str
) -> tuple[RoleAssignment, bool]:
    """Give a role; repeating the same call is harmless. The second value says whether it is new.

    Raises:
        InvalidRoleAssignment: the name is no GUID, or role or principal are missing.
        RoleDefinitionUnknown: there is no such role.
        RoleAssignmentExists: the same under another name.
        SubscriptionNotFound, GroupNotFound: the scope is not there.
    """
    check_scope(ctx, scope)
    if not GUID.match(name):
        raise InvalidRoleAssignment(
            f"The role assignment ID '{name}' is not valid. The role assignment ID must be a GUID."
        )
    role = str(properties.get("roleDefinitionId") or "").rstrip("/").rpartition("/")[2].lower()
    principal = properties.get("principalId")
    if not isinstance(principal, str) or not GUID.match(principal):
        raise InvalidRoleAssignment(
            f"The request to create role assignment '{name}' is not valid. Role assignment"
            " properties contain invalid or missing 'PrincipalId'."
        )
    if role not in BUILT_IN:
        raise RoleDefinitionUnknown(role)
    made = replace(_record(ctx, scope.path, name, role, principal.lower(), properties), by=by)
    with ctx.store.transaction():
        for other in ctx.store.scan(ROLE_ASSIGNMENTS):
            same = (other.scope.lower(), other.role, other.principal) == (
                made.scope.lower(), made.role, made.principal,
            )  # fmt: skip
            if other.key == made.key and not same:
                raise InvalidRoleAssignment(
                    "Tenant ID, application ID, principal ID, and scope are not allowed to be"
                    " updated."
                )
            if other.key == made.key:
                return other, False
            if same:
                raise RoleAssignmentExists(other.name)
        ctx.store.put(ROLE_ASSIGNMENTS, made)
        ctx.access.give(_grant(made))
    return made, True


def assignments(ctx: Context, scope: Scope, given: str | None) -> list[RoleAssignment]:
    """The assignments at a scope and above it, and below it unless `$filter` has `atScope()`.

    Raises:
        InvalidFilter: it cannot be read.
    """
    check_scope(ctx, scope)
    at_scope, asked = _assignment_filter(given) if given else (False, None)
    here = scope.path.lower()
    found = []
    for one in ctx.store.scan(ROLE_ASSIGNMENTS):
        there = one.scope.lower()
        above = here == there or here.startswith(f"{there}/")
        below = there.startswith(f"{here}/")
        if (above or (below and not at_scope)) and (
            asked is None or asked.matches({"principalid": one.principal})
        ):
            found.append(one)
    return found


def remove(ctx: Context, key: str) -> RoleAssignment | None:
    """Take a role away; the assignment that was, or None."""
    with ctx.store.transaction():
        found = ctx.store.get(ROLE_ASSIGNMENTS, key.lower())
        if found is not None:
            _drop(ctx, found)
        return found


def _drop(ctx: Context, one: RoleAssignment) -> None:
    ctx.store.delete(ROLE_ASSIGNMENTS, one.key)
    ctx.access.take(one.principal, one.key)


def remove_below(ctx: Context, scope: str) -> None:
    """Take away every role given at `scope` (lower case) or below it, as its deletion does."""
    for one in list(ctx.store.scan(ROLE_ASSIGNMENTS)):
        if one.scope.lower() == scope or one.scope.lower().startswith(f"{scope}/"):
            _drop(ctx, one)


def check_scope(ctx: Context, scope: Scope) -> None:
    """Let only scopes of this subscription pass.

    Raises:
        SubscriptionNotFound, GroupNotFound: as written.
        InvalidRoleAssignment: the tenant's root.
    """
    if not scope.subscription:
        raise InvalidRoleAssignment("Roles are given at a subscription or below it.")
    groups.check_subscription(ctx, scope.subscription)
    if scope.group:
        groups.get(ctx, scope.group)


def _assignment_filter(given: str) -> tuple[bool, Filter | None]:
    """`atScope()`, `principalId eq 'x'`, `assignedTo('x')`, joined by `and`."""
    at_scope, rest = False, []
    for part in re.split(r"\s+and\s+", given.strip()):
        assigned = re.fullmatch(r"assignedTo\(('[^']*')\)", part, re.IGNORECASE)
        if part.lower() == "atscope()":
            at_scope = True
        else:
            rest.append(f"principalId eq {assigned.group(1)}" if assigned else part)
    if not at_scope and not rest:
        raise InvalidFilter(given)
    asked = filters.parse(" and ".join(rest), frozenset({"principalid"})) if rest else None
    return at_scope, asked


def _record(
    ctx: Context, scope: str, name: str, role: str, principal: str, given: Mapping[str, Any]
) -> RoleAssignment:
    path = f"{scope}/providers/{ASSIGNMENTS}/{name}"
    kind = given.get("principalType")
    return RoleAssignment(
        key=path.lower(),
        id=path,
        name=name,
        scope=scope,
        role=role,
        principal=principal,
        principal_type=kind if kind in PRINCIPAL_TYPES else "ServicePrincipal",
        created=ctx.clock.now(),
        by="",
        condition=_optional(given.get("condition")),
        condition_version=_optional(given.get("conditionVersion")),
        description=_optional(given.get("description")),
    )


def _optional(value: object) -> str | None:
    return value if isinstance(value, str) else None
