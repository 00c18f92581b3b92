"""Several workspaces and identities in one subscription, made as a team would make them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import requests

from tests.running import Rehearsal

ROLES = {
    "Owner": "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
    "Contributor": "b24988ac-6180-42a0-ab88-20f7382dd24c",
    "Reader": "acdd72a7-3385-48ef-bd42-f606fba81ae7",
    "AzureML Data Scientist": "f6c7c914-8db3-469d-8ca1-694a8f32e121",
    "AzureML Registry User": "1823dd4f-9b8c-4ab6-ab4e-7397a3684615",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage Blob Data Reader": "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
}
GRAPH = "https://graph.microsoft.com/v1.0"
ML = "Microsoft.MachineLearningServices"


@dataclass(frozen=True)
class Identity:
    """A service principal and its credential."""

    app_id: str
    object_id: str
    secret: str
    credential: Any


class Estate:
    """What the subscription's owner does; `azure_env` must be in force."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        from azure.identity import ClientSecretCredential
        from azure.mgmt.resource.resources import ResourceManagementClient

        self.env = rehearsal.env
        self.subscription = self.env["AZURE_SUBSCRIPTION_ID"]
        self._make = ClientSecretCredential
        self.owner = self.credential(self.env["AZURE_CLIENT_ID"], self.env["AZURE_CLIENT_SECRET"])
        self.resources = ResourceManagementClient(self.owner, self.subscription)

    def credential(self, app_id: str, secret: str) -> Any:
        return self._make(self.env["AZURE_TENANT_ID"], app_id, secret)

    def identity(self, name: str) -> Identity:
        """A new application with its service principal and a secret."""
        token = self.owner.get_token("https://graph.microsoft.com/.default").token
        headers = {"authorization": f"Bearer {token}"}

        def post(path: str, body: Any) -> Any:
            answer = requests.post(f"{GRAPH}{path}", json=body, headers=headers, timeout=30)
            answer.raise_for_status()
            return answer.json()

        app = post("/applications", {"displayName": name})
        principal = post("/servicePrincipals", {"appId": app["appId"]})
        secret = post(f"/applications/{app['id']}/addPassword", {})["secretText"]
        credential = self.credential(app["appId"], secret)
        return Identity(app["appId"], principal["id"], secret, credential)

    def group(self, name: str) -> str:
        """A resource group; its id."""
        made = self.resources.resource_groups.create_or_update(name, {"location": "eastus"})
        return str(made.id)

    def workspace(self, group: str, name: str) -> str:
        """A workspace in a group of its own; its id."""
        where = f"{self.group(group)}/providers/{ML}/workspaces/{name}"
        body = {"location": "eastus", "properties": {}}
        self.resources.resources.begin_create_or_update_by_id(
            where, body, api_version="2024-10-01"
        ).result()
        return where

    def give(self, who: Identity, role: str, scope: str) -> str:
        """A role at a scope; the assignment's id."""
        definition = f"providers/Microsoft.Authorization/roleDefinitions/{ROLES[role]}"
        where = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
        body = {
            "properties": {
                "roleDefinitionId": f"/subscriptions/{self.subscription}/{definition}",
                "principalId": who.object_id,
                "principalType": "ServicePrincipal",
            }
        }
        self.resources.resources.begin_create_or_update_by_id(
            where, body, api_version="2022-04-01"
        ).result()
        return where

    def take(self, assignment: str) -> None:
        """Remove a role assignment."""
        self.resources.resources.begin_delete_by_id(assignment, api_version="2022-04-01").result()

    def client(self, who: Any, workspace: str) -> Any:
        """The Azure ML client of a credential on a workspace's id."""
        from azure.ai.ml import MLClient

        parts = workspace.split("/")
        return MLClient(who, self.subscription, parts[4], parts[8])
