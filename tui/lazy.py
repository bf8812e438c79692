"""Modules that are loaded when they are first used (PEP 562): what the first frame does not show must not delay it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType


def on_first_use(package: str) -> Callable[[str], ModuleType]:
    """A `__getattr__` for a package whose modules are its attributes without anybody importing them."""

    def load(name: str) -> ModuleType:
        if name.startswith("__") or find_spec(f"{package}.{name}") is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return import_module(f"{package}.{name}")

    return load
