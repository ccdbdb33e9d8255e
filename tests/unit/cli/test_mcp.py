"""``signedin mcp`` before it serves."""

import pytest

from signedin.cli.app import run_program


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--port", "1"], "--port is for --http"),
        (["--cwd", "/nowhere"], "cwd '/nowhere' does not exist (resolved to /nowhere)"),
        (["--provider", "clade"], "unknown provider 'clade'; did you mean 'claude'?"),
    ],
)
def test_what_it_refuses(arguments: list[str], why: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_program(["mcp", *arguments]) == 2
    assert capfd.readouterr().err.startswith(f"error: {why}")
