"""What services add to the host's own: ports that are not HTTP, and variables for clients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Announced:
    """Ports by what is spoken there, and variables by name; services fill it as they start."""

    ports: dict[str, int] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    secret: set[str] = field(default_factory=set)
    """Names of variables that the user's code in jobs and endpoints does not get."""

    def add(
        self, what: str, port: int, variables: Mapping[str, str], *, secret: frozenset[str]
    ) -> None:
        """Say that `what` is spoken on a port, and how clients find it and get in."""
        self.ports[what] = port
        self.variables |= variables
        self.secret |= secret

    def remove(self, what: str, variables: Mapping[str, str]) -> None:
        """Take it back."""
        self.ports.pop(what, None)
        for name in variables:
            self.variables.pop(name, None)
