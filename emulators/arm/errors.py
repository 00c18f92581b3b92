"""The resource manager's own errors, in its own words."""

from __future__ import annotations

from emulators.kernel.errors import BadRequest, Conflict, Forbidden, NotFound


class SubscriptionNotFound(NotFound):
    """Not the subscription of this state folder."""

    code = "SubscriptionNotFound"

    def __init__(self, subscription: str) -> None:
        super().__init__(f"The subscription '{subscription}' could not be found.")


class InvalidSubscriptionId(BadRequest):
    """A subscription that is no GUID."""

    code = "InvalidSubscriptionId"

    def __init__(self, subscription: str) -> None:
        super().__init__(
            f"The provided subscription identifier '{subscription}' is malformed or invalid."
        )


class GroupNotFound(NotFound):
    """No such resource group."""

    code = "ResourceGroupNotFound"

    def __init__(self, name: str) -> None:
        super().__init__(f"Resource group '{name}' could not be found.")


class InvalidGroupName(BadRequest):
    """A name no resource group may have."""

    code = "InvalidResourceGroup"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The provided resource group name '{name}' is invalid. The name can only be letters,"
            " digits, '-', '.', '(', ')' or '_', up to 90 of them, and must not end with '.'."
        )


class LocationRequired(BadRequest):
    """A resource without its region."""

    code = "LocationRequired"

    def __init__(self) -> None:
        super().__init__("The location property is required for this definition.")


class GroupLocationChanged(Conflict):
    """A group cannot move."""

    code = "InvalidResourceGroupLocation"

    def __init__(self, wanted: str, existing: str) -> None:
        super().__init__(
            f"Invalid resource group location '{wanted}'. The Resource group already exists in"
            f" location '{existing}'."
        )


class ResourceLocationChanged(Conflict):
    """A resource cannot move."""

    code = "InvalidResourceLocation"

    def __init__(self, resource: str, wanted: str, existing: str) -> None:
        super().__init__(
            f"The resource '{resource}' already exists in location '{existing}'. A resource with"
            f" the same name cannot be created in location '{wanted}'."
        )


class LocationUnknown(BadRequest):
    """Not an Azure region."""

    code = "LocationNotAvailableForResourceGroup"

    def __init__(self, location: str, known: str) -> None:
        super().__init__(
            f"The provided location '{location}' is not available for resource group. List of"
            f" available regions is '{known}'."
        )


class InvalidTags(BadRequest):
    """Tags that are not a few short strings by name."""

    code = "InvalidTags"


class ResourceNotFound(NotFound):
    """No such resource."""

    code = "ResourceNotFound"

    def __init__(self, resource: str, group: str) -> None:
        place = f"under resource group '{group}'" if group else "at this scope"
        super().__init__(
            f"The Resource '{resource}' {place} was not found. For more details please go to"
            " https://aka.ms/ARMResourceNotFoundFix"
        )


class NoResourcePath(NotFound):
    """A path that is neither a resource's nor a kind's."""

    code = "NotFound"

    def __init__(self, path: str) -> None:
        super().__init__(f"The path '{path[:256]}' is not the id of a resource or of a kind.")


class GroupRequired(BadRequest):
    """A resource outside every resource group."""

    code = "MissingResourceGroup"

    def __init__(self, kind: str) -> None:
        super().__init__(f"A resource of the type {kind} must be in a resource group.")


class InvalidResourceName(BadRequest):
    """A name no resource may have."""

    code = "InvalidResourceName"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"Resource name '{name}' is invalid. It cannot end with '.', nor hold any of"
            " '<>*%&:\\?/#' or control characters."
        )


class NamespaceNotFound(NotFound):
    """No such resource provider."""

    code = "InvalidResourceNamespace"

    def __init__(self, namespace: str) -> None:
        super().__init__(f"The resource namespace '{namespace}' is invalid.")


