"""Pipelines under test: stubs for what leaves the factory, time that is skipped, no server.

from emulators.datafactory.testing import Failure, TestFactory
"""

from emulators.datafactory.testing.errors import (
    InvalidFactory,
    KitError,
    NotStubbed,
    RanAway,
    UnknownName,
)
from emulators.datafactory.testing.factory import TestFactory
from emulators.datafactory.testing.results import ActivityResult, Request, RunResult
from emulators.datafactory.testing.stubs import Asked, Failure

__all__ = [
    "ActivityResult",
    "Asked",
    "Failure",
    "InvalidFactory",
    "KitError",
    "NotStubbed",
    "RanAway",
    "Request",
    "RunResult",
    "TestFactory",
    "UnknownName",
]
