"""pydantic-ai's own ChatGPT providers, with the login that signedin has stored."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from uuid import uuid4

import pytest
from openai import AsyncOpenAI
from pydantic_ai.exceptions import ModelAuthenticationError

from signedin import AuthRequiredError
from signedin.integrations.pydantic_ai import signedin_openai
from signedin.loopback import HttpError, LoopbackIssuer, LoopbackModel
from signedin.providers.chatgpt.sign_in import profiles
from support import pydantic_ai_asking
from support.chatgpt_account import SignedInUser
from support.pydantic_ai_asking import PROCESSES, TASKS, new_agent, profile_of

PAGE = Path(__file__).parents[4] / "docs" / "integrations" / "pydantic-ai.md"
EXPIRIES = 20


class Signed:
    """A login, and the model it is for."""

    def __init__(self, name: str, issuer: LoopbackIssuer, model: LoopbackModel) -> None:
        self.model = model
        where = (name, issuer.url, f"{model.url}/v1")
        self.account = uuid4().hex  # another issuer knows nothing of it
        self.arguments = (self.account, *where)
        self.profile = profile_of(*where)
        self.user = SignedInUser(issuer, self.account, self.profile)

    def client(self) -> AsyncOpenAI:
        return signedin_openai(self.account, profile=self.profile)

    @property
    def refreshes(self) -> int:
        return self.user.token_requests("refresh_token")


@asynccontextmanager
async def signed_in(name: str, *replies: object) -> AsyncIterator[Signed]:
    with LoopbackIssuer() as issuer, LoopbackModel(replies) as model:
        signed = Signed(name, issuer, model)
        await signed.user.sign_in()
        yield signed
        await signed.user.auth.logout()


@pytest.fixture(scope="module")
def processes() -> Iterator[subprocess.Popen[str]]:
    """A program that asks in several processes, with the logins it is told."""
    with subprocess.Popen(
        [sys.executable, pydantic_ai_asking.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as program:
        try:
            yield program
            program.stdin.close()
            assert program.wait(timeout=60) == 0
        finally:
            with suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["siwc", "codex"])
async def test_eight_processes_refresh_each_expiry_once(
    processes: subprocess.Popen[str], name: str
) -> None:
    async with signed_in(name, "Hello.") as signed:
        for expiry in range(1, EXPIRIES + 1):
            await signed.user.age()
            processes.stdin.write(" ".join(signed.arguments) + "\n")
            processes.stdin.flush()
            answers = await asyncio.to_thread(processes.stdout.readline)
            assert json.loads(answers) == [["Hello."] * TASKS] * PROCESSES
            # A refused refresh would be a further one.
            assert signed.refreshes == expiry
        assert len(signed.model.requests) == PROCESSES * TASKS * EXPIRIES


async def test_a_refused_token_is_renewed_and_the_request_sent_again() -> None:
    async with signed_in("siwc", HttpError(401, times=1), "Hello.") as signed:
        async with signed.client() as client:
            assert (await new_agent(client, signed.profile).run("Hi.")).output == "Hello."
        assert signed.refreshes == 1
        first, second = signed.model.requests
        assert first.body == second.body
        assert first.headers["authorization"] != second.headers["authorization"]
        assert second.credential_is((await signed.user.stored()).access_token)


async def test_a_login_that_has_ended_says_how_to_sign_in() -> None:
    async with signed_in("siwc", "Hello.") as signed:
        async with signed.client() as client:
            await signed.user.auth.logout()
            with pytest.raises(ModelAuthenticationError, match="auth login --provider chatgpt"):
                await new_agent(client, signed.profile).run("Hi.")
        assert signed.model.requests == ()
        await signed.user.sign_in()


async def test_a_request_elsewhere_carries_no_token() -> None:
    async with signed_in("siwc", "Hello.") as signed:
        async with signed.client() as client:
            await client._client.get(f"{signed.model.url}/v2/models")
        [request] = signed.model.requests
        assert "authorization" not in request.headers


def test_nobody_is_signed_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNEDIN_HOME", str(tmp_path))
    with pytest.raises(AuthRequiredError, match="not signed in"):
        signedin_openai("nobody")


def test_the_example_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SIGNEDIN_HOME", str(tmp_path))
    [example] = re.findall(r"^```py\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    with LoopbackIssuer() as issuer, LoopbackModel("Hello.") as model:
        profile = profile_of("siwc", issuer.url, f"{model.url}/v1")
        monkeypatch.setitem(profiles.PROFILES, "siwc", profile)
        asyncio.run(SignedInUser(issuer, None, profile).sign_in())
        exec(compile(example, str(PAGE), "exec"), {})
    assert capsys.readouterr().out == "Hello.\n"
