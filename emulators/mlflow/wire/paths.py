"""Where on the region's host everything is."""

from __future__ import annotations

from emulators.mlflow.wire.workspaces import RESOURCE

BASE = f"/mlflow/{{api}}/{RESOURCE}"
HISTORY = f"/history/v1.0/{RESOURCE}"
ARTIFACT_SERVICE = f"/artifact/v2.0/{RESOURCE}"
