"""Curated environments of the `azureml` registry, as requirement sets that we state ourselves."""

from __future__ import annotations

import re
from dataclasses import dataclass

from emulators.machinelearning.engine.runtime.definition import Wanted
from emulators.machinelearning.engine.runtime.problems import EnvironmentRefused

_TRACKING = ("azureml-mlflow", "mlflow-skinny>=2.9,<3")
_USUAL = ("joblib", "matplotlib>=3.5,<4", "psutil", "tqdm")


@dataclass(frozen=True, slots=True)
class Curated:
    """One curated environment: what its samples rely on, not the contents of its image."""

    name: str
    python: str  # the Python of the real one, for show
    pythons: str  # specifier: those that will do
    requirements: tuple[str, ...]
    description: str
    version: str = "1"


def _scikit(name: str, python: str, pythons: str, *pins: str) -> Curated:
    what = f"scikit-learn {name.removeprefix('sklearn-')} with pandas, SciPy and MLflow tracking."
    return Curated(name, python, pythons, (*pins, *_USUAL, *_TRACKING), what)


def _inference(name: str, python: str) -> Curated:
    what = f"Python {python} for a scoring script; the inference server is Rehearsal's own."
    return Curated(name, python, f"=={python}.*", ("inference-schema",), what)


_ALL = (
    _scikit(
        "sklearn-1.5",
        "3.10",
        ">=3.9,<3.13",
        *("scikit-learn~=1.5.0", "numpy>=1.22,<2", "pandas>=1.5.3,<3", "scipy>=1.10,<1.15"),
    ),
    _scikit(
        "sklearn-1.1",
        "3.9",
        ">=3.8,<3.12",
        *("scikit-learn~=1.1.0", "numpy>=1.21,<1.24", "pandas>=1.4,<1.6", "scipy<1.12"),
    ),
    _scikit(
        "sklearn-1.0",
        "3.8",
        ">=3.8,<3.10",
        *("scikit-learn~=1.0.2", "numpy>=1.21,<1.24", "pandas>=1.3,<1.6", "scipy<1.11"),
    ),
    Curated(
        "lightgbm-3.3",
        "3.10",
        ">=3.9,<3.13",
        (
            *("lightgbm~=3.3.5", "xgboost~=1.7.6", "scikit-learn~=1.5.0", "numpy>=1.22,<2"),
            *("pandas>=1.5.3,<3", "scipy>=1.10,<1.15", *_USUAL, *_TRACKING),
        ),
        "LightGBM 3.3 and XGBoost 1.7 with scikit-learn, pandas and MLflow tracking.",
    ),
    Curated(
        "python-sdk-v2",
        "3.10",
        ">=3.9,<3.13",
        (
            *("azure-ai-ml", "azure-identity", "mltable", "azureml-mlflow", "mlflow>=2.9,<3"),
            *("pandas>=1.5.3,<3", "numpy<2", "scikit-learn>=1.2,<1.6", "matplotlib>=3.5,<4"),
        ),
        "The Azure ML SDK with MLflow, mltable, pandas and scikit-learn.",
    ),
    Curated(
        "mlflow-py312-inference",
        "3.12",
        "==3.12.*",
        ("mlflow>=2.9,<3", "inference-schema", "pandas<3"),
        "MLflow for scoring; the inference server is Rehearsal's own.",
    ),
    _inference("minimal-py312-inference", "3.12"),
    _inference("minimal-py311-inference", "3.11"),
    _inference("minimal-ubuntu22.04-py311-cpu-inference", "3.11"),
    _inference("minimal-ubuntu22.04-py39-cpu-inference", "3.9"),
    _inference("minimal-ubuntu20.04-py39-cpu-inference", "3.9"),
    _inference("minimal-ubuntu20.04-py38-cpu-inference", "3.8"),
)

CURATED = {one.name: one for one in _ALL}
"""Every curated environment that can be built here, by name.

Source: the public definitions in the repository Azure/azureml-assets, for which packages and which
Python each environment has; the version bounds are ours and tried on the Pythons they allow.
"""

_LEGACY = re.compile(r"^azureml-(?P<name>.+?)(-ubuntu[\d.]+-py\d+-cpu)?$", re.IGNORECASE)


def find(name: str) -> Curated | None:
    """Return a curated environment by its name, or by its older one such as
    "AzureML-sklearn-1.0-ubuntu20.04-py38-cpu"; None when it cannot be built here.
    """
    by_lower = {known.lower(): one for known, one in CURATED.items()}
    legacy = _LEGACY.match(name)
    return by_lower.get(name.lower()) or (by_lower.get(legacy["name"].lower()) if legacy else None)


def wanted(name: str) -> Wanted:
    """Return what a curated environment needs.

    Raises:
        EnvironmentRefused: it is not one of those that can be built here; they are named.
    """
    found = find(name)
    if found is None:
        raise EnvironmentRefused(
            f"The curated environment {name!r} cannot be built by Rehearsal; these can: "
            f"{', '.join(sorted(CURATED))}.",
            what=name,
        )
    note = f"{found.name}: resolved to requirements that Rehearsal states, not from its image."
    return Wanted(python=found.pythons, requirements=found.requirements, notes=(note,))
