"""Absolute URLs: Azure's own host names, or the explicit door's where the caller came by it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Links:
    """Builds every absolute URL that goes into an answer.

    `explicit` is the origin of the explicit door (`https://localhost:8441`), or None when the
    caller reached Azure's own host names through the proxy.
    """

    region: str
    explicit: str | None = None

    def to(self, host: str, path: str = "") -> str:
        """The URL of `path` (with its leading slash) on an Azure host."""
        if self.explicit is None:
            return f"https://{host}{path}"
        if ".blob." in host or ".dfs." in host:
            account, _, kind = host.partition(".")
            return f"{self.explicit}/{account}.{kind}{path}"
        if host.endswith((".vault.azure.net", ".dev.azuresynapse.net")):
            return f"{self.explicit}/{host}{path}"
        if host.endswith(".inference.ml.azure.com"):
            return f"{self.explicit}/score/{host.partition('.')[0]}{path}"
        return f"{self.explicit}{path}"

    def arm(self, path: str = "") -> str:
        """A URL on the resource manager."""
        return self.to("management.azure.com", path)

    def login(self, path: str = "") -> str:
        """A URL on the token service."""
        return self.to("login.microsoftonline.com", path)

    def ml(self, path: str = "") -> str:
        """A URL on the region's Machine Learning data plane."""
        return self.to(f"{self.region}.api.azureml.ms", path)

    def inference(self, endpoint: str, path: str = "") -> str:
        """A URL on an online endpoint."""
        return self.to(f"{endpoint}.{self.region}.inference.ml.azure.com", path)

    def blob(self, account: str, path: str = "") -> str:
        """A URL on a storage account's blob service."""
        return self.to(f"{account}.blob.core.windows.net", path)
