"""Stand-ins for the server's own packages, used only where the environment lacks the real ones."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys
from types import ModuleType
from typing import Any, Dict, Optional, Sequence

_HERE = os.path.dirname(os.path.abspath(__file__))
_ALIAS = "alias:"
_TYPES = "inference_schema.parameter_types"
_API = "azureml_inference_server_http.api"

# Module name -> file of this folder, "" for an empty package, or another module it is the same as.
MODULES: Dict[str, str] = {
    "azureml": "",
    "azureml.contrib": "",
    "azureml.contrib.services": "",
    "azureml.contrib.services.aml_request": f"{_ALIAS}{_API}.aml_request",
    "azureml.contrib.services.aml_response": f"{_ALIAS}{_API}.aml_response",
    "azureml.ai": "",
    "azureml.ai.monitoring": "monitoring.py",
    "azureml.ai.monitoring.collector": f"{_ALIAS}azureml.ai.monitoring",
    "azureml.ai.monitoring.context": f"{_ALIAS}azureml.ai.monitoring",
    "azureml_inference_server_http": "",
    "azureml_inference_server_http.log_config": "log_config.py",
    _API: "",
    f"{_API}.aml_request": "aml_request.py",
    f"{_API}.aml_response": "aml_response.py",
    "inference_schema": "",
    "inference_schema.schema_decorators": "schema_decorators.py",
    "inference_schema.schema_util": "schema_util.py",
    _TYPES: "",
    f"{_TYPES}.abstract_parameter_type": "abstract_parameter_type.py",
    f"{_TYPES}.standard_py_parameter_type": "standard_py_parameter_type.py",
    f"{_TYPES}.numpy_parameter_type": "numpy_parameter_type.py",
    f"{_TYPES}.pandas_parameter_type": "pandas_parameter_type.py",
    f"{_TYPES}.spark_parameter_type": "spark_parameter_type.py",
}
PACKAGES = {name for name in MODULES if any(other.startswith(name + ".") for other in MODULES)}


class _Alias:
    """Loads a module that is another module."""

    def __init__(self, target: str) -> None:
        self._target = target

    def create_module(self, spec: Any) -> ModuleType:
        return importlib.import_module(self._target)

    def exec_module(self, module: ModuleType) -> None:
        """It ran when it was imported under its own name."""


class Finder:
    """Finds the stand-ins, last of all finders: an installed package always wins."""

    @staticmethod
    def find_spec(
        name: str, path: Optional[Sequence[str]] = None, target: Any = None
    ) -> Optional[importlib.machinery.ModuleSpec]:
        file = MODULES.get(name)
        if file is None:
            return None
        if file.startswith(_ALIAS):
            target = file[len(_ALIAS) :]
            return importlib.machinery.ModuleSpec(name, _Alias(target))  # type: ignore[arg-type]
        if not file:
            return importlib.machinery.ModuleSpec(name, None, is_package=True)
        inner = [_HERE] if name in PACKAGES else None
        spec = importlib.util.spec_from_file_location(
            name, os.path.join(_HERE, file), submodule_search_locations=inner
        )
        if spec is not None and spec.submodule_search_locations:
            spec.submodule_search_locations[:] = []
        return spec


def install() -> None:
    """Make the stand-ins importable, once."""
    if Finder not in sys.meta_path:
        sys.meta_path.append(Finder)
