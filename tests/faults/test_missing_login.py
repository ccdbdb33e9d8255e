"""Programs that end because of a missing login: said as that, and not tried again."""

from pathlib import Path

import pytest

from signedin import AuthRequiredError, Retry, SignedinError
from support.rows import WITH_COPILOT, Row, row_of
from support.stage import Stage

ROWS = [row_of(kind) for kind in dict.fromkeys(row.kind for row in WITH_COPILOT if row.agent)]
VERSIONS = {"codex": "codex-cli 0.163.0", "claude": "2.1.331 (Claude Code)", "gemini": "0.61.0"}
WORDS = (
    "Error: Not logged in. Run `agent login` first.",
    "No authentication information found.",
    "Invalid API key · Please run /login",
)


@pytest.fixture(params=ROWS, ids=lambda row: row.name)
def row(request: pytest.FixtureRequest) -> Row:
    return request.param


def error_of(row: Row, words: str, folder: Path) -> SignedinError:
    """Runs a prompt with a program that says something on standard error and ends."""
    program = folder / "agent"
    version = VERSIONS.get(row.agent, "1.0.0")
    lines = (
        f"case $* in *--version*) echo '{version}'; exit 0;; esac",
        f"echo '{words}' >&2; exit 1",
    )
    program.write_text("\n".join(("#!/bin/sh", *lines, "")))
    program.chmod(0o755)
    with (
        Stage(row.provider) as stage,
        stage.client(row.transport, binary=program, cwd=folder, trust_project=True) as client,
        pytest.raises(SignedinError) as raised,
    ):
        client.run("go", retry=Retry(max_retries=1, backoff=0.01))
    return raised.value


def retries(error: SignedinError) -> int:
    return sum(event.kind == "retry" for event in error.result.events)


@pytest.mark.parametrize("words", WORDS)
def test_what_it_says_of_a_login_is_the_error(row: Row, words: str, tmp_path: Path) -> None:
    error = error_of(row, words, tmp_path)
    assert isinstance(error, AuthRequiredError)
    said = f"{row.provider} ended: {words.rstrip('.')}. Sign in with: signedin auth login"
    assert error.message.startswith(said)
    assert retries(error) == 0


def test_another_end_is_none_of_a_login(row: Row, tmp_path: Path) -> None:
    error = error_of(row, "Segmentation fault in the login of its logging library", tmp_path)
    assert not isinstance(error, AuthRequiredError)
    assert retries(error) == (0 if row.provider == "claude" else 1)  # it has refused its options
