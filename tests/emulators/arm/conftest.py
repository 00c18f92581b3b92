"""A site with the resource manager and identity."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulators.arm.service import SPEC
from emulators.identity.service import SPEC as IDENTITY
from tests.emulators.arm.deploying import Deploying
from tests.site import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, [SPEC, IDENTITY])


@pytest.fixture
def deploying(tmp_path: Path) -> Deploying:
    return Deploying(tmp_path)
