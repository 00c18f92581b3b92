"""Which registry is meant; making and removing one is in `registries_provisioning`."""

from __future__ import annotations

from collections.abc import Iterator

from emulators.kernel.context import Context
from emulators.kernel.errors import Unsupported
from emulators.machinelearning.errors import ResourceMissing
from emulators.machinelearning.store.registries import REGISTRIES, Registry

SYSTEM = "azureml"
TRACKED = "emulators/machinelearning/README.md, registries"


def is_system(name: str) -> bool:
    """Whether the name is one of Microsoft's own registries (`azureml`, `azureml-meta`, …)."""
    return name.lower() == SYSTEM or name.lower().startswith((f"{SYSTEM}-", "azure-"))


def find(ctx: Context, name: str) -> Registry | None:
    """The registry of that name in any case of letters, or None."""
    return ctx.store.get(REGISTRIES, name.lower())


def named(ctx: Context, name: str) -> Registry:
    """The registry of that name, wherever it is: names are the tenant's.

    Raises:
        Unsupported: one of Microsoft's.
        ResourceMissing: there is none.
    """
    if is_system(name):
        raise Unsupported(f"this use of Microsoft's registry '{name}'", tracked=TRACKED)
    found = find(ctx, name)
    if found is None:
        raise ResourceMissing(f"The registry '{name}' could not be found.")
    return found


def get(ctx: Context, subscription: str, group: str, name: str) -> Registry:
    """The registry at an ARM scope.

    Raises:
        ResourceMissing: it is not there.
    """
    found = find(ctx, name)
    if found is None or (found.subscription.lower(), found.group.lower()) != (
        subscription.lower(),
        group.lower(),
    ):
        raise ResourceMissing(
            f"The Resource 'Microsoft.MachineLearningServices/registries/{name}' under resource"
            f" group '{group}' was not found. For more details please go to"
            " https://aka.ms/ARMResourceNotFoundFix"
        )
    return found


def every(ctx: Context, group: str | None = None) -> Iterator[Registry]:
    """All registries, or those of a group, by name."""
    for found in ctx.store.scan(REGISTRIES):
        if group is None or found.group.lower() == group.lower():
            yield found
