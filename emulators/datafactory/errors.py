"""Errors of Data Factory: the codes and words that its service answers with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from emulators.kernel.errors import BadRequest, Conflict, NotFound, PreconditionFailed

_NOUNS = {
    "pipelines": ("Pipeline", "pipeline"),
    "datasets": ("Dataset", "dataset"),
    "linkedservices": ("LinkedService", "linked service"),
    "triggers": ("Trigger", "trigger"),
    "dataflows": ("DataFlow", "data flow"),
    "integrationruntimes": ("IntegrationRuntime", "integration runtime"),
    "credentials": ("Credential", "credential"),
    "managedvirtualnetworks": ("ManagedVirtualNetwork", "managed virtual network"),
    "managedprivateendpoints": ("ManagedPrivateEndpoint", "managed private endpoint"),
    "globalparameters": ("GlobalParameter", "global parameter"),
    "pipelineruns": ("PipelineRun", "pipeline run"),
    "triggerruns": ("TriggerRun", "trigger run"),
}


class GroupMissing(NotFound):
    """The resource group is not there."""

    code = "ResourceGroupNotFound"

    def __init__(self, group: str) -> None:
        super().__init__(f"Resource group '{group}' could not be found.")


class FactoryMissing(NotFound):
    """ARM's answer for a factory or workspace that is not there."""

    code = "ResourceNotFound"

    def __init__(self, kind: str, name: str, group: str) -> None:
        super().__init__(
            f"The Resource '{kind}/{name}' under resource group '{group}' was not found. For more"
            " details please go to https://aka.ms/ARMResourceNotFoundFix"
        )


class NameInUse(Conflict):
    """Factories and workspaces have names of their own in all of Azure."""

    code = "DataFactoryNameInUse"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The specified resource name '{name}' is already in use. Resource names must be"
            " globally unique.",
            target=name,
        )


class InvalidName(BadRequest):
    """A name outside the rules."""

    code = "InvalidResourceName"

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"The name '{name[:300]}' is not valid: {why}", target=name[:300])


class ChildMissing(NotFound):
    """No such child of the factory; the code is made of its kind (`PipelineNotFound`)."""

    def __init__(self, kind: str, name: str, factory: str) -> None:
        noun, words = _NOUNS.get(kind.lower(), ("Entity", "entity"))
        self.code = f"{noun}NotFound"
        super().__init__(
            f"The {words} {name[:300]} was not found in the factory {factory}.", target=name[:300]
        )


class RunMissing(ChildMissing):
    """No such pipeline run."""

    def __init__(self, run_id: str, factory: str) -> None:
        super().__init__("pipelineruns", run_id, factory)


class EtagMismatch(PreconditionFailed):
    """`If-Match` names another state than the present one."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The etag given in If-Match is not that of '{name}': it was changed or is not there.",
            target=name,
        )


class Exists(Conflict):
    """Another child has the name."""

    code = "ResourceAlreadyExists"

    def __init__(self, name: str) -> None:
        super().__init__(f"A resource named '{name[:300]}' exists already.", target=name[:300])


class InvalidReference(BadRequest):
    """Something names a resource that is not published."""

    def __init__(self, missing: str, target: str | None = None) -> None:
        super().__init__(
            "The document creation or update failed because of invalid reference"
            f" '{missing[:300]}'.",
            target=target,
        )


class Referenced(BadRequest):
    """What others name cannot be deleted."""

    def __init__(self, name: str, by: str) -> None:
        super().__init__(
            f"The document cannot be deleted since it is referenced by {by}.", target=name
        )


class InvalidPayload(BadRequest):
    """A body that lacks what every resource of its kind has."""

    code = "InvalidRequestContent"


class InvalidTemplate(BadRequest):
    """A pipeline that cannot be published; `details` has one entry for each problem."""

    code = "InvalidTemplate"

    def __init__(self, name: str, details: Sequence[Mapping[str, object]]) -> None:
        first = details[0]
        more = f" ({len(details) - 1} more: see details)" if len(details) > 1 else ""
        super().__init__(
            f"The template validation of '{name}' failed: {first.get('message')}{more}",
            target=str(first.get("target", name)),
            details=details,
        )


class InvalidParameters(BadRequest):
    """Parameters of a run that do not fit the pipeline's declarations."""


class InvalidQuery(BadRequest):
    """A filter, order or token that a query does not know."""

    code = "InvalidQuery"


class TriggerEnabled(BadRequest):
    """A started trigger is neither changed nor deleted."""

    code = "TriggerEnabledCannotUpdate"

    def __init__(self, name: str) -> None:
        super().__init__(
            "Cannot update enabled Trigger; the trigger needs to be disabled first.", target=name
        )


class QueueFull(BadRequest):
    """A pipeline's concurrency is used up, and the queue behind it too."""

    def __init__(self, pipeline: str, most: int) -> None:
        super().__init__(
            "Pipeline execution throttled. If the concurrency value is set for a pipeline, a"
            f" maximum of {most} runs will be queued for execution.",
            target=pipeline,
        )


class RunEnded(BadRequest):
    """A run that has ended cannot be cancelled."""

    code = "PipelineRunIsNotRunning"


class InvalidTrigger(BadRequest):
    """A trigger that breaks a rule of its kind."""

    def __init__(self, name: str, why: str, target: str | None = None) -> None:
        super().__init__(
            f"The trigger '{name[:300]}' is not valid: {why.rstrip('.')}.", target=target
        )


class TriggerNotStarted(BadRequest):
    """A stopped trigger does nothing."""

    code = "TriggerNotStarted"

    def __init__(self, name: str) -> None:
        super().__init__(f"The trigger '{name[:300]}' is not started.", target=name)


class TriggerRunState(BadRequest):
    """A trigger run in this state cannot be rerun or cancelled."""

    code = "InvalidTriggerRunState"
