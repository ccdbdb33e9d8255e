"""How Gemini would sign in, determined from files and variables without reading a secret."""

import json
import os
from pathlib import Path

import pytest

from signedin.client.keywords import resolve
from signedin.model.errors import AuthRequiredError
from signedin.providers.base import ProviderConfig
from signedin.providers.gemini.account.method import (
    GeminiStart,
    check_signed_in,
    chosen_method,
    findings,
)
from signedin.providers.gemini.options import start_with

GCA, VERTEX = "GOOGLE_GENAI_USE_GCA", "GOOGLE_GENAI_USE_VERTEXAI"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home" / ".gemini").mkdir(parents=True)
    return tmp_path / "home"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project" / ".gemini").mkdir(parents=True)
    return tmp_path / "project"


def choose(folder: Path, method: str) -> Path:
    file = folder / ".gemini" / "settings.json"
    file.write_text(json.dumps({"security": {"auth": {"selectedType": method}}}))
    return file


def start(
    home: Path, cwd: Path, /, *, acp: bool = False, trusted: bool = True, **env: str
) -> GeminiStart:
    return GeminiStart(env={"HOME": str(home), **env}, cwd=cwd, trusted=trusted, acp=acp)


@pytest.mark.parametrize(
    ("method", "env"),
    [
        ("gemini-api-key", {}),  # the key may be in the keyring
        ("gemini-api-key", {"GEMINI_API_KEY": "k"}),
        ("vertex-ai", {"GOOGLE_API_KEY": "k"}),
        ("vertex-ai", {"GOOGLE_CLOUD_PROJECT": "p", "GOOGLE_CLOUD_LOCATION": "l"}),
        ("oauth-personal", {GCA: "true", "GOOGLE_CLOUD_ACCESS_TOKEN": "t"}),
        (None, {GCA: "true", "GOOGLE_CLOUD_ACCESS_TOKEN": "t"}),
        (None, {"GEMINI_API_KEY": "k"}),
        (None, {"CLOUD_SHELL": "true"}),
    ],
)
def test_signed_in(home: Path, project: Path, method: str | None, env: dict[str, str]) -> None:
    if method:
        choose(home, method)
    check_signed_in(start(home, project, **env))


@pytest.mark.parametrize(
    ("method", "env", "problem"),
    [
        (None, {}, "no way to sign in is chosen"),
        (None, {"GOOGLE_API_KEY": "k"}, "no way to sign in is chosen"),
        (None, {"GEMINI_API_KEY": ""}, "no way to sign in is chosen"),
        ("oauth-personal", {}, "holds no login"),
        ("oauth-personal", {"GEMINI_API_KEY": "k"}, "holds no login"),
        ("oauth-personal", {"GOOGLE_CLOUD_ACCESS_TOKEN": "t"}, "holds no login"),
        (None, {GCA: "true", "GEMINI_API_KEY": "k"}, "holds no login"),
        ("vertex-ai", {"GOOGLE_CLOUD_PROJECT": "p"}, "neither GOOGLE_API_KEY nor"),
    ],
)
def test_not_signed_in(
    home: Path, project: Path, method: str | None, env: dict[str, str], problem: str
) -> None:
    if method:
        choose(home, method)
    with pytest.raises(AuthRequiredError, match=problem) as raised:
        check_signed_in(start(home, project, **env))
    assert "Sign in with: export GEMINI_API_KEY=" in str(raised.value)


def test_a_google_login_is_seen_by_its_file(home: Path, project: Path) -> None:
    choose(home, "oauth-personal")
    (home / ".gemini" / "oauth_creds.json").write_text("not read")
    check_signed_in(start(home, project))


@pytest.mark.parametrize(
    ("env", "headless", "acp"),
    [
        ({GCA: "true", "GEMINI_API_KEY": "k"}, "oauth-personal", "gemini-api-key"),
        ({GCA: "false", "GEMINI_API_KEY": "k"}, "gemini-api-key", "gemini-api-key"),
        ({GCA: "true"}, "oauth-personal", None),
        ({VERTEX: "true", "GEMINI_API_KEY": "k"}, "vertex-ai", "gemini-api-key"),
        ({"GOOGLE_GEMINI_BASE_URL": "u", "GEMINI_API_KEY": "k"}, "gateway", "gateway"),
    ],
)
def test_variables_decide_differently_over_acp(
    home: Path, project: Path, env: dict[str, str], headless: str | None, acp: str | None
) -> None:
    assert chosen_method(start(home, project, **env))[0] == headless
    assert chosen_method(start(home, project, acp=True, **env))[0] == acp