class InvalidFilter(BadRequest):
    """A `$filter` that cannot be read."""

    code = "InvalidFilterInQueryString"

    def __init__(self, given: str) -> None:
        super().__init__(f"Invalid $filter '{given}' specified in the query string.")


class InvalidTop(BadRequest):
    """A `$top` that is no number of results."""

    code = "InvalidTopInQueryString"

    def __init__(self, given: str) -> None:
        super().__init__(f"Invalid $top '{given}' specified in the query string.")


class InvalidSkipToken(BadRequest):
    """A page that was never handed out."""

    code = "InvalidSkipToken"

    def __init__(self) -> None:
        super().__init__("The provided $skipToken is invalid.")


class RoleAssignmentExists(Conflict):
    """The same role, principal and scope under another name."""

    code = "RoleAssignmentExists"

    def __init__(self, name: str) -> None:
        super().__init__(
            "The role assignment already exists. The ID of the existing role assignment is"
            f" {name.replace('-', '')}."
        )


class InvalidRoleAssignment(BadRequest):
    """A role assignment without its role or its principal."""

    code = "InvalidCreateRoleAssignmentRequest"


class RoleDefinitionUnknown(BadRequest):
    """A role that does not exist."""

    code = "RoleDefinitionDoesNotExist"

    def __init__(self, role: str) -> None:
        super().__init__(f"The specified role definition with ID '{role}' does not exist.")


class DeletionFailed(Conflict):
    """The deletion of a group ended badly; `code` is that of what resisted."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class InvalidTemplate(BadRequest):
    """A template, or what was given with it, that cannot be deployed."""

    code = "InvalidTemplate"


class ExpressionInvalid(InvalidTemplate):
    """An expression that cannot be read or evaluated; the message is the language's own."""


class InvalidDeployment(BadRequest):
    """A deployment without what every deployment has."""

    code = "InvalidRequestContent"


class InvalidDeploymentName(BadRequest):
    """A name no deployment may have."""

    code = "InvalidDeploymentName"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The provided deployment name '{name[:128]}' is invalid. It can hold up to 64 letters,"
            " digits, '-', '_', '.', '(' or ')'."
        )


class DeploymentNotFound(NotFound):
    """No such deployment."""

    code = "DeploymentNotFound"

    def __init__(self, name: str) -> None:
        super().__init__(f"Deployment '{name}' could not be found.")


class DeploymentOperationNotFound(NotFound):
    """A deployment has no operation of that id."""

    code = "DeploymentOperationNotFound"

    def __init__(self, operation: str, deployment: str) -> None:
        super().__init__(
            f"Deployment operation '{operation}' of deployment '{deployment}' could not be found."
        )


class DeploymentActive(Conflict):
    """A deployment that runs cannot be replaced or deleted."""

    code = "DeploymentActive"

    def __init__(self, deployment: str) -> None:
        super().__init__(
            f"The deployment with resource id '{deployment}' cannot be saved, because this would"
            " overwrite an existing deployment which is still active. Please see"
            " https://aka.ms/arm-deploy for usage details."
        )


class DeploymentNotCancellable(Conflict):
    """Only a deployment that runs can be stopped."""

    code = "DeploymentCannotBeCancelled"

    def __init__(self, name: str, state: str) -> None:
        super().__init__(
            f"The deployment '{name}' cannot be cancelled because it is in the state '{state}'."
        )


class VaultReferenceForbidden(Forbidden):
    """A parameter refers to a vault that does not let this deployment read."""

    code = "KeyVaultParameterReferenceAuthorizationFailed"


class VaultReferenceFailed(BadRequest):
    """A parameter refers to a secret that cannot be had."""

    code = "KeyVaultParameterReferenceSecretRetrieveFailed"


class InvalidTemplateLink(BadRequest):
    """A linked template that cannot be fetched."""

    code = "InvalidContentLink"

    def __init__(self, uri: str, why: str) -> None:
        super().__init__(
            f"Unable to download deployment content from '{uri}'. {why} Please see"
            " https://aka.ms/arm-template-links for usage details."
        )
