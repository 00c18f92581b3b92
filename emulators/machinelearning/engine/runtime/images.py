"""What Python an image name stands for when there is no Docker: the few we know, by table."""

from __future__ import annotations

import re

from emulators.machinelearning.engine.runtime import curated
from emulators.machinelearning.engine.runtime.definition import Wanted
from emulators.machinelearning.engine.runtime.problems import EnvironmentRefused

_NAME = re.compile(
    r"^(?:(?P<host>[\w.-]+\.[\w.-]+(?::\d+)?)/)?(?P<path>[\w./-]+?)(?::(?P<tag>[\w.-]+))?(?:@.*)?$"
)
_BASE = re.compile(
    r"^azureml/openmpi[\d.]+(?:-spark\d)?(?P<gpu>-cuda[\w.-]+?)?-ubuntu(?P<ubuntu>[\d.]+)$"
)
_OF_UBUNTU = {"18.04": "3.8", "20.04": "3.8", "22.04": "3.10", "24.04": "3.12"}
"""Python of the Miniconda in Azure ML's base images, by their Ubuntu.

Assumed: it moved from tag to tag; these are the ones that public samples count on.
"""
_OFFICIAL_TAG = re.compile(r"^(?P<python>3\.\d+)(?:\.\d+)?(?:-[\w.-]+)?$")
_ONLY_A_BASE = "azureml/"


def wanted(image: str, *, has_packages: bool) -> Wanted:
    """Return what an image brings to an environment.

    Args:
        image: its name, with or without registry host, tag and digest.
        has_packages: a conda file or other requirements come with it, so that only its own Python
            and packages are missing.

    Raises:
        EnvironmentRefused: nothing else says what is in it, and it is none that we know.
    """
    named = _NAME.match(image.strip())
    path = named["path"].removeprefix("library/") if named else ""
    base = _BASE.match(path)
    if base:
        notes = (f"{image}: there is no GPU here.",) if base["gpu"] else ()
        python = None if has_packages else _OF_UBUNTU.get(base["ubuntu"])
        return Wanted(python=f"=={python}.*" if python else None, notes=notes)
    official = _OFFICIAL_TAG.match(named["tag"] or "") if named and path == "python" else None
    if official:
        return Wanted(python=f"=={official['python']}.*")
    if path == "continuumio/miniconda3":
        return Wanted()
    known = curated.find(path.rpartition("/")[2]) if path.startswith(_ONLY_A_BASE) else None
    if known and not has_packages:
        return curated.wanted(known.name)
    if has_packages:
        note = f"{image}: only the environment's own packages are installed, not the image's."
        return Wanted(notes=(note,))
    raise EnvironmentRefused(
        f"The image {image!r} needs Docker: only its maker knows what is in it. Give the "
        "environment a conda file, or use the docker runtime.",
        what=image,
    )
