"""Installs axio and this package into `.agents/axio`, where the tests of the plug-in run.

    python scripts/install_axio.py

axio needs Python 3.12. Where there is none, or it cannot be installed, the reason is printed; the
tests are left out then. What is there already stays until this package or `constraints.txt` change.
"""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".agents" / "axio"
PYTHON = HOME / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
STAMP = HOME / "installed.json"
CONSTRAINTS = ROOT / "constraints.txt"
SECONDS = 300
NAMES = ("python3.14", "python3.13", "python3.12")


def main() -> int:
    """Installs; the exit code is 0 in any case, as most machines need no axio."""
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = json.dumps([metadata, CONSTRAINTS.read_text("utf-8")])
    if STAMP.is_file() and STAMP.read_text("utf-8") == wanted:
        return 0
    base = next(pythons(), None)
    reason = install(base, wanted) if base else "it needs Python 3.12"
    if reason:
        print(f"axio: {reason}\nThe tests of its plug-in are left out.", file=sys.stderr)
    return 0


def pythons() -> Iterator[str]:
    """Interpreters of at least 3.12: this one, those on PATH, those of pyenv."""
    if sys.version_info >= (3, 12):
        yield sys.executable
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for name in NAMES:
        pattern = f"{name.removeprefix('python')}.*/bin/{name}"
        for found in (shutil.which(name), *sorted(versions.glob(pattern))):
            # What is on PATH may be a shim for a version that is not installed.
            if found and not run(str(found), "-c", "import venv"):
                yield str(found)


def install(base: str, wanted: str) -> str:
    """Makes the environment anew; returns why it could not be, else nothing."""
    STAMP.unlink(missing_ok=True)
    reason = run(base, "-m", "venv", "--clear", str(HOME)) or run(
        *(str(PYTHON), "-m", "pip", "install", "--quiet", "--constraint", str(CONSTRAINTS)),
        *("--editable", f"{ROOT}[axio]"),
    )
    if not reason:
        STAMP.write_text(wanted, "utf-8")
        print(f"installed axio into {HOME.relative_to(ROOT)}")
    return reason


def run(*command: str) -> str:
    """Runs a command; returns why it failed, else nothing."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=SECONDS, cwd=ROOT
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return done.stderr.strip() or "no reason was given" if done.returncode else ""


if __name__ == "__main__":
    sys.exit(main())
