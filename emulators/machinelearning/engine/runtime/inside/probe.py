"""Tells, inside an image, what Python it has and what that holds: one JSON line."""

from __future__ import annotations

import json
import os
import shutil
import sys


def packages() -> dict[str, str]:
    """Return the installed distributions: name -> version."""
    from importlib import metadata

    found = {}
    for one in metadata.distributions():
        name = one.metadata["Name"]
        if name:
            found[str(name)] = str(one.version)
    return found


def main() -> None:
    """Write what there is, last on standard output."""
    said = {
        "python": os.path.abspath(sys.executable),
        "version": "%d.%d.%d" % sys.version_info[:3],
        "conda": shutil.which("conda"),
        "packages": packages(),
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main()
