"""Answers for somebody who is signed in, and for nobody."""

import asyncio
from itertools import count

import msgspec
import pytest

from signedin import AsyncClient, AuthRequiredError
from signedin.loopback import HttpError, LoopbackIssuer, LoopbackModel, Script
from signedin.providers.chatgpt.sign_in.profiles import CODEX, SIWC, Profile, relocated
from support.chatgpt_account import SignedInUser

_numbers = count(1)


@pytest.fixture
def account() -> str:
    return f"answers-{next(_numbers)}"


def profile_of(issuer: LoopbackIssuer, model: LoopbackModel, profile: Profile = CODEX) -> Profile:
    moved = relocated(profile, issuer.url, f"{model.url}/backend-api/codex")
    return msgspec.structs.replace(moved, redirect_ports=(0,))


def client_of(account: str, profile: Profile) -> AsyncClient:
    options = {"profile": profile, "request_max_retries": 0}
    return AsyncClient("chatgpt", account=account, model="m", provider_options=options)


@pytest.mark.parametrize("basis", [CODEX, SIWC], ids=lambda profile: profile.name)
async def test_five_answers_at_once_on_an_ended_token_refresh_it_once(issuer, account, basis):
    with LoopbackModel(Script(default="Hello")) as model:
        profile = profile_of(issuer, model, basis)
        user = SignedInUser(issuer, account, profile)
        await user.sign_in()
        await user.age()
        before = user.token_requests("refresh_token")
        async with client_of(account, profile) as client:
            results = await asyncio.gather(*(client.run("Hi") for _ in range(5)))
        assert [result.text for result in results] == ["Hello"] * 5
        assert user.token_requests("refresh_token") - before == 1
        token = (await user.stored()).access_token
        assert [request.credential_is(token) for request in model.requests] == [True] * 5
        assert {request.headers["chatgpt-account-id"] for request in model.requests} == {
            issuer.account.account_id
        }


async def test_a_token_the_backend_refuses_is_refreshed_and_used(issuer, account):
    refused = []

    def answer(request):
        return HttpError(401) if any(map(request.credential_is, refused)) else "Hello"

    with LoopbackModel(answer) as model:
        profile = profile_of(issuer, model)
        user = SignedInUser(issuer, account, profile)
        refused.append((await user.sign_in()).access_token)
        async with client_of(account, profile) as client:
            assert (await client.run("Hi")).text == "Hello"
        assert len(model.requests) == 2


async def test_a_login_that_was_ended_elsewhere_says_how_to_sign_in(issuer, account):
    with LoopbackModel(HttpError(401)) as model:
        profile = profile_of(issuer, model)
        user = SignedInUser(issuer, account, profile)
        await user.sign_in()
        async with client_of(account, profile) as client:
            with pytest.raises(AuthRequiredError, match="Sign in with: signedin auth login"):
                await client.run("Hi")
        assert len(model.requests) == 2


async def test_nobody_is_signed_in(issuer, account):
    with LoopbackModel("Hello") as model:
        async with client_of(account, profile_of(issuer, model)) as client:
            with pytest.raises(AuthRequiredError, match="Sign in with: signedin auth login"):
                await client.run("Hi")
        assert model.requests == ()


async def test_a_token_that_was_given_is_not_renewed():
    with LoopbackModel(HttpError(401)) as model:
        async with AsyncClient("chatgpt", **model.client_options("chatgpt")) as client:
            with pytest.raises(AuthRequiredError, match="refused the access token that was given"):
                await client.run("Hi")
        assert len(model.requests) == 1


async def test_many_prompts_at_once_are_all_answered_and_kept(tmp_path):
    with LoopbackModel(Script(default="Hello")) as model:
        options = model.client_options("chatgpt")
        async with AsyncClient("chatgpt", cwd=tmp_path, **options) as client:
            prompts = [f"prompt {number}" for number in range(24)]
            outcomes = [outcome async for outcome in client.map(prompts, concurrency=12)]
            assert [outcome.unwrap().text for outcome in outcomes] == ["Hello"] * 24
            page = await client.sessions(cwd=tmp_path)
            assert {info.preview for info in page.sessions} == set(prompts)


async def test_the_first_turn_is_prepared_ahead():
    with LoopbackModel("Hello") as model:
        options = model.client_options("chatgpt")
        async with AsyncClient("chatgpt", prewarm=True, **options):
            await asyncio.to_thread(model.wait_for_request, timeout=30)
        assert [request.path.partition("?")[0] for request in model.requests] == [
            "/backend-api/codex/models"
        ]
