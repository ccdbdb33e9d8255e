"""Packages that import their public names when they are first asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module


def attach(
    package: str, homes: Mapping[str, str], modules: Sequence[str] = ()
) -> tuple[list[str], Callable[[str], object]]:
    """Returns ``__all__`` and ``__getattr__`` of a package.

    Args:
        package: Its ``__name__``.
        homes: Names, with spaces between them, by the module they live in: ``.module`` of the
            package, or any other.
        modules: Modules of the package that are names of it themselves.
    """
    module_of = {name: module for module, names in homes.items() for name in names.split()}

    def load(name: str) -> object:
        if name in modules:
            return import_module(f".{name}", package)
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home = import_module(module_of[name], package)
        names = homes[module_of[name]].split()
        vars(sys.modules[package]).update({each: getattr(home, each) for each in names})
        return getattr(home, name)

    return sorted([*module_of, *modules]), load
