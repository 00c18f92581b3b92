"""Entry of the worker, started by file path: `PYTHON worker.py --socket PATH --worker N`."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys

PACKAGE = "_rehearsal_scoring"


def load_package() -> None:
    """Make this folder importable under a name that no user module has, and off sys.path."""
    here = os.path.dirname(os.path.abspath(__file__))
    if sys.path and os.path.abspath(sys.path[0]) == here:
        del sys.path[0]
    spec = importlib.util.spec_from_file_location(
        PACKAGE, os.path.join(here, "__init__.py"), submodule_search_locations=[here]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = package
    spec.loader.exec_module(package)


def start() -> int:
    load_package()
    main = importlib.import_module(PACKAGE + ".main")
    return int(main.main(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(start())
