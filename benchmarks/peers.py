"""The packages signedin is compared with, in a virtual environment of their own."""

import subprocess
import sys
import venv
from pathlib import Path

PINS = {"oauthpy": "1.0.0a4", "openai-codex": "0.163.0"}
"""Exact versions, so that figures of different days can be compared."""

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".benchmarks" / "peers"
_STAMP = HOME / "installed.txt"


def python() -> Path:
    """The interpreter that has the peers; they are installed when it is first asked for."""
    wanted = [f"{name}=={version}" for name, version in PINS.items()]
    interpreter = HOME / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not _STAMP.exists() or _STAMP.read_text().split() != wanted:
        print(f"installing {', '.join(wanted)} into {HOME}", file=sys.stderr)
        venv.create(HOME, with_pip=True, clear=True)
        subprocess.run([interpreter, "-m", "pip", "install", "--quiet", *wanted], check=True)
        _STAMP.write_text("\n".join(wanted))
    return interpreter
