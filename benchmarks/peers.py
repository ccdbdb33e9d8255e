"""The packages signedin is compared with, in virtual environments of their own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

PINS = {
    "oauthpy": "1.0.0a4",
    "openai-codex": "0.163.0",
    "claude-agent-sdk": "0.2.187",
    "agentabi": "0.4.0",
}
"""Exact versions, so that figures of different days can be compared."""

HTTP_PINS = {"axio-transport-codex": "0.12.2", "openai": "3.54.0"}
"""Those that speak HTTP; the first of them needs Python 3.12."""

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".benchmarks"
_NEWER = ("python3.14", "python3.13", "python3.12")


def python() -> Path:
    """The interpreter that has the peers; they are installed when it is first asked for."""
    return _environment(HOME / "peers", PINS, Path(sys.executable))


def http_python() -> Path | None:
    """The interpreter that has the peers that speak HTTP; None where Python is too old for them."""
    newer = _newer_python()
    return _environment(HOME / "http-peers", HTTP_PINS, newer) if newer else None


def _environment(home: Path, pins: Mapping[str, str], base: Path) -> Path:
    wanted = [f"{name}=={version}" for name, version in pins.items()]
    interpreter = home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    stamp = home / "installed.txt"
    if not stamp.exists() or stamp.read_text().split() != wanted:
        print(f"installing {', '.join(wanted)} into {home}", file=sys.stderr)
        subprocess.run([base, "-m", "venv", "--clear", home], check=True)
        subprocess.run([interpreter, "-m", "pip", "install", "--quiet", *wanted], check=True)
        stamp.write_text("\n".join(wanted))
    return interpreter


def _newer_python() -> Path | None:
    """A Python of at least 3.12: this one, one on PATH, or one of pyenv's."""
    if sys.version_info >= (3, 12):
        return Path(sys.executable)
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [shutil.which(name) for name in _NEWER]
    for name in _NEWER:
        numbers = name.removeprefix("python")
        candidates += sorted(map(str, versions.glob(f"{numbers}.*/bin/{name}")))
    for candidate in filter(None, candidates):
        # What is on PATH may be a shim for a version that is not installed.
        done = subprocess.run([candidate, "--version"], capture_output=True, check=False)
        if done.returncode == 0:
            return Path(candidate)
    return None
