"""Defaults from files and variables: which one counts, and what a project may not say."""

import json
from pathlib import Path

import pytest

from signedin import Budget, Client, InvalidOptionError
from signedin.cli.app import run_program
from signedin.client.config import for_provider, settings

pytestmark = pytest.mark.usefixtures("own_stdout")

USER = """
provider = "claude"
model = "opus"
permissions = "workspace-write"
budget = {usd = 2.0, tokens = 1000}
[profiles.review]
permissions = "read-only"
effort = "high"
"""


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's file."""
    path = tmp_path / "config.toml"
    path.write_text(USER)
    monkeypatch.setenv("SIGNEDIN_CONFIG", str(path))
    return path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder in a project."""
    folder = tmp_path / "project" / "src"
    folder.mkdir(parents=True)
    return folder


def written(project: Path, text: str) -> Path:
    """Writes what the project says."""
    path = project.parent / "pyproject.toml"
    path.write_text(f"[project]\nname = 'x'\n[tool.signedin]\n{text}\n")
    return path


def values(profile: str | None = None, cwd: Path | None = None) -> dict[str, object]:
    return {name: setting.value for name, setting in settings(profile, cwd).items()}


def test_without_files_nothing_is_configured(project: Path) -> None:
    assert settings(cwd=project) == {}


def test_what_takes_precedence(user: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(project, "effort = 'low'\nbudget = {usd = 1.0}")
    monkeypatch.setenv("SIGNEDIN_MODEL", "sonnet")
    found = settings("review", project)
    assert {name: (each.value, each.source) for name, each in found.items()} == {
        "provider": ("claude", str(user)),
        "model": ("sonnet", "SIGNEDIN_MODEL"),
        "permissions": ("read-only", f"{user} [profiles.review]"),
        "budget.usd": (1.0, str(path)),
        "budget.tokens": (1000, str(user)),
        "effort": ("high", f"{user} [profiles.review]"),
    }
    assert values(None, project)["effort"] == "low"
    monkeypatch.setenv("SIGNEDIN_PROFILE", "review")
    assert values(None, project)["effort"] == "high"


def test_a_model_is_that_of_its_provider(
    user: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "model" not in for_provider(settings(cwd=project), "codex")
    assert "model" in for_provider(settings(cwd=project), "claude")
    written(project, "provider = 'codex'")
    assert "model" not in settings(cwd=project)
    monkeypatch.setenv("SIGNEDIN_PROVIDER", "gemini")
    assert values(cwd=project)["provider"] == "gemini"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("permissions = 'full-access'", "a project may not raise it above 'workspace-write'"),
        ("sandbox = 'workspace-write'", "a project may not raise it above 'read-only'"),
        ("budget = {usd = 3.0}", "budget.usd = 3.0: a project may not raise it above 2.0"),
        ("account = 'work'", "account = 'work': a project may not set it"),
        ("billing = 'api'", "billing = 'api': a project may not set it"),
        ("policy = 'rules.toml'", "a project may not set it"),
        ("profiles.review = {permissions = 'full-access'}", "may not raise it above 'read-only'"),
        ("binary = './x'", "unknown field `binary`; known are provider, model"),
        ("trust_project = true", "unknown field `trust_project`"),
        ("provider = 1", r"Expected `str \| null`, got `int` - at `\$.provider`$"),
        ("billing = 'apy'", r"Invalid enum value 'apy' - at `\$.billing`$"),
        ("budget = {dollars = 1}", "budget has no 'dollars'; it has tokens, usd"),
    ],
)
def test_what_a_project_may_not_say(user: Path, project: Path, text: str, message: str) -> None:
    path = written(project, text)
    with pytest.raises(InvalidOptionError, match=message) as caught:
        settings("review" if "profiles" in text else None, project)
    assert str(caught.value).startswith(str(path))


def test_files_that_cannot_be_used(user: Path, project: Path) -> None:
    of_project = project.parent / "pyproject.toml"
    of_project.write_text("[project]\nname = 'signedin\n")  # the trouble of others
    assert values(cwd=project)["provider"] == "claude"
    of_project.write_text("x =\n[tool.signedin]\npermissions = 'read-only'\n")
    with pytest.raises(InvalidOptionError, match=rf"^{of_project}: Invalid value \("):
        settings(cwd=project)
    of_project.unlink()
    with pytest.raises(
        InvalidOptionError, match=r"there is no profile 'nope' in .* there are revi"
    ):
        settings("nope", project)
    user.write_text("provider = ")
    with pytest.raises(InvalidOptionError, match=rf"^{user}: Invalid value \("):
        settings(cwd=project)
    user.unlink()
    with pytest.raises(InvalidOptionError, match=rf"^SIGNEDIN_CONFIG names {user}, which does not"):
        settings(cwd=project)


def test_a_client_has_them_if_it_is_asked_to(user: Path, project: Path) -> None:
    with Client.from_config(cwd=project) as client:
        assert client.provider == "claude"
    with Client.from_config("review", cwd=project, budget=Budget(seconds=1)) as client:
        assert client.provider == "claude"
    user.write_text("model = 'x'")
    with pytest.raises(InvalidOptionError, match=rf"no provider is configured; .* {user}"):
        Client.from_config()


def test_commands_have_them(
    user: Path, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    user.write_text("provider = 'nope'\n[profiles.other]\nprovider = 'none'")
    assert run_program(["available"]) == 2
    assert "'nope'" in capsys.readouterr().err
    monkeypatch.setattr("signedin.cli.piped._is_fed", lambda: False)
    assert run_program(["run", "-P", "other", "hi"]) == 2
    assert "'none'" in capsys.readouterr().err
    assert run_program(["models", "-p", "neither", "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["kind"], error["class"]) == ("invalid_option", "UnsupportedProviderError")
    assert "'neither'" in error["message"]
    assert run_program(["two words", "--cwd"]) == 2
    assert "Option '--cwd' requires an argument" in capsys.readouterr().err
    assert run_program(["config", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == {"provider": {"value": "nope", "source": str(user)}}
