"""``signedin auth`` and ``signedin doctor`` from a shell, with the real Codex behind them."""

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from signedin.loopback import LoopbackModel
from signedin.loopback.issuer import LoopbackIssuer
from support import codex_home
from support.agents import program, versions
from support.codex_home import KEY
from support.program import PROGRAM, document, environment, run_program
from support.terminal import Terminal

CODEX = codex_home.program()


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """The environment of a user who has no logins but in a folder of the test."""
    changes = {"HOME": str(tmp_path), "SIGNEDIN_HOME": str(tmp_path / "signedin")}
    return environment(**changes)


@pytest.fixture
def isolated(tmp_path: Path) -> Path:
    return tmp_path / "signedin" / "codex"


def run(env: Mapping[str, str], *arguments: str | Path, stdin: str = "") -> tuple[int, str, str]:
    done = run_program(*arguments, cwd=Path(env["HOME"]), stdin=stdin.encode(), env=env)
    return done.returncode, done.stdout, done.stderr


def test_status_of_nobody(env: Mapping[str, str]) -> None:
    expected = (
        "provider      codex\n"
        f"installed     {CODEX}\n"
        "signed in     no\n"
        "mode          none\n"
        "pays          none\n"
        "source        external\n"
        f"home          {env['HOME']}/.codex\n"
        "sign in with  signedin auth login --provider codex --source external\n"
    )
    assert run(env, "auth", "status") == (1, expected, "")


def test_a_mistyped_home_is_no_login(env: Mapping[str, str], tmp_path: Path) -> None:
    env = {**env, "CODEX_HOME": str(tmp_path / "hmoe"), "CODEX_API_KEY": "sk-stray-0123456789"}
    told = f"CODEX_HOME={tmp_path}/hmoe is not a folder; correct it, or create the folder first\n"
    for command in ("status", "logout"):
        assert run(env, "auth", command, "--source", "external") == (2, "", f"error: {told}")
    code, out, err = run(env, "auth", "list")
    assert (code, err) == (0, f"warning: {told}")
    assert [line.split()[0] for line in out.splitlines()] == ["PROVIDER", "claude", "gemini"]
    assert not (tmp_path / "hmoe").exists()


def test_status_as_json(env: Mapping[str, str], isolated: Path) -> None:
    codex_home.sign_in_with_key(isolated)
    stray = {**env, "CODEX_API_KEY": "sk-stray-0123456789"}
    code, out, err = run(stray, "auth", "status", "--json")
    warning = (
        "CODEX_API_KEY is set and would take precedence over the codex login; it is removed "
        "from the agent's environment (billing='api' lets it through)"
    )
    assert code == 0
    assert err == f"warning: {warning}\n"
    assert document("auth-status", out) == {
        "provider": "codex",
        "installed": True,
        "authenticated": True,
        "mode": "api-key",
        "billing": "api",
        "source": "isolated",
        "account": None,
        "binary": CODEX,
        "home": str(isolated),
        "decided_by": "auth.json",
        "plan": None,
        "email": None,
        "removed": ["CODEX_API_KEY"],
        "warnings": [warning],
        "details": {},
        "reason": None,
        "sign_in": None,
    }


def test_signing_in_and_out_with_a_key(env: Mapping[str, str], isolated: Path) -> None:
    arguments = ["auth", "login", "--method", "api-key", "--account", "work"]
    code, out, err = run(env, *arguments, stdin=f"{KEY}\n")
    assert (code, err) == (0, "")
    assert "signed in   yes\n" in out
    assert "pays        api\n" in out
    assert KEY not in out
    code, out, err = run(env, *arguments, "--json", stdin=f"{KEY}\n")
    status = json.loads(out)
    assert (code, err, status["authenticated"], status["billing"]) == (0, "", True, "api")
    code, out, _ = run(env, "auth", "list")
    rows = [line.split() for line in out.splitlines()]
    assert ["codex", "isolated", "work", "yes", "api", "auth.json"] in rows
    code, out, err = run(env, "auth", "logout", "--account", "work")
    assert (code, out, err) == (
        0,
        "",
        "signed out of signedin's own codex login 'work'; codex's own login is untouched\n",
    )
    assert run(env, "auth", "status", "--account", "work")[0] == 1
    assert not (isolated / "accounts" / "work" / "auth.json").exists()


