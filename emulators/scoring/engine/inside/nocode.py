"""Which way a model without a script is served."""

from __future__ import annotations

from typing import Any

from . import pyfunc
from .script import Script


def load(folder: str) -> Script:
    """Load an MLflow model's folder.

    Raises:
        ScriptRaised: it cannot be loaded here.
    """
    return pyfunc.load(folder)


def served(options: Any, settings: Any, loaded: Script, server: Any) -> Any:
    """Choose the loop that answers requests."""
    from .main import ScriptServer

    return ScriptServer(server)
