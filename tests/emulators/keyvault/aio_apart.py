"""The asynchronous client in a process of its own: aiohttp keeps the roots of its import."""

from __future__ import annotations

import asyncio
import os

from azure.identity.aio import ClientSecretCredential
from azure.keyvault.secrets.aio import SecretClient


async def main() -> None:
    env = os.environ
    async with (
        ClientSecretCredential(
            env["AZURE_TENANT_ID"], env["AZURE_CLIENT_ID"], env["AZURE_CLIENT_SECRET"]
        ) as credential,
        SecretClient(env["AZURE_KEY_VAULT_URL"], credential) as client,
    ):
        await client.set_secret("aio", "v")
        assert (await client.get_secret("aio")).value == "v"
        names = [found.name async for found in client.list_properties_of_secrets()]
        assert "aio" in names
        backup = await client.backup_secret("aio")
        await client.delete_secret("aio")
        await client.recover_deleted_secret("aio")
        await client.delete_secret("aio")
        await client.purge_deleted_secret("aio")
        assert (await client.restore_secret_backup(backup)).name == "aio"
    print("done")


asyncio.run(main())
