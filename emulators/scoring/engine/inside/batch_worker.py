"""Entry of a batch worker, started by file path: `PYTHON batch_worker.py --socket PATH ...`."""

from __future__ import annotations

import importlib
import os
import sys


def start() -> int:
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path.insert(0, here)
    worker = importlib.import_module("worker")
    sys.path.remove(here)
    del sys.modules["worker"]  # the user's code may have one of that name
    worker.load_package()
    main = importlib.import_module(worker.PACKAGE + ".batch_main")
    return int(main.main(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(start())
