"""The committed protocol types are those of the codex that is installed.

Maintainers name further binaries in SIGNEDIN_TEST_CODEX_BINARIES, separated as in PATH: types made
for the installed codex must be able to read them.
"""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from codex_cli_bin import bundled_codex_path

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "generate_codex_protocol.py"
GENERATED = (
    "__init__.py",
    "account.py",
    "approvals.py",
    "catalogue.py",
    "methods.py",
    "news.py",
    "threads.py",
    "turn.py",
)
PACKAGE = ROOT / "src" / "signedin" / "providers" / "codex" / "protocol"


def _run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)


def _other_binaries() -> list[Path]:
    named = os.environ.get("SIGNEDIN_TEST_CODEX_BINARIES", "")
    return [Path(name) for name in named.split(os.pathsep) if name]


def test_the_committed_types_are_those_of_the_installed_codex() -> None:
    before = {path: path.read_bytes() for path in PACKAGE.glob("*.py")}
    done = _run(SCRIPT, "--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert {path: path.read_bytes() for path in PACKAGE.glob("*.py")} == before


@pytest.mark.parametrize("binary", [bundled_codex_path(), *_other_binaries()], ids=str)
def test_the_committed_types_can_read(binary: Path) -> None:
    done = _run(SCRIPT, "--diff", binary)
    assert done.stderr == ""
    assert done.stdout.endswith("breaks: nothing\n")
    assert done.returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in starts by its #! line")
def test_a_codex_that_moved_something_is_noticed(tmp_path: Path) -> None:
    moved = _moved_codex(tmp_path)
    done = _run(SCRIPT, "--check", "--binary", moved)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "The protocol types are not what this codex and this surface file say:",
        "  + TurnMood",
        "  ~ AgentMessageDeltaNotification: -delta",
        "  ~ TurnInterruptParams: +reason",
        "  ~ TurnStatus: +`paused`",
        "  ~ WarningNotification: message: str = '' -> int = 0",
        f"Files that differ: {', '.join(GENERATED)}",
        "Run: python scripts/generate_codex_protocol.py",
    ]
    done = _run(SCRIPT, "--diff", moved)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-3:] == [
        "breaks: 2",
        "  TurnInterruptParams.reason: required there",
        "  WarningNotification.message: may be int there",
    ]


def test_what_is_no_codex_is_named() -> None:
    done = _run(SCRIPT, "--check", "--binary", "/nowhere/codex")
    assert (done.returncode, done.stdout) == (1, "")
    missing = Path("/nowhere/codex")
    assert done.stderr == f"{missing} cannot be run: {os.strerror(errno.ENOENT)}\n"


def test_a_turn_loads_only_what_a_turn_needs() -> None:
    program = (
        "import json, sys\n"
        "from signedin.providers.codex import protocol\n"
        "def loaded():\n"
        "    prefix = protocol.__name__ + '.'\n"
        "    return sorted(n.removeprefix(prefix) for n in sys.modules if n.startswith(prefix))\n"
        "first = loaded()\n"
        "protocol.TurnStartParams\n"
        "protocol.NOTIFICATIONS.decoder('item/agentMessage/delta')\n"
        "print(json.dumps([first, loaded()]))\n"
    )
    done = _run("-c", program)
    assert done.stderr == ""
    assert json.loads(done.stdout) == [
        ["base", "methods", "tables"],
        ["base", "methods", "tables", "turn"],
    ]


def _moved_codex(folder: Path) -> Path:
    """A stand-in that prints the schema of the installed codex with some things moved."""
    bundle = "codex_app_server_protocol.schemas.json"
    schema = folder / "schema"
    command = ["app-server", "generate-json-schema", "--experimental", "--out", str(schema)]
    subprocess.run([bundled_codex_path(), *command], check=True, timeout=50)
    whole = json.loads((schema / bundle).read_bytes())
    types = whole["definitions"]["v2"]
    del types["AgentMessageDeltaNotification"]["properties"]["delta"]
    types["WarningNotification"]["properties"]["message"] = {"type": "integer"}
    types["TurnStatus"]["enum"].append("paused")
    types["TurnInterruptParams"]["properties"]["reason"] = {"$ref": "#/definitions/v2/TurnMood"}
    types["TurnInterruptParams"]["required"].append("reason")
    types["TurnMood"] = {"properties": {"calm": {"type": "boolean"}}, "type": "object"}
    moved = folder / "moved.json"
    moved.write_text(json.dumps(whole), encoding="utf-8")
    binary = folder / "codex"
    binary.write_text(
        f"#!{sys.executable}\n"
        "import pathlib, shutil, sys\n"
        "if sys.argv[1] == '--version':\n"
        "    print('codex-cli 99.0.0')\n"
        "else:\n"
        f"    shutil.copy({str(moved)!r}, pathlib.Path(sys.argv[-1], {bundle!r}))\n",
        encoding="utf-8",
    )
    binary.chmod(0o755)
    return binary
