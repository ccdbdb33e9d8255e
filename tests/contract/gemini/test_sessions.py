"""Sessions that Gemini CLI keeps, taken up by other clients within the minute of their begin."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from signedin import Client, CommandEvent, InvalidOptionError
from signedin.loopback import Shell, Text, WriteFile
from support.stage import Stage

ECHO = Text.echo("You said: {prompt}")

GEMINIS_OWN = {"history", "projects.json", "tmp"}
"""What Gemini CLI itself writes into its home (seen with 0.61)."""


def test_a_session_goes_on_at_once_in_another_client(
    new_client: Callable[..., Client], stage: Stage, tmp_path: Path
) -> None:
    stage.play(ECHO)
    with new_client("gemini-acp", cwd=tmp_path) as client:
        first = client.run("one")
    for prompt in ("two", "three"):
        with new_client("gemini-acp", cwd=tmp_path) as client:
            result = client.run(prompt, resume="latest")
        assert (result.session_id, result.text) == (first.session_id, f"You said: {prompt}")
        assert [event.text for event in result.events if event.kind == "warning"] == []
        assert "You said: one" in str(stage.requests[-1].body)
    with new_client("gemini-acp", cwd=tmp_path) as client:
        [stored] = client.sessions(cwd=tmp_path).sessions
        assert (stored.id, stored.preview) == (first.session_id, "one")
        assert (stored.cwd, stored.model) == (str(tmp_path), "gemini-2.5-pro")
        with client.session(resume=stored.id) as session:
            assert [(turn.prompt, turn.text) for turn in session.history()] == [
                ("one", "You said: one"),
                ("two", "You said: two"),
                ("three", "You said: three"),
            ]
            session.delete()
            assert client.sessions(cwd=tmp_path).sessions == ()
            with pytest.raises(InvalidOptionError, match="gemini has no stored session"):
                session.history()


@pytest.mark.parametrize("transport", ["gemini-acp", "gemini-cli"])
def test_nothing_of_the_users_configuration_changes(
    new_client: Callable[..., Client], stage: Stage, transport: str, tmp_path: Path
) -> None:
    stage.play(WriteFile(str(tmp_path / "made"), "made\n"), "Done.")
    client = new_client(transport, cwd=tmp_path, permissions="full-access", trust_project=True)
    home = Path(str(stage.options["env"]["GEMINI_CLI_HOME"])) / ".gemini"
    own = {
        "GEMINI.md": "Be kind.",
        "policies/own.toml": '[[rule]]\ntoolName="glob"\ndecision = "allow"\npriority = 100\n',
        "settings.json": f"// Mine.\n{(home / 'settings.json').read_text()}",
        "trustedFolders.json": '{"/somewhere":"TRUST_FOLDER"}',
    }
    (home / "policies").mkdir(exist_ok=True)
    for name, content in own.items():
        (home / name).write_text(content)
    with client:
        client.run("go", model="gemini-2.5-flash")
        client.auth_status()
    assert (tmp_path / "made").exists()
    files = {str(file.relative_to(home)): file for file in home.rglob("*.*") if file.is_file()}
    theirs = {name for name in files if name.split("/")[0] in GEMINIS_OWN}
    assert {name: files[name].read_text() for name in files.keys() - theirs} == own


def test_a_past_command_has_its_output_and_exit_code(
    new_client: Callable[..., Client], stage: Stage, tmp_path: Path
) -> None:
    with (
        new_client("gemini-acp", cwd=tmp_path, permissions="full-access") as client,
        client.session() as session,
    ):
        stage.play(Shell("echo no rule; exit 3"), "It fails.")
        session.run("Build.")
        stage.play(Shell("echo well"), "Now it works.")
        session.run("Again.")
        past = session.history()
    commands = [[e for e in turn.events if isinstance(e, CommandEvent)] for turn in past]
    assert [[(e.output, e.exit_code, e.status) for e in each] for each in commands] == [
        [("no rule", 3, "failed")],
        [("well", 0, "completed")],
    ]
    assert [turn.text for turn in past] == ["It fails.", "Now it works."]


def test_the_result_names_the_model_that_answered(
    new_client: Callable[..., Client], stage: Stage, tmp_path: Path
) -> None:
    # A small model chooses first, and tries again for minutes if its answer has another form.
    choice = {"reasoning": "", "model_choice": "flash", "complexity_reasoning": ""}
    stage.play(json.dumps({**choice, "complexity_score": 10}))
    with new_client("gemini-acp", cwd=tmp_path, model="auto", env={"GEMINI_MODEL": None}) as client:
        result = client.run("Hi")
    assert result.model == stage.requests[-1].model != "auto"
