"""Key Vault's errors: those of the data plane carry an inner code, those of ARM do not."""

from __future__ import annotations

from emulators.kernel.errors import BadRequest, Conflict, Forbidden, NotFound, Unauthorized

HELP = "please see https://go.microsoft.com/fwlink/?linkid={}"


class BadParameter(BadRequest):
    """A parameter of the data plane that does not hold."""

    code = "BadParameter"


class NoToken(Unauthorized):
    """The data plane was called without a token that holds."""

    code = "Unauthorized"


class SecretNotFound(NotFound):
    """No such secret, or no such version of it."""

    code = "SecretNotFound"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"A secret with (name/id) {name} was not found in this key vault. If you recently"
            " deleted this secret you may be able to recover it using the correct recovery"
            f" command. For help resolving this issue, {HELP.format(2125182)}"
        )


class DeletedSecretNotFound(NotFound):
    """The secret is not among the deleted ones."""

    code = "SecretNotFound"

    def __init__(self, name: str) -> None:
        super().__init__(f"Deleted Secret not found: {name}")


class SecretDisabled(Forbidden):
    """A disabled version cannot be read."""

    code = "Forbidden"

    def __init__(self, action: str = "get") -> None:
        super().__init__(
            f"Operation {action} is not allowed on a disabled secret.",
            details=[{"code": "SecretDisabled"}],
        )


class NameReserved(Conflict):
    """A deleted secret keeps its name until it is purged."""

    code = "Conflict"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"Secret {name} is currently in a deleted but recoverable state, and its name cannot"
            " be reused; in this state, the secret can only be recovered or purged.",
            details=[{"code": "ObjectIsDeletedButRecoverable"}],
        )


class SecretExists(Conflict):
    """A secret of that name is there already."""

    code = "Conflict"

    def __init__(self, name: str) -> None:
        super().__init__(f"The secret {name} already exists; it cannot be restored or recovered.")


class PurgeProtected(Forbidden):
    """A vault with purge protection keeps what is deleted until its time is over."""

    code = "Forbidden"

    def __init__(self) -> None:
        super().__init__(
            'Operation "purge" is not allowed because purge protection is enabled for this vault.'
            " Key Vault service will automatically purge it after the retention period has passed."
        )


class NotAllowed(Forbidden):
    """The caller's roles or policies do not allow it; `inner` says which of them decided."""

    code = "Forbidden"

    def __init__(self, message: str, inner: str) -> None:
        super().__init__(message, details=[{"code": inner}])


class NoSuchHost(NotFound):
    """No vault of that name is here; on Azure its name would not resolve."""

    code = "VaultNotFound"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"No vault is named '{name}' in this state folder. On Azure the name"
            f" '{name}.vault.azure.net' would not resolve."
        )


class VaultNotFound(NotFound):
    """ARM's answer for a vault that is not in that group."""

    def __init__(self, name: str, group: str) -> None:
        super().__init__(
            f"The Resource 'Microsoft.KeyVault/vaults/{name}' under resource group '{group}' was"
            " not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"
        )


class DeletedVaultNotFound(NotFound):
    """No deleted vault of that name is in that region."""

    code = "DeletedVaultNotFound"

    def __init__(self, name: str) -> None:
        super().__init__(f"The specified deleted vault '{name}' does not exist.")


class GroupMissing(NotFound):
    """The resource group is not there."""

    code = "ResourceGroupNotFound"


class VaultNameNotValid(BadRequest):
    """The vault's name is outside the rules."""

    code = "VaultNameNotValid"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The vault name '{name}' is invalid. A vault's name must be between 3-24 alphanumeric"
            " characters. The name must begin with a letter, end with a letter or digit, and not"
            " contain consecutive hyphens."
        )


class VaultExists(Conflict):
    """Somebody else has the name."""

    code = "VaultAlreadyExists"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The vault name '{name}' is already in use. Vault names are globally unique so it is"
            " possible that the name is already taken."
        )


class VaultIsDeleted(Conflict):
    """A deleted vault keeps its name until it is purged."""

    code = "ConflictError"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"A vault with the same name already exists in deleted state. You need to either"
            f" recover or purge existing key vault '{name}'."
        )


class LocationRequired(BadRequest):
    """A vault without a region."""

    code = "LocationRequired"

    def __init__(self) -> None:
        super().__init__("The location property is required for this definition.")


class LocationChanged(Conflict):
    """The vault exists in another region."""

    code = "InvalidResourceLocation"


class InvalidVault(BadRequest):
    """A property that the vault cannot have."""

    code = "BadRequest"
