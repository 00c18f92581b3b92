"""The only reader of randomness: unpredictable by default, repeatable under a seed."""

from __future__ import annotations

import base64
import random
import secrets

_VARIANT_AND_VERSION_CLEARED = ~(0xC000 << 48 | 0xF000 << 64)
_VERSION_4 = 0x8000 << 48 | 4 << 76  # RFC 4122


class Ids:
    """New identifiers and chance. `seed=None` draws from the operating system.

    A seeded instance makes runs repeatable; it is for tests and faults, never for secrets.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.random: random.Random = random.SystemRandom() if seed is None else random.Random(seed)

    def guid(self) -> str:
        """A version-4 GUID in lower-case hyphenated form."""
        bits = self.random.getrandbits(128) & _VARIANT_AND_VERSION_CLEARED | _VERSION_4
        digits = f"{bits:032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def hex(self, length: int) -> str:
        """`length` lower-case hexadecimal digits."""
        return f"{self.random.getrandbits(4 * length):0{length}x}"

    def token(self, size: int = 32) -> str:
        """A URL-safe token of `size` random bytes."""
        raw = self.random.getrandbits(8 * size).to_bytes(size, "big")
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def secret_token(size: int = 32) -> str:
    """A URL-safe secret of `size` bytes, always from the operating system."""
    return secrets.token_urlsafe(size)


def secret_key(size: int = 64) -> str:
    """A base64 key of `size` bytes, the form of a storage account key."""
    return base64.b64encode(secrets.token_bytes(size)).decode()


def same_secret(given: str, expected: str) -> bool:
    """Compare two secrets in constant time."""
    return secrets.compare_digest(given.encode(), expected.encode())
