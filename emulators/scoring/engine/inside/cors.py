"""Cross-origin headers, for the origins of AML_CORS_ORIGINS (names, or `*`; no patterns)."""

from __future__ import annotations

from typing import Any, List, Tuple


class Cors:
    """Adds the headers to GET and POST from a listed origin, and to their preflight."""

    def __init__(self, origins: str) -> None:
        self._origins = sorted({origin.strip() for origin in origins.split(",") if origin.strip()})
        self.on = bool(self._origins)

    def headers(self, request: Any) -> List[Tuple[str, str]]:
        """The headers for one request; none when its origin is not listed."""
        asked = request.headers.get("origin", "")
        known = [origin.lower() for origin in self._origins]
        if not asked:
            allowed = "*" if "*" in self._origins else self._origins[0]
        elif "*" in self._origins or asked.lower() in known:
            allowed = asked
        else:
            return []
        pairs = [("Access-Control-Allow-Origin", allowed)]
        wanted = request.headers.get("access-control-request-method", "").upper()
        if request.method == "OPTIONS" and wanted in ("GET", "POST"):
            names = request.headers.get("access-control-request-headers", "")
            if names:
                listed = ", ".join(sorted(name.strip() for name in names.split(",")))
                pairs.append(("Access-Control-Allow-Headers", listed))
            pairs.append(("Access-Control-Allow-Methods", "GET, POST"))
        if allowed != "*" and (len(self._origins) > 1 or "*" in self._origins):
            pairs.append(("Vary", "Origin"))
        return pairs
