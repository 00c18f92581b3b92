"""Where the SDKs connect and how they authenticate: nothing more, and nothing of which target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential


@dataclass(frozen=True, slots=True)
class Names:
    """The workspace that everything happens in."""

    subscription_id: str
    resource_group: str
    workspace: str

    @property
    def suffix(self) -> str:
        """Six characters that are the same for one workspace and differ between workspaces."""
        text = "/".join((self.subscription_id, self.resource_group, self.workspace)).lower()
        return sha256(text.encode()).hexdigest()[:6]


@dataclass(frozen=True, slots=True)
class Target:
    """A workspace that can be reached."""

    names: Names
    endpoints: Mapping[str, str]  # service name -> base URL, where an SDK wants one
    credential: TokenCredential
