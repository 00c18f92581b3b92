"""Settings of the inference server: environment first, then its JSON file."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, Optional

SERVER_VERSION = "1.5.1"  # whose contract this is
DEFAULT_APP_ROOT = "/var/azureml-app"


class BadSettings(Exception):
    """A setting has a value of the wrong type; the process cannot boot."""


class Settings:
    """What the server was told. Source: atlas of the contract, table of settings."""

    def __init__(self, env: Optional[Dict[str, str]] = None) -> None:
        self._env: Dict[str, str] = dict(os.environ if env is None else env)
        self._file = _config_file(self._env)
        self.app_root = self._env.get("AML_APP_ROOT", DEFAULT_APP_ROOT)
        self.source_dir = self._text("AZUREML_SOURCE_DIRECTORY", "")
        self.entry_script = self._text("AZUREML_ENTRY_SCRIPT", "")
        self.model_dir = self._text("AZUREML_MODEL_DIR", "")
        self.service_name = self._text("SERVICE_NAME", "ML service")
        self.service_version = self._text("SERVICE_VERSION", "1.0")
        self.service_path_prefix = self._text("SERVICE_PATH_PREFIX", "")
        self.scoring_timeout_ms = self._whole("SCORING_TIMEOUT_MS", 3600 * 1000)
        self.cors_origins = self._env.get("AML_CORS_ORIGINS", "")
        shown = self._env.get("SERVER_VERSION_LOG_RESPONSE_ENABLED", "true").lower() == "true"
        told = self._env.get("HTTP_X_MS_SERVER_VERSION", "")
        self.server_version = told or (f"azmlinfsrv/{SERVER_VERSION}" if shown else "")

    def _text(self, name: str, default: str) -> str:
        value = self._env.get(name, self._file.get(name))
        return default if value is None else str(value)

    def _whole(self, name: str, default: int) -> int:
        value = self._env.get(name, self._file.get(name))
        if value is None:
            return default
        try:
            return int(str(value).strip())
        except ValueError:
            raise BadSettings(
                f"{name}: Input should be a valid integer, unable to parse string as an integer "
                f"(environment variable: {name})"
            ) from None


def _config_file(env: Dict[str, str]) -> Dict[str, Any]:
    """Read AZUREML_CONFIG_FILE, else config.json of the code root, else the one by the script."""
    places = [env.get("AZUREML_CONFIG_FILE", "")]
    roots = [env.get("AML_APP_ROOT", DEFAULT_APP_ROOT)]
    if "AZUREML_ENTRY_SCRIPT" in env:
        roots.append(os.path.dirname(os.path.abspath(env["AZUREML_ENTRY_SCRIPT"])))
    places += [os.path.join(root, "config.json") for root in roots if root]
    for place in places:
        if place and os.path.isfile(place) and os.stat(place).st_size:
            try:
                with open(place, encoding="utf-8") as file:
                    content = json.load(file)
            except ValueError as error:
                raise BadSettings(f"Invalid config file!: {place}: {error}") from None
            return content if isinstance(content, dict) else {}
    return {}
