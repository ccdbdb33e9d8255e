"""``signedin auth`` from a shell, for ChatGPT."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from signedin.cli import auth as cli_auth
from signedin.loopback import LoopbackIssuer
from support import chatgpt_program
from support.chatgpt_account import SignedInUser
from support.program import environment

SECONDS = 60
LOGIN = ("auth", "login", "--provider", "chatgpt")


class Program:
    """Starts the program in a home of its own."""

    def __init__(self, issuer: LoopbackIssuer, home: Path) -> None:
        self.issuer = issuer
        self.home = home
        self.env = environment(SIGNEDIN_HOME=str(home))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(chatgpt_program.__file__), self.issuer.url, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.env,
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        with self.start(*arguments) as process:
            return ended(process)


@pytest.fixture
def program(issuer: LoopbackIssuer, tmp_path: Path) -> Iterator[Program]:
    yield Program(issuer, tmp_path)


def ended(process: subprocess.Popen[str], typed: str = "") -> tuple[int, str, str]:
    """Types something and waits for the end; what was read before is not read again."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdin.write(typed)
    process.stdin.close()
    out, err = process.stdout.read(), process.stderr.read()
    return process.wait(SECONDS), out, err


def page_of(stream: Iterator[str]) -> str:
    return next(iter(re.findall(r"Open this page to sign in: (\S+)", next(stream))))


def test_signing_in_with_a_browser_and_out(program: Program) -> None:
    with program.start(*LOGIN, "--method", "browser") as process:
        assert process.stdout is not None
        assert program.issuer.visit(page_of(process.stdout)) == 200
        code, out, err = ended(process)
    assert (code, err) == (0, "")
    expected = (
        "provider    chatgpt\n"
        "installed   yes\n"
        "signed in   yes\n"
        "mode        login\n"
        "pays        subscription (pro)\n"
        "decided by  login.json\n"
        "who         user@example.com\n"
        "source      isolated\n"
        f"home        {program.home}/chatgpt\n"
    )
    assert out == expected
    code, out, _ = program.run("auth", "status", "--provider", "chatgpt", "--json")
    assert (code, json.loads(out)["details"]["profile"]) == (0, "siwc")
    code, out, err = program.run("auth", "logout", "--provider", "chatgpt")
    assert (code, out, err) == (0, "", "signed out of signedin's own chatgpt login\n")
    assert program.run("auth", "status", "--provider", "chatgpt")[0] == 1


@pytest.mark.parametrize("opened", [True, False])
def test_the_browser_is_opened(program: Program, opened: bool, tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    os.mkfifo(tmp_path / "page")
    browser.write_text(f'#!/bin/sh\necho "$1" >{tmp_path / "page"}\n')
    browser.chmod(0o755)
    program.env["BROWSER"] = str(browser)
    flags = () if opened else ("--no-browser",)
    with program.start(*LOGIN, "--method", "browser", *flags) as process:
        assert process.stdout is not None
        page = page_of(process.stdout)
        if opened:
            assert (tmp_path / "page").read_text() == f"{page}\n"
        assert program.issuer.visit(page) == 200
        assert ended(process)[0] == 0


def test_a_sign_in_that_is_stopped_is_quiet(program: Program) -> None:
    with program.start(*LOGIN, "--method", "browser") as process:
        assert process.stdout is not None
        page_of(process.stdout)
        process.terminate()
        assert ended(process) == (143, "", "")


def test_signing_in_with_a_code(program: Program) -> None:
    code, _, err = program.run(*LOGIN, "--method", "device")
    assert code != 0
    assert "the profile siwc has none" in err
    with program.start(*LOGIN, "--method", "device", "--profile", "codex") as process:
        assert process.stdout is not None
        assert page_of(process.stdout) == f"{program.issuer.url}/codex/device"
        typed = process.stdout.readline().removeprefix("Type this code there: ").strip()
        assert "never type someone else's code" in process.stdout.readline()
        program.issuer.approve_device(typed)
        code, out, err = ended(process)
    assert (code, err) == (0, "")
    assert "who         user@example.com\n" in out


def test_pasting_the_address_from_a_browser_elsewhere(program: Program) -> None:
    account = ("--account", "work")
    with program.start(*LOGIN, "--method", "browser", "--paste", *account) as process:
        assert process.stdout is not None
        with httpx2.Client(trust_env=False, timeout=60) as browser:
            ended_at = browser.get(page_of(process.stdout)).headers["location"]
        code, out, err = ended(process, f"{ended_at}\n")
    assert (code, err) == (0, "")
    assert out.startswith("Paste the address it ends at: ")
    assert "account     work\n" in out


def test_without_a_method_the_page_is_named_on_standard_error(program: Program) -> None:
    with program.start(*LOGIN) as process:
        assert process.stderr is not None
        assert program.issuer.visit(page_of(process.stderr)) == 200
        code, out, _ = ended(process)
    assert code == 0
    assert "signed in   yes\n" in out


async def test_the_list_of_logins_has_every_account(
    issuer: LoopbackIssuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGNEDIN_HOME", str(tmp_path))
    monkeypatch.setattr(cli_auth, "provider_names", lambda: ["chatgpt"])
    await SignedInUser(issuer, "work").sign_in()
    listed = await cli_auth._all()
    assert [(status.account, status.billing) for status in listed] == [("work", "subscription")]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((*LOGIN, "--profile", "pro"), "choose one of: siwc, codex"),
        (("auth", "login", "--provider", "codex", "--profile", "siwc"), "only one way to sign in"),
        ((*LOGIN, "--method", "device", "--paste"), "--paste requires --method browser"),
        ((*LOGIN, "--source", "external"), "would sign the other program out"),
    ],
)
def test_what_cannot_be_is_refused(
    program: Program, arguments: tuple[str, ...], reason: str
) -> None:
    code, out, err = program.run(*arguments)
    assert code == 2
    assert reason in err
    assert out == ""