def test_how_the_vendors_own_login_ended(env: Mapping[str, str], tmp_path: Path) -> None:
    fake = tmp_path / "codex"
    for ending, told in (("exit 3", 3), ("kill -9 $$", -9)):
        fake.write_text(f"#!/bin/sh\n{ending}\n")
        fake.chmod(0o755)
        assert run({**env, "SIGNEDIN_CODEX_BINARY": str(fake)}, "auth", "login") == (
            1,
            "",
            f"error: codex login ended with exit code {told}; the sign-in failed\n",
        )


def test_signing_out_says_what_it_did_and_what_stays(env: Mapping[str, str]) -> None:
    codex_home.sign_in_with_key(Path(env["HOME"]) / ".codex")
    reply = "not signed in to signedin's own codex login; codex's own login is untouched\n"
    assert run(env, "auth", "logout") == (0, "", reply)
    code, out, err = run(env, "auth", "logout", "--json")
    assert (code, err) == (0, "")
    assert document("auth-logout", out)["was_signed_in"] is False
    assert run(env, "auth", "status")[0] == 0
    assert not (Path(env["HOME"]) / "signedin").exists()
    code, _, err = run(env, "auth", "logout", "--source", "external")
    assert (code, err) == (0, "signed out of codex's own login\n")
    assert run(env, "auth", "status")[0] == 1


@pytest.mark.parametrize(
    ("script", "reason"),
    [("exec sleep 600", "timeout"), ("exit 3", "status_failed"), (None, "not_installed")],
)
def test_why_nobody_is_signed_in(
    env: Mapping[str, str], tmp_path: Path, isolated: Path, script: str | None, reason: str
) -> None:
    (tmp_path / ".codex").mkdir()
    home = isolated / "accounts" / "work"
    codex_home.sign_in_with_key(home)
    fake = tmp_path / "codex"
    if script is not None:
        fake.write_text(f"#!/bin/sh\n{script}\n")
        fake.chmod(0o755)
    env = {**env, "SIGNEDIN_CODEX_BINARY": str(fake)}
    asked = time.monotonic()
    for account, source, folder in (
        (None, "external", tmp_path / ".codex"),
        ("work", "isolated", home),
    ):
        named = ["--account", account] if account else []
        code, out, _ = run(env, "auth", "status", "--json", *named)
        status = json.loads(out)
        assert (code, status["reason"]) == (1, reason)
        assert (status["source"], status["account"]) == (source, account)
        assert (status["home"], status["binary"]) == (str(folder), str(fake) if script else None)
    assert time.monotonic() - asked < 60  # of a program that says nothing for ten minutes


@pytest.mark.parametrize("provider", ["codex", "claude"])
def test_a_login_that_no_status_is_known_of_is_listed_as_it_is(
    env: Mapping[str, str], tmp_path: Path, isolated: Path, provider: str
) -> None:
    home = isolated.parent / provider / "accounts" / "work"
    codex_home.sign_in_with_key(home)  # Claude Code's folder has to be there only
    fake = tmp_path / provider
    fake.write_text("#!/bin/sh\nexit 3\n")
    fake.chmod(0o755)
    env = {**env, f"SIGNEDIN_{provider.upper()}_BINARY": str(fake)}
    code, out, _ = run(env, "auth", "list")
    rows = [line.split()[:5] for line in out.splitlines()]
    assert code == 0
    assert [provider, "isolated", "work", "no", "unknown"] in rows


def test_signing_out_of_a_login_that_no_status_is_known_of(
    env: Mapping[str, str], tmp_path: Path, isolated: Path
) -> None:
    home = isolated / "accounts" / "work"
    fake, asked = tmp_path / "codex", tmp_path / "asked"
    fake.write_text(f'#!/bin/sh\n[ -e {asked} ] && exec {CODEX} "$@"\ntouch {asked}\nexit 3\n')
    fake.chmod(0o755)
    env = {**env, "SIGNEDIN_CODEX_BINARY": str(fake)}
    codex_home.sign_in_with_key(home)
    code, out, err = run(env, "auth", "logout", "--account", "work", "--json")
    left = document("auth-logout", out)
    assert (code, err, left["was_signed_in"]) == (0, "", True)
    assert not (home / "auth.json").exists()
    codex_home.sign_in_with_key(home)
    asked.unlink()
    assert run(env, "auth", "logout", "--account", "work") == (
        0,
        "",
        "signed out of signedin's own codex login 'work'; codex's own login is untouched\n",
    )
    assert not (home / "auth.json").exists()


