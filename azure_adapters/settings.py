"""Which target, and its names: from the environment, `.env` and `[tool.rehearsal]`, in that order.

The only module here that knows that there are two targets.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    PyprojectTomlConfigSettingsSource,
    SettingsConfigDict,
)

# `rehearse env` always prints it, and nothing else does: the mark of a shell whose Azure is ours.
MARK = "REHEARSAL_UPSTREAM_HTTPS_PROXY"
# Log polls of azure-ai-ml, in seconds, read when it is imported; its own default is 2, up to 60.
POLLING = {"AZUREML_RUN_POLLING_INTERVAL_MIN": "1", "AZUREML_RUN_POLLING_INTERVAL_MAX": "5"}


class WrongTarget(ValueError):
    """The settings name no usable target; the message says what to set."""


class Settings(BaseSettings):
    """Where scenarios run. `TARGET` is `local` or `azure`; the names are Azure's own variables."""

    model_config = SettingsConfigDict(
        env_file=".env",
        extra="ignore",
        populate_by_name=True,
        pyproject_toml_table_header=("tool", "rehearsal"),
    )

    target: Literal["local", "azure"] = Field(
        default="local", description="Where the SDKs connect: this machine's emulators, or Azure."
    )
    subscription_id: str = Field(
        default="",
        validation_alias=AliasChoices("AZURE_SUBSCRIPTION_ID", "subscription_id"),
        description="Subscription of the workspace.",
    )
    resource_group: str = Field(
        default="",
        validation_alias=AliasChoices("AZURE_RESOURCE_GROUP", "resource_group"),
        description="Resource group of the workspace.",
    )
    workspace: str = Field(
        default="",
        validation_alias=AliasChoices("AZUREML_WORKSPACE_NAME", "workspace"),
        description="Machine Learning workspace.",
    )
    storage_account: str = Field(
        default="",
        validation_alias=AliasChoices("AZURE_STORAGE_ACCOUNT", "storage_account"),
        description="Storage account for blobs; only scenarios that write blobs need it.",
    )
    tenant_id: str = Field(
        default="",
        validation_alias=AliasChoices("AZURE_TENANT_ID", "tenant_id"),
        description="Tenant; only scenarios whose pipelines sign in need it.",
    )
    client_id: str = Field(
        default="",
        validation_alias=AliasChoices("AZURE_CLIENT_ID", "client_id"),
        description="Application that the SDKs, and pipelines, sign in as.",
    )
    client_secret: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("AZURE_CLIENT_SECRET", "client_secret"),
        description="Its secret; kept in the vault for pipelines.",
    )
    key_vault_url: str = Field(
        default="",
        validation_alias=AliasChoices("AZURE_KEY_VAULT_URL", "key_vault_url"),
        description="Key vault for what pipelines sign in with.",
    )
    data_factory: str = Field(
        default="",
        validation_alias=AliasChoices("AZURE_DATA_FACTORY_NAME", "data_factory"),
        description="Data factory; only scenarios with pipelines need it.",
    )
    sql_host: str = Field(
        default="",
        validation_alias=AliasChoices("MSSQL_HOST", "sql_host"),
        description="Server of the dedicated SQL pool; only scenarios with SQL need it.",
    )
    sql_port: int = Field(
        default=1433,
        validation_alias=AliasChoices("MSSQL_PORT", "sql_port"),
        description="Its port.",
    )
    sql_database: str = Field(
        default="",
        validation_alias=AliasChoices("MSSQL_DATABASE", "sql_database"),
        description="The pool's name, which is that of its database.",
    )
    sql_user: str = Field(
        default="",
        validation_alias=AliasChoices("MSSQL_USER", "sql_user"),
        description="SQL login that deploys.",
    )
    sql_password: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("MSSQL_PASSWORD", "sql_password"),
        description="Its password.",
    )
    workspaces: dict[str, str] = Field(
        default_factory=dict,
        validation_alias=AliasChoices("AZUREML_WORKSPACES", "workspaces"),
        description='Workspaces by short names: {"dev": "group/workspace"}; promotion uses them.',
    )
    registry: str = Field(
        default="",
        validation_alias=AliasChoices("AZUREML_REGISTRY_NAME", "registry"),
        description="Registry that models are promoted through.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Add pyproject.toml as the last source."""
        project = PyprojectTomlConfigSettingsSource(settings_cls)
        return init_settings, env_settings, dotenv_settings, project

    @property
    def needs_rehearsal(self) -> bool:
        """True when the process must have been started with what `rehearse env` prints."""
        return self.target == "local"

    def scope_of(self, name: str) -> str:
        """The ARM id of a workspace by its short name; a name not listed is the workspace's own.

        Raises:
            WrongTarget: a listed place that is none.
        """
        parts = self.workspaces.get(name, name).strip("/").split("/")
        if len(parts) > 3 or not all(parts):
            raise WrongTarget(
                f"workspaces.{name}: {self.workspaces.get(name, name)!r} is neither"
                " 'workspace', 'group/workspace' nor 'subscription/group/workspace'"
            )
        *above, workspace = parts
        group = above[-1] if above else self.resource_group
        subscription = above[0] if len(above) == 2 else self.subscription_id
        return (
            f"/subscriptions/{subscription}/resourceGroups/{group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{workspace}"
        )

    def check(
        self, environment: Mapping[str, str] | None = None, *, one_workspace: bool = True
    ) -> None:
        """See that names are complete and that the process would reach the target they are of.

        Args:
            one_workspace: whether everything happens in the one that the settings name.

        Raises:
            WrongTarget: a name is missing, or the process is set up for the other target.
        """
        here = os.environ if environment is None else environment
        if self.needs_rehearsal and MARK not in here:
            raise WrongTarget(
                "target local, but this process lacks the variables of `rehearse env`: "
                "use `rehearse run`, or set them first"
            )
        if not self.needs_rehearsal and MARK in here:
            raise WrongTarget(
                "target azure, but this shell has the variables of `rehearse env`, which lead to "
                "the emulators: use a fresh shell"
            )
        names = {
            "AZURE_SUBSCRIPTION_ID": self.subscription_id,
            "AZURE_RESOURCE_GROUP": self.resource_group,
            "AZUREML_WORKSPACE_NAME": self.workspace,
        }
        if not one_workspace:
            del names["AZUREML_WORKSPACE_NAME"]
        if missing := [name for name, value in names.items() if not value]:
            raise WrongTarget(
                f"target {self.target} needs {', '.join(missing)}: in the environment, in .env, "
                "or in [tool.rehearsal] of pyproject.toml"
            )

    def quicken(self) -> None:
        """Have azure-ai-ml look for new log lines more often; before its import, and once."""
        for name, value in POLLING.items():
            os.environ.setdefault(name, value)


def load(target: str | None = None) -> Settings:
    """Return the settings, with `target` on top when it is given.

    Raises:
        WrongTarget: a target that is neither local nor azure.
    """
    from pydantic import ValidationError

    try:
        return Settings(**({"target": target} if target else {}))  # type: ignore[arg-type]
    except ValidationError as wrong:
        first = wrong.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise WrongTarget(f"{where}: {first['msg']}, got {first['input']!r}") from None


def started_with() -> dict[str, str]:
    """Return the environment of this process, to start another with."""
    return dict(os.environ)


def is_rehearsed(environment: Mapping[str, str]) -> bool:
    """Tell whether Azure's names lead to the emulators in such an environment."""
    return MARK in environment
