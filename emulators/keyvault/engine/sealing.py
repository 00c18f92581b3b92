"""Text that only this state folder can read: values of secrets, and backups."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from emulators.kernel.context import Context

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

KEY = "keyvault/sealing"


class Broken(ValueError):
    """Not sealed by this state folder, or changed since."""


def _box(ctx: Context) -> Fernet:
    from cryptography.fernet import Fernet

    return Fernet(base64.urlsafe_b64encode(base64.b64decode(ctx.secrets.key(KEY))[:32]))


def seal(ctx: Context, text: str) -> str:
    """Encrypt and sign; base64 for URLs, without padding, as Key Vault writes bytes."""
    return _box(ctx).encrypt(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")


def unseal(ctx: Context, sealed: str) -> str:
    """What was sealed.

    Raises:
        Broken: it was not sealed here.
    """
    from cryptography.fernet import InvalidToken

    try:
        padded = sealed.encode("ascii") + b"=" * (-len(sealed) % 4)
        return _box(ctx).decrypt(padded).decode("utf-8", "surrogatepass")
    except (InvalidToken, UnicodeError):
        raise Broken("not sealed by this state folder") from None