def test_a_damaged_login_does_not_win(env: Mapping[str, str], isolated: Path) -> None:
    codex_home.sign_in_with_key(Path(env["HOME"]) / ".codex")
    isolated.mkdir(parents=True)
    (isolated / "auth.json").write_text("{}")
    code, out, _ = run(env, "auth", "status", "--json")
    assert (code, json.loads(out)["source"]) == (0, "external")
    code, out, _ = run(env, "auth", "status", "--json", "--source", "isolated")
    assert (code, json.loads(out)["reason"]) == (1, "damaged")
    _, out, _ = run(env, "auth", "list", "--json")
    assert [login["reason"] for login in json.loads(out) if login["source"] == "isolated"] == [
        "damaged"
    ]


def test_signing_in_needs_a_key_to_read(env: Mapping[str, str]) -> None:
    code, out, err = run(env, "auth", "login", "--method", "api-key")
    assert (code, out) == (2, "")
    assert "reads the key from standard input, which is empty" in err


def test_signing_in_with_a_code_on_a_terminal(
    env: Mapping[str, str], isolated: Path, issuer: LoopbackIssuer
) -> None:
    with LoopbackModel("Hello.") as model:
        codex_home.configure(isolated, model, issuer)
    env = {**env, **{name: str(value) for name, value in issuer.codex_env.items()}}
    arguments = [PROGRAM, "auth", "login", "--method", "device"]
    with Terminal(arguments, env=env, cwd=Path(env["HOME"])) as terminal:
        terminal.wait_for("never type someone else's code.")
        shown = terminal.written
        assert f"Open this page to sign in: {issuer.url}/codex/device" in shown
        code = shown.partition("Type this code there: ")[2].split()[0]
        issuer.approve_device(code)
        terminal.wait_for("user@example.com")
        assert terminal.wait() == 0


def test_a_login_is_moved(env: Mapping[str, str], isolated: Path, tmp_path: Path) -> None:
    codex_home.sign_in_with_key(tmp_path / ".codex")
    login = (tmp_path / ".codex" / "auth.json").read_bytes()
    secret = tmp_path / "passphrase"
    secret.write_text("open sesame\n")
    code, line, err = run(env, "auth", "export", "--passphrase-file", secret)
    assert code == 0
    assert line.startswith("signedin-login-1.codex.")
    assert line.count("\n") == 1
    assert err.startswith("Use the login on one machine only from now on")
    code, out, err = run(env, "auth", "import", "--passphrase-file", secret, stdin=line)
    assert (code, out, err) == (0, "", f"signed in to codex: {isolated / 'auth.json'}\n")
    assert (isolated / "auth.json").read_bytes() == login
    code, out, err = run(env, "auth", "import", "--passphrase-file", secret, stdin=line)
    assert (code, out) == (2, "")
    assert "has a login already" in err
    code, document, err = run(env, "auth", "export", "--passphrase-file", secret, "--json")
    line = json.loads(document)["login"]
    command = ["auth", "import", "--force", "--passphrase-file", secret, "--json"]
    code, out, err = run(env, *command, stdin=line)
    imported = {"provider": "codex", "home": str(isolated / "auth.json")}
    assert (code, json.loads(out)) == (0, imported)
    secret.write_text("open barley\n")
    code, out, err = run(env, "auth", "import", "--force", "--passphrase-file", secret, stdin=line)
    assert (code, out) == (3, "")
    assert "the passphrase is wrong" in err
    assert (isolated / "auth.json").read_bytes() == login


def test_a_plain_export_is_loud(env: Mapping[str, str], tmp_path: Path) -> None:
    codex_home.sign_in_with_key(tmp_path / ".codex")
    code, line, err = run(env, "auth", "export", "--plain")
    assert code == 0
    assert line.startswith("signedin-login-plain-1.codex.")
    assert err.startswith("WARNING: the line is NOT ENCRYPTED. Whoever sees it is signed in.\n")


def test_a_passphrase_needs_a_terminal_or_a_file(env: Mapping[str, str], tmp_path: Path) -> None:
    codex_home.sign_in_with_key(tmp_path / ".codex")
    code, out, err = run(env, "auth", "export")
    assert (code, out) == (2, "")
    assert "there is no terminal to ask for the passphrase; use --passphrase-file" in err


