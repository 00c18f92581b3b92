"""Models are fitted and converted once a session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folder of a model of `models.MODELS` by name."""
    from tests.emulators.scoring.models import MODELS

    made: dict[str, Path] = {}

    def get(name: str) -> Path:
        if name not in made:
            made[name] = MODELS[name](tmp_path_factory.mktemp("model") / "model")
        return made[name]

    return get


@pytest.fixture(scope="session")
def converted(
    saved_model: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Folder of its ONNX form."""
    from emulators.scoring.engine.convert import convert

    made: dict[str, Path] = {}

    def get(name: str) -> Path:
        if name not in made:
            folder = tmp_path_factory.mktemp("onnx") / "onnx"
            outcome = convert(saved_model(name), folder)
            assert outcome.converted, outcome.reason
            made[name] = folder
        return made[name]

    return get
