"""What importing signedin loads: next to nothing, until it is used."""

import json
import subprocess
import sys

import pytest

HEAVY = {
    "aiohttp",
    "asyncio",
    "claude_agent_sdk",
    "click",
    "codex_cli_bin",
    "concurrent",
    "dask",
    "distributed",
    "email",
    "filelock",
    "http",
    "httpx",
    "httpx2",
    "importlib.metadata",
    "logging",
    "mcp",
    "msgspec",
    "opentelemetry",
    "pathlib",
    "platformdirs",
    "prompt_toolkit",
    "pydantic",
    "rich",
    "socket",
    "sqlite3",
    "ssl",
    "subprocess",
    "typing",
    "yaml",
}
NEEDED_FOR_A_CLIENT = {
    "asyncio",
    "concurrent",
    "logging",
    "msgspec",
    "pathlib",
    "socket",
    "ssl",
    "subprocess",
    "typing",
}
"""The event loop brings them, all but msgspec."""


def loaded_by(code: str) -> set[str]:
    """Modules that a fresh interpreter has loaded after running `code`."""
    bare = _modules("pass")
    return _modules(code) - bare


def _modules(code: str) -> set[str]:
    report = "\nimport sys; names = list(sys.modules); import json; print(json.dumps(names))"
    done = subprocess.run(
        [sys.executable, "-c", code + report], capture_output=True, check=True, timeout=30
    )
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("code", ["import signedin", "import signedin; dir(signedin)"])
def test_import_loads_nothing_heavy(code: str) -> None:
    loaded = loaded_by(code)
    ours = {name for name in loaded if name.split(".")[0] == "signedin"}
    assert ours == {"signedin", "signedin._lazy"}
    assert loaded & HEAVY == set()


@pytest.mark.parametrize(
    "code",
    [
        "from signedin import Client, AsyncClient, RunResult, UsageLimitError",
        "from signedin import Client; Client('codex')",
        "from signedin import Client; Client('codex').installation()",
    ],
)
def test_a_client_loads_what_it_needs(code: str) -> None:
    loaded = loaded_by(code)
    assert (loaded & HEAVY) - NEEDED_FOR_A_CLIENT == set()
    assert "signedin.cli" not in loaded


def test_errors_and_events_are_light() -> None:
    loaded = loaded_by("from signedin import SignedinError, UsageLimitError, MessageEvent")
    assert "asyncio" not in loaded


def test_every_public_name_can_be_imported() -> None:
    loaded_by(
        "from signedin import *\nimport signedin\nassert set(signedin.__all__) <= set(globals())"
    )