@pytest.mark.parametrize("acp", [False, True])
def test_the_settings_of_a_trusted_project_go_before_the_users(
    home: Path, project: Path, acp: bool
) -> None:
    own, foreign = choose(home, "oauth-personal"), choose(project, "gemini-api-key")
    untrusted = start(home, project, acp=acp, trusted=False)
    assert chosen_method(untrusted) == ("oauth-personal", str(own))
    assert findings(untrusted) == ()
    trusted = start(home, project, acp=acp)
    assert chosen_method(trusted) == ("gemini-api-key", str(foreign))
    assert findings(trusted) == (
        f"{foreign} chooses how to sign in: gemini-api-key; it takes precedence over the user's "
        "settings",
    )


def test_over_acp_the_users_own_method_has_to_work_too(home: Path, project: Path) -> None:
    choose(home, "oauth-personal")
    choose(project, "gemini-api-key")
    check_signed_in(start(home, project))
    with pytest.raises(AuthRequiredError, match="holds no login"):
        check_signed_in(start(home, project, acp=True))


def test_the_home_is_no_project(home: Path) -> None:
    choose(home, "vertex-ai")
    assert findings(start(home, home)) == ()


@pytest.mark.parametrize(
    ("place", "trusted", "counts"),
    [
        ("project/.env", True, True),
        ("project/.gemini/.env", True, True),
        ("project/.gemini/.env", False, False),
        ("project/.env", False, True),
        ("home/.env", False, True),
        ("home/.gemini/.env", True, True),
        ("home/.gemini/.env", False, False),
    ],
)
def test_a_key_in_an_env_file(
    home: Path, project: Path, tmp_path: Path, place: str, trusted: bool, counts: bool
) -> None:
    file = tmp_path / place
    file.write_text("# key\nexport GEMINI_API_KEY=secret\n")
    method, by = chosen_method(start(home, project, trusted=trusted))
    assert (method, by) == (
        ("gemini-api-key", f"GEMINI_API_KEY in {file}") if counts else (None, "")
    )


def test_what_is_no_file_is_not_read(home: Path, project: Path) -> None:
    os.mkfifo(project / ".env")  # which would wait for a writer
    assert chosen_method(start(home, project)) == (None, "")


def test_the_nearest_env_file_counts_alone(home: Path, project: Path) -> None:
    (home / ".env").write_text("GEMINI_API_KEY=secret\n")
    (project / ".env").write_text("GOOGLE_GENAI_USE_GCA='true'\nGOOGLE_GENAI_USE_VERTEXAI=false\n")
    below = project / "src"
    below.mkdir()
    assert chosen_method(start(home, below)) == ("oauth-personal", f"{GCA} in {project / '.env'}")


def test_the_environment_goes_before_env_files(home: Path, project: Path) -> None:
    (project / ".env").write_text("GEMINI_API_KEY: secret\n")
    assert chosen_method(start(home, project, GEMINI_API_KEY="")) == (None, "")


def test_a_login_is_sent_to_google_only(
    home: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(home, "oauth-personal")
    monkeypatch.setenv("CODE_ASSIST_ENDPOINT", "http://elsewhere")
    config = ProviderConfig(transport="gemini-acp")
    found = start_with(config, resolve({}, {"cwd": project}, None), {"GEMINI_CLI_HOME": str(home)})
    assert found.env["CODE_ASSIST_ENDPOINT"] == "https://cloudcode-pa.googleapis.com"
    assert findings(found) == (
        "CODE_ASSIST_ENDPOINT is set and would send the gemini login elsewhere; it is removed "
        "from the agent's environment (pass it in env= to keep it)",
    )
    given = resolve({}, {"cwd": project, "env": {"CODE_ASSIST_ENDPOINT": "http://mine"}}, None)
    assert findings(start_with(config, given, {"GEMINI_CLI_HOME": str(home)})) == ()
