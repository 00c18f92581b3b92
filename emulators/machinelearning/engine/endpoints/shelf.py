"""Where endpoints of one kind lie with their deployments, and how they are found."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from emulators.kernel.context import Context
from emulators.kernel.store import Table
from emulators.machinelearning.errors import ResourceMissing, UserError, ValidationError
from emulators.machinelearning.store.endpoints import HOST_NAMES, HostName
from emulators.machinelearning.store.workspaces import Workspace

NAME = re.compile(r"[A-Za-z](?:[A-Za-z0-9]|-(?!-)){1,30}[A-Za-z0-9]\Z")


class Held(Protocol):
    """What every kind of endpoint has."""

    @property
    def workspace(self) -> str: ...

    @property
    def key(self) -> str: ...

    @property
    def name(self) -> str: ...


E = TypeVar("E", bound=Held)
D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class Wanted:
    """An endpoint as a request states it."""

    properties: Mapping[str, Any]
    tags: Mapping[str, Any]
    identity: Mapping[str, Any]
    by: str


@dataclass(frozen=True)
class Shelf(Generic[E, D]):
    """The endpoints of one kind: `online` or `batch`."""

    kind: str
    endpoints: Table[E]
    held: Table[D]

    def get(self, ctx: Context, ws: Workspace, name: str) -> E:
        """The endpoint.

        Raises:
            ResourceMissing: there is none.
        """
        found = ctx.store.get(self.endpoints, ws.guid, name.lower())
        if found is None:
            raise ResourceMissing(
                f"The Resource 'Microsoft.MachineLearningServices/workspaces/{ws.name}/"
                f"{self.kind}Endpoints/{name}' under resource group '{ws.group}' was not found."
            )
        return found

    def every(self, ctx: Context, ws: Workspace) -> list[E]:
        """A workspace's endpoints by name."""
        return list(ctx.store.scan(self.endpoints, ws.guid))

    def get_deployment(self, ctx: Context, endpoint: E, name: str) -> D:
        """The deployment.

        Raises:
            ResourceMissing: there is none.
        """
        found = ctx.store.get(self.held, endpoint.workspace, endpoint.key, name.lower())
        if found is None:
            raise ResourceMissing(
                f"The deployment '{name}' of the {self.kind} endpoint '{endpoint.name}' was not"
                " found."
            )
        return found

    def deployments(self, ctx: Context, endpoint: E) -> list[D]:
        """An endpoint's deployments by name."""
        return list(ctx.store.scan(self.held, endpoint.workspace, endpoint.key))

    def by_host(self, ctx: Context, name: str) -> E | None:
        """The endpoint whose host name begins with `name`."""
        found = ctx.store.get(HOST_NAMES, name.lower())
        if found is None:
            return None
        return ctx.store.get(self.endpoints, found.workspace, name.lower())


def check_name(kind: str, name: str) -> None:
    """Refuse what Azure does not take for an endpoint's or deployment's name.

    Raises:
        ValidationError: 3-32 letters, digits and single dashes are wanted, a letter first.
    """
    if not NAME.match(name):
        raise ValidationError(
            f"The {kind} name '{name[:80]}' is invalid. It must begin with a letter, be 3-32"
            " characters long and hold only letters, digits and single '-'.",
            target="name",
        )


def claim_host(ctx: Context, ws: Workspace, name: str) -> None:
    """Take the host name of a new endpoint of any kind.

    Raises:
        UserError: another endpoint of the region has it.
    """
    if not ctx.store.insert(HOST_NAMES, HostName(name.lower(), ws.guid)):
        raise UserError(
            f"There is already an endpoint with the name '{name}' in the region"
            f" {ctx.settings.region}; endpoint names are unique in a region. Choose another."
        )
