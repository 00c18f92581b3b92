"""Storage accounts: make, find, change and delete them, and their keys."""

from __future__ import annotations

from collections.abc import Iterator

from emulators.kernel.context import Context
from emulators.storage.engine import containers, naming
from emulators.storage.engine.vault import Vault
from emulators.storage.store import ACCOUNTS, CONTAINERS, EVENT_SUBSCRIPTIONS, Account

KEYS = ("key1", "key2")


def seed(ctx: Context) -> Account:
    """The state folder's own account, made when it is not there."""
    name = ctx.secrets.text("default_account", lambda: f"rehearsal{ctx.ids.hex(8)}")
    found = ctx.store.get(ACCOUNTS, name)
    if found is not None:
        return found
    made = Account(
        name=name,
        subscription=ctx.secrets.subscription_id,
        group=ctx.settings.resource_group,
        location=ctx.settings.region,
        kind="StorageV2",
        sku="Standard_LRS",
        created=ctx.clock.now(),
        public_access=True,
        shared_key=True,
    )
    ctx.store.insert(ACCOUNTS, made)
    return made


def find(ctx: Context, name: str) -> Account | None:
    """The account, or None."""
    return ctx.store.get(ACCOUNTS, name)


def keys(ctx: Context, account: str) -> dict[str, str]:
    """The account's keys by name, base64."""
    return {name: ctx.secrets.key(_secret(account, name)) for name in KEYS}


def regenerate(ctx: Context, account: str, name: str) -> None:
    """Replace one key; what it signed no longer opens anything."""
    ctx.secrets.regenerate_key(_secret(account, name))


def _secret(account: str, name: str) -> str:
    return f"storage/{account}/{name}"


def is_name(name: str) -> bool:
    """Whether an account can have that name: 3 to 24 lower-case letters and digits."""
    return naming.ACCOUNT.fullmatch(name) is not None


def put(vault: Vault, wanted: Account) -> None:
    """Make the account, or change it. The caller has checked the name and whose it is."""
    vault.ctx.store.put(ACCOUNTS, wanted)


def revoke_delegation(ctx: Context, account: str) -> None:
    """Make every user delegation key of the account worthless."""
    ctx.secrets.forget(f"token/storage/{account}/")


def same_place(account: Account, subscription: str, group: str) -> bool:
    """Whether the account is in that resource group; case does not matter."""
    return (account.subscription.lower(), account.group.lower()) == (
        subscription.lower(),
        group.lower(),
    )


def listed(ctx: Context, subscription: str, group: str | None = None) -> Iterator[Account]:
    """The accounts of a subscription, or of one resource group of it."""
    for account in ctx.store.scan(ACCOUNTS):
        if account.subscription.lower() == subscription.lower() and (
            group is None or account.group.lower() == group.lower()
        ):
            yield account


def delete(vault: Vault, account: Account) -> None:
    """Delete the account with everything in it; its keys are forgotten."""
    store = vault.ctx.store
    with store.transaction():
        for container in list(store.scan(CONTAINERS, account.name)):
            containers.delete(vault, container)
        for one in list(store.scan(EVENT_SUBSCRIPTIONS, account.name)):
            store.delete(EVENT_SUBSCRIPTIONS, account.name, one.key)
        store.delete(ACCOUNTS, account.name)
    vault.subscribed = None
    vault.ctx.secrets.forget(f"key/storage/{account.name}/")
    vault.ctx.secrets.forget(f"token/storage/{account.name}/")
