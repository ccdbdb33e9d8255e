"""Not signed in, and sessions that are taken up again by another process."""

from collections.abc import Callable
from pathlib import Path

import pytest

from signedin import AuthRequiredError, Client
from signedin.loopback import Text
from support.processes import processes_with
from support.stage import Stage
from support.turns import checked


@pytest.mark.parametrize("transport", ["gemini-acp", "gemini-cli"])
def test_without_a_login_nothing_is_started(
    new_client: Callable[..., Client], tmp_path: Path, marker: str, transport: str
) -> None:
    browser = tmp_path / "bin" / "xdg-open"
    browser.parent.mkdir()
    browser.write_text("#!/bin/sh\ntouch " + str(tmp_path / "opened"))
    browser.chmod(0o755)
    settings = tmp_path / ".gemini" / "settings.json"
    settings.parent.mkdir()
    settings.write_text('{"security": {"auth": {"selectedType": "oauth-personal"}}}')
    env = {
        "GEMINI_CLI_HOME": str(tmp_path),
        "PATH": f"{browser.parent}:/usr/bin:/bin",
        "DISPLAY": ":0",
    }
    with (
        new_client(transport, cwd=browser.parent, env=env) as client,
        pytest.raises(AuthRequiredError, match="holds no login"),
    ):
        client.run("Hi")
    assert processes_with(marker) == set()
    assert not (tmp_path / "opened").exists()
    assert [path.name for path in settings.parent.iterdir()] == ["settings.json"]


def test_a_key_that_is_missing(new_client: Callable[..., Client], tmp_path: Path) -> None:
    settings = tmp_path / ".gemini" / "settings.json"
    settings.parent.mkdir()
    settings.write_text('{"security": {"auth": {"selectedType": "gemini-api-key"}}}')
    env = {
        "GEMINI_CLI_HOME": str(tmp_path),
        "GEMINI_API_KEY": None,
        "GEMINI_FORCE_FILE_STORAGE": "true",
    }
    project = tmp_path / "project"
    project.mkdir()
    for transport in ("gemini-acp", "gemini-cli"):
        with (
            new_client(transport, cwd=project, env=env) as client,
            pytest.raises(AuthRequiredError, match="Sign in with: export GEMINI_API_KEY="),
        ):
            client.run("Hi", timeout=50)


def test_a_session_is_taken_up_by_another_process(
    new_client: Callable[..., Client], stage: Stage, tmp_path: Path
) -> None:
    stage.play(Text.echo("You said: {prompt}"))
    with new_client("gemini-acp", cwd=tmp_path) as client, client.session() as session:
        first = session.run("one")
        for number in range(30):
            session.run(f"number {number}")
    home = Path(stage.options["env"]["GEMINI_CLI_HOME"])
    [file] = home.glob(f".gemini/tmp/*/chats/session-*-{first.session_id[:8]}.jsonl")
    # As if a minute had passed: in the minute of its beginning a session cannot be loaded.
    file.rename(file.with_name(f"session-2026-01-01T00-00-{first.session_id[:8]}.jsonl"))
    with new_client("gemini-acp", cwd=tmp_path) as client:
        second = checked(client.run("two", resume=first.session_id))
    assert (second.session_id, second.text) == (first.session_id, "You said: two")
    assert "You said: one" in str(stage.requests[-1].body)
