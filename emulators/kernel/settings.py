"""Every knob, its default, its unit, one line of help. The only reader of the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Settings of one `rehearse up`; each is also `REHEARSAL_<NAME>` in the environment."""

    model_config = SettingsConfigDict(env_prefix="REHEARSAL_", frozen=True, extra="ignore")

    state: Path = Field(
        default=Path(".rehearsal"), description="State folder: everything kept is in it."
    )
    cache_dir: Path = Field(
        default=Path("~/.cache/rehearsal"),
        description="Built environments and public data, shared.",
    )
    host: str = Field(default="127.0.0.1", description="Loopback address that is listened on.")
    proxy_port: int = Field(
        default=8440, ge=0, le=65535, description="Forward proxy; 0 picks a free one."
    )
    explicit_port: int = Field(
        default=8441, ge=0, le=65535, description="https://localhost door; 0 picks."
    )
    tds_port: int = Field(
        default=8433, ge=0, le=65535, description="The warehouse's SQL port (TDS); 0 picks."
    )
    sql_flavor: Literal["synapse", "managed-instance"] = Field(
        default="synapse", description="Whose T-SQL rules the warehouse follows."
    )
    sql_strict: bool = Field(
        default=False, description="Refuse what a dedicated pool documents it has not, too."
    )
    sql_backend: Literal["duckdb", "mssql"] = Field(
        default="duckdb", description="The warehouse's engine: its own, or a SQL Server behind it."
    )
    sql_server: str = Field(default="127.0.0.1,1433", description="HOST,PORT of that SQL Server.")
    sql_user: str = Field(default="sa", description="Login at that SQL Server.")
    sql_password: str = Field(default="", repr=False, description="Password of that login.")
    sql_database: str = Field(
        default="master", description="Database there that stands for the pool's."
    )
    sql_encrypt: bool = Field(default=True, description="Encrypt what goes to that SQL Server.")
    sql_ca: str = Field(
        default="", description="Certificates that SQL Server is checked by; unset: any is taken."
    )
    region: str = Field(default="eastus", description="Azure region of everything made here.")
    resource_group: str = Field(default="rehearsal", description="Resource group that is seeded.")
    workspace: str = Field(
        default="rehearsal", description="Machine Learning workspace that is seeded."
    )
    data_factory: str = Field(
        default="rehearsal", description="Data factory, and Synapse workspace, that are seeded."
    )
    offline: bool = Field(default=False, description="Refuse hosts that are not Azure's, too.")
    public_data: Literal["cache", "deny"] = Field(
        default="cache",
        description="Unknown storage accounts: read public blobs through, or refuse.",
    )
    newer_api: Literal["serve", "refuse"] = Field(
        default="serve", description="An unknown api-version."
    )
    runtime: Literal["venv", "host", "docker"] = Field(
        default="venv", description="Where user code runs."
    )
    docker_base: str = Field(
        default="python:{python}-slim-bookworm",
        description="Image to build environments on where none can be had; `{python}` is `3.11`.",
    )
    docker_network: Literal["home", "bridge"] = Field(
        default="home",
        description="What containers reach: the emulated Azure only, or Docker's bridge, too.",
    )
    docker_cpus: float = Field(
        default=0, ge=0, description="Processors' worth of time of a container; 0 is no bound."
    )
    relax: bool = Field(
        default=False, description="Let a pin that cannot be had move to the nearest."
    )
    cold: bool = Field(default=False, description="Start every job cold, without warm runners.")
    reuse: bool = Field(
        default=False, description="Let pipeline steps reuse what identical ones have made."
    )
    job_memory_mib: int = Field(
        default=0, ge=0, description="Memory a job's processes may use, in MiB; 0 is no limit."
    )
    durable: bool = Field(
        default=False, description="Survive power loss too (fsync on every commit)."
    )
    time_scale: float = Field(
        default=1.0, gt=0, description="Our waits pass this many times faster."
    )
    seed: int | None = Field(
        default=None, description="Seeds ids, faults and sampling; unset is random."
    )
    mlflow: bool = Field(default=True, description="Start the MLflow server in the background.")
    max_body_mib: int = Field(
        default=64, gt=0, description="Largest JSON or XML body read, in MiB."
    )


def client_environment_of_process() -> Mapping[str, str]:
    """The environment this process was started with (proxies, certificates, PATH)."""
    return dict(os.environ)
