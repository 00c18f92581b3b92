"""A driver in front of the real script, as some of Azure's SDKs write it."""

# mypy: ignore-errors

import types

driver_module = types.ModuleType("inner")
driver_module.__file__ = "inner.py"


def init():
    driver_module.run = _run


def _run(data):
    return {"inner": data}


driver_module.run = _run


def run(data):
    return {"outer": data}
