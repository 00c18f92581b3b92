"""Key Vault: secrets with versions, soft delete and access checks."""
