"""What is the same for all programs, and who pays where there is none to ask."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from signedin import BillingError, Client, CommandExecutionError, UnsupportedOptionError
from signedin.loopback import LoopbackIssuer, LoopbackModel
from signedin.providers.chatgpt.sign_in.profiles import CODEX, relocated
from support.chatgpt_account import SignedInUser


def test_a_chatgpt_login_pays_by_its_plan(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SIGNEDIN_HOME", str(tmp_path))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-proj-stray-key-9876543210")
    with LoopbackIssuer() as issuer, LoopbackModel("Hello.") as model:
        moved = relocated(CODEX, issuer.url, f"{model.url}/backend-api/codex")
        profile = msgspec.structs.replace(moved, redirect_ports=(0,))
        token = asyncio.run(SignedInUser(issuer, "payer", profile).sign_in()).access_token
        options = {"account": "payer", "model": "m", "provider_options": {"profile": profile}}
        with Client("chatgpt", billing="subscription", **options) as client:
            assert client.available()
            assert client.auth_status().billing == "subscription"
            assert client.run("hi").text == "Hello."
        with (
            Client("chatgpt", billing="api", **options) as client,
            pytest.raises(BillingError, match=r"is the plan of a login \(decided by the login\)"),
        ):
            client.run("hi")
    prompts = [request for request in model.requests if request.method == "POST"]
    assert [request.credential_is(token) for request in prompts] == [True]


def test_a_token_that_was_given_tells_nothing_of_who_pays() -> None:
    with LoopbackModel("Hello.") as model:
        options = model.client_options("chatgpt")
        with (
            Client("chatgpt", billing="subscription", **options) as client,
            pytest.raises(BillingError, match=r"decided by provider_options\['access'\]"),
        ):
            client.run("hi")
    assert model.requests == ()


@pytest.mark.parametrize(
    "options", [{"billing": "subscription"}, {"account": "work"}, {"auth_source": "isolated"}]
)
def test_agents_that_look_after_their_accounts_themselves(options: dict[str, str]) -> None:
    with (
        Client("acp:opencode", binary="/bin/true", **options) as client,
        pytest.raises(UnsupportedOptionError, match="it manages its accounts itself"),
    ):
        client.run("hi")


@pytest.mark.parametrize(
    ("provider", "arguments", "variable", "program"),
    [
        ("codex", "login", "CODEX_HOME", "codex login"),
        ("claude", "auth login", "CLAUDE_CONFIG_DIR", "claude auth login"),
        ("gemini", "", "GEMINI_CLI_HOME", "gemini"),
    ],
)
def test_the_terminal_belongs_to_the_vendors_own_login(
    provider: str,
    arguments: str,
    variable: str,
    program: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SIGNEDIN_HOME", str(tmp_path / "signedin"))
    monkeypatch.delenv(variable, raising=False)
    said = tmp_path / "said"
    fake = tmp_path / "fake"
    fake.write_text(f'#!/bin/sh\necho "$@" "${variable}" >>{said}\nexit ${{FAKE_EXIT:-0}}\n')
    fake.chmod(0o755)
    with Client(provider, binary=fake) as client:
        client.login()
    with Client(provider, binary=fake, auth_source="external") as client:
        client.login()
    home = tmp_path / "signedin" / provider
    assert [line.strip() for line in said.read_text().splitlines()] == [
        f"{arguments} {home}".strip(),
        arguments,
    ]
    monkeypatch.setenv("FAKE_EXIT", "3")
    with Client(provider, binary=fake) as client, pytest.raises(CommandExecutionError) as raised:
        client.login()
    assert raised.value.returncode == 3
    assert str(raised.value).startswith(f"{program} ended with exit code 3")
