"""Connect the adapters to the target that the settings name, or only record what they would do."""

from __future__ import annotations

from dataclasses import replace

from azure_adapters.ports import Adapters, Place
from azure_adapters.settings import Settings
from azure_adapters.target import Names, Target


def names_of(settings: Settings) -> Names:
    """Return the workspace that the settings name."""
    return Names(settings.subscription_id, settings.resource_group, settings.workspace)


def place_of(settings: Settings) -> Place:
    """Return what code outside the SDKs has to be told of the target."""
    return Place(
        settings.subscription_id,
        settings.resource_group,
        settings.workspace,
        settings.tenant_id,
        settings.client_id,
        settings.key_vault_url.rstrip("/"),
        f"{settings.sql_host},{settings.sql_port}" if settings.sql_host else "",
        settings.sql_database,
    )


def connect(settings: Settings) -> Adapters:
    """Return adapters on the official SDKs; the environment decides where those connect.

    Raises:
        WrongTarget: the settings name no usable target.
    """
    settings.check()
    settings.quicken()

    from azure.identity import DefaultAzureCredential

    endpoints: dict[str, str] = {}
    if settings.storage_account:
        endpoints["storage"] = f"https://{settings.storage_account}.blob.core.windows.net"
    return _connected(settings, Target(names_of(settings), endpoints, DefaultAzureCredential()))


def _connected(settings: Settings, target: Target) -> Adapters:
    from azure_adapters import machinelearning as ml
    from azure_adapters.batch import SdkBatchEndpoints
    from azure_adapters.datafactory import SdkFactories
    from azure_adapters.keyvault import SdkSecrets
    from azure_adapters.schedules import SdkSchedules
    from azure_adapters.stages import SdkStages
    from azure_adapters.storage import SdkBlobs
    from azure_adapters.warehouse import Pool, SqlWarehouse

    client, place = ml.client(target), place_of(settings)

    def elsewhere(workspace: str) -> Adapters:
        """The adapters of another workspace of the group; its storage account is another one."""
        there = replace(target, names=replace(target.names, workspace=workspace))
        return _connected(settings.model_copy(update={"workspace": workspace}), there)

    return Adapters(
        suffix=target.names.suffix,
        data=ml.SdkDatasets(client),
        environments=ml.SdkEnvironments(client),
        computes=ml.SdkComputes(client),
        jobs=ml.SdkJobs(client),
        models=ml.SdkModels(client),
        endpoints=ml.SdkOnlineEndpoints(client),
        batch=SdkBatchEndpoints(client),
        schedules=SdkSchedules(client),
        stages=SdkStages(client, target, elsewhere),
        blobs=SdkBlobs(target),
        place=place,
        secrets=SdkSecrets(target, place, settings.client_secret),
        factories=SdkFactories(target, settings.data_factory),
        warehouse=SqlWarehouse(
            Pool(
                settings.sql_host,
                settings.sql_port,
                settings.sql_database,
                settings.sql_user,
                settings.sql_password,
            )
        ),
    )
