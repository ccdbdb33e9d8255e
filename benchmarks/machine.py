"""Where the measurements were made."""

import importlib.metadata
import os
import platform


def machine_line() -> str:
    """The machine in a line: figures of different machines are not to be compared."""
    system = f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}"
    return f"{os.cpu_count()} cores, {system}, Python {platform.python_version()}"


def own_version() -> str:
    return importlib.metadata.version("signedin")


def load() -> float | None:
    """How busy the machine is with everything: processes that want a core, over a minute."""
    return round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
