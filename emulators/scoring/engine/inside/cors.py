"""Cross-origin headers, for the origins of AML_CORS_ORIGINS."""

from __future__ import annotations

from typing import Any, List, Tuple


class Cors:
    """Adds the headers to GET and POST from a listed origin, and to their preflight."""

    def __init__(self, origins: str) -> None:
        self._origins = [origin.strip() for origin in origins.split(",") if origin.strip()]
        self.on = bool(self._origins)

    def headers(self, request: Any) -> List[Tuple[str, str]]:
        """The headers for one request; none when its origin is not listed."""
        origin = request.headers.get("origin", "")
        if "*" in self._origins:
            allowed = "*"
        elif origin in self._origins:
            allowed = origin
        else:
            return []
        pairs = [("Access-Control-Allow-Origin", allowed)]
        wanted = request.headers.get("access-control-request-method", "")
        if request.method == "OPTIONS" and wanted in ("GET", "POST"):
            asked = request.headers.get("access-control-request-headers", "")
            if asked:
                names = sorted(name.strip() for name in asked.split(","))
                pairs.append(("Access-Control-Allow-Headers", ", ".join(names)))
            pairs.append(("Access-Control-Allow-Methods", "GET, POST"))
        if allowed != "*":
            pairs.append(("Vary", "Origin"))
        return pairs