def test_other_vendors_logins_are_not_moved(env: Mapping[str, str]) -> None:
    code, out, err = run(env, "auth", "export", "--plain", "--provider", "claude")
    assert (code, out) == (2, "")
    assert err == (
        "error: claude does not support 'export': sign in on the other machine instead\n"
    )


@pytest.mark.parametrize(
    ("name", "version"),
    [(name, version) for name in ("codex", "claude", "gemini") for version in versions(name)],
)
def test_doctor_finds_nothing_wrong(env: Mapping[str, str], name: str, version: str) -> None:
    binary = {f"SIGNEDIN_{name.upper()}_BINARY": str(program(name, version))}
    code, out, err = run({**env, **binary}, "doctor", "--provider", name, "--json")
    findings = document("doctor", out)
    assert (code, err) == (0, ""), findings
    left_open = name == "codex" and sys.platform == "linux" and os.geteuid() == 0
    [sandbox] = [each for each in findings if each["check"] == "sandbox"]
    kernel = "its own, which leaves settings of the kernel writable to root (/proc/"
    assert sandbox["message"].startswith(kernel) is left_open
    assert {(each["provider"], each["check"]): each["level"] for each in findings} == {
        ("signedin", "home"): "ok",
        (name, "program"): "ok",
        (name, "version"): "ok",
        (name, "login"): "missing",
        (name, "sandbox"): "warning" if left_open else "ok",
        (name, "home"): "ok",
        (name, "smoke run"): "ok",
    }


def test_doctor_looks_at_what_needs_no_program(env: Mapping[str, str]) -> None:
    code, out, err = run(env, "doctor", "--provider", "chatgpt", "--json")
    assert (code, err) == (0, "")
    found = {
        each["check"]: each["level"] for each in json.loads(out) if each["provider"] != "signedin"
    }
    assert found == {"program": "ok", "login": "missing", "home": "ok", "smoke run": "ok"}


def test_doctor_looks_at_all_that_is_built_in(env: Mapping[str, str]) -> None:
    _, out, err = run({**env, "PATH": "/nowhere"}, "doctor", "--no-smoke", "--json")
    assert err == ""
    providers = dict.fromkeys(each["provider"] for each in json.loads(out))
    assert list(providers) == ["signedin", "codex", "claude", "gemini", "chatgpt"]


@pytest.mark.parametrize(
    ("version", "level", "message"),
    [
        (
            "0.163.4",
            "ok",
            "0.163.4; tested with 0.163 to 0.169",
        ),
        ("0.169.1", "ok", "0.169.1; tested with 0.163 to 0.169"),
        (
            "0.170.0",
            "warning",
            "0.170.0 is newer than any that was tried; tested with 0.163 to 0.169",
        ),
    ],
)
def test_doctor_says_what_it_knows_of_a_version(
    env: Mapping[str, str], tmp_path: Path, version: str, level: str, message: str
) -> None:
    program = tmp_path / "codex"
    program.write_text(f"#!/bin/sh\necho codex-cli {version}\n")
    program.chmod(0o755)
    env = {**env, "SIGNEDIN_CODEX_BINARY": str(program)}
    _, out, err = run(env, "doctor", "--provider", "codex", "--no-smoke", "--json")
    assert err == ""
    (found,) = [each for each in json.loads(out) if each["check"] == "version"]
    assert (found["level"], found["message"]) == (level, message)


def test_doctor_says_what_to_do(env: Mapping[str, str], tmp_path: Path) -> None:
    broken = tmp_path / "codex"
    broken.write_text("#!/bin/sh\necho codex-cli 0.100.0\n[ $1 = --version ]\n")
    broken.chmod(0o755)
    env = {**env, "SIGNEDIN_CODEX_BINARY": str(broken), "CODEX_API_KEY": "sk-stray-0123456789"}
    code, out, err = run(env, "doctor", "--provider", "codex")
    assert (code, err) == (1, "")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "codex version problem 0.100.0 is too old; tested with 0.163 to 0.169" in lines
    assert '-> update it with: pip install "signedin[codex]"' in lines
    assert any(line.startswith("codex smoke run problem codex (pid ") for line in lines)
    env["SIGNEDIN_CODEX_BINARY"] = "/nowhere"
    code, out, err = run(env, "doctor", "--provider", "codex")
    assert code == 1
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "codex program problem SIGNEDIN_CODEX_BINARY=/nowhere does not exist" in lines
    assert '-> install it with: pip install "signedin[codex]"' in lines
