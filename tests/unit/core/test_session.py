"""Sessions and clients: what is opened when, with what, and closed."""

import asyncio
import threading
from pathlib import Path

import pytest

from signedin import (
    AsyncClient,
    Client,
    InvalidOptionError,
    SessionBusyError,
    SignedinError,
    UnsupportedOptionError,
    UnsupportedProviderError,
)
from support.events import session_event
from support.fakes import FakeProvider


async def test_a_session_opens_with_its_first_turn(
    client: AsyncClient, provider: FakeProvider
) -> None:
    session = client.session()
    assert session.id is None
    assert provider.sessions_opened == []
    await session.run("one")
    await session.run("two")
    assert session.id == "s1"
    assert len(provider.sessions_opened) == 1
    await session.aclose()
    await session.aclose()
    assert provider.sessions_opened[0].closed == 1
    assert session.id == "s1"


async def test_a_session_opens_when_entered(client: AsyncClient, provider: FakeProvider) -> None:
    async with client.session(resume="stored") as session:
        assert session.id == "stored"
        assert provider.sessions_opened[0].request.resume == "stored"
    assert provider.sessions_opened[0].closed == 1


async def test_a_closed_session_goes_on_where_it_was(
    client: AsyncClient, provider: FakeProvider
) -> None:
    session = client.session()
    await session.run("one")
    await session.aclose()
    await session.run("two")
    assert [opened.request.resume for opened in provider.sessions_opened] == [None, "s1"]


async def test_a_single_turn_frees_its_session(client: AsyncClient, provider: FakeProvider) -> None:
    await client.run("go")
    assert [session.closed for session in provider.sessions_opened] == [1]


async def test_one_turn_at_a_time(client: AsyncClient, provider: FakeProvider) -> None:
    provider.script = lambda prompt: [[session_event()]]
    async with client.session() as session, session.stream("one") as turn:
        await anext(aiter(turn))
        with pytest.raises(SessionBusyError, match="session s1 is busy with another turn"):
            await session.run("two")
    assert [prompt for prompt, _ in provider.prompts] == ["one"]


async def test_opening_is_tried_again_after_it_failed(
    client: AsyncClient, provider: FakeProvider
) -> None:
    provider.opening_fails.append(SignedinError("not now"))
    session = client.session()
    with pytest.raises(SignedinError, match="not now"):
        await session.run("one")
    assert (await session.run("two")).text == "two"


async def test_options_add_up(provider: FakeProvider, tmp_path: Path) -> None:
    client = AsyncClient("fake", model="of client", env={"A": "1", "B": "1"}, cwd=tmp_path)
    session = client.session(model="of session", env={"B": "2", "C": "2"}, effort="low")
    await session.run("one", effort="high", timeout=5)
    await session.run("two")
    (_, first), (_, second) = provider.prompts
    assert (first.model, first.effort, first.timeout) == ("of session", "high", 5)
    assert (second.model, second.effort, second.timeout) == ("of session", "low", None)
    assert first.env == second.env == {"A": "1", "B": "2", "C": "2"}
    assert first.cwd == tmp_path


async def test_what_a_turn_cannot_change(client: AsyncClient, provider: FakeProvider) -> None:
    session = client.session(instructions="Be brief.")
    await session.run("one")
    for keywords in ({"env": {"A": "1"}}, {"instructions": "Be long."}, {"ephemeral": True}):
        with pytest.raises(InvalidOptionError, match="is fixed when a session begins"):
            await session.run("two", **keywords)
    assert len(provider.prompts) == 1
    assert (await session.run("two", instructions="Be brief.")).text == "two"


async def test_an_empty_session_cannot_be_forked(client: AsyncClient) -> None:
    with pytest.raises(SignedinError, match="an empty session cannot be forked"):
        await client.session().fork()


async def test_a_fork_is_a_session_of_its_own(client: AsyncClient, provider: FakeProvider) -> None:
    session = client.session(resume="stored")
    copy = await session.fork()
    assert provider.sessions_opened[-1].request.fork is True
    assert provider.sessions_opened[-1].request.resume == "stored"
    await copy.run("one")
    assert len(provider.sessions_opened) == 1


@pytest.mark.usefixtures("provider")
async def test_a_transport_that_cannot() -> None:
    client = AsyncClient("fake", transport="mute-wire")
    assert client.capabilities.images is False
    with pytest.raises(UnsupportedOptionError, match="fake does not support 'images'"):
        await client.run("go", images=["x.png"])
    assert (await client.run("go", images=[])).text == "go"


@pytest.mark.usefixtures("provider")
def test_a_transport_that_is_not_there() -> None:
    with pytest.raises(
        UnsupportedOptionError, match="choose one of fake-wire, forgetless-wire, mute-wire"
    ) as caught:
        AsyncClient("fake", transport="nope")
    assert (caught.value.provider, caught.value.option) == ("fake", "transport=nope")


def test_a_provider_that_is_not_there() -> None:
    for client_type in (AsyncClient, Client):
        with pytest.raises(UnsupportedProviderError, match="unknown provider 'nope'") as caught:
            client_type("nope")
        assert "codex" in caught.value.known


async def test_mistakes_fail_where_they_are_made(client: AsyncClient) -> None:
    with pytest.raises(InvalidOptionError, match="unknown option 'modle'"):
        client.stream("go", modle="x")
    with pytest.raises(InvalidOptionError, match="timeout must be a positive number"):
        client.session(timeout=0)
    with pytest.raises(InvalidOptionError, match="permissions must be one of"):
        AsyncClient("fake", permissions="all")


async def test_close_is_idempotent_and_can_be_undone(
    client: AsyncClient, provider: FakeProvider
) -> None:
    await client.aclose()
    assert provider.closed == 0
    async with client:
        await client.run("one")
    await client.aclose()
    assert provider.closed == 1
    assert (await client.run("two")).text == "two"


def test_an_async_client_belongs_to_one_loop(client: AsyncClient) -> None:
    assert asyncio.run(client.run("one")).text == "one"
    with pytest.raises(SignedinError, match="used in another event loop"):
        asyncio.run(client.run("two"))


def test_an_async_client_is_closed_in_its_own_loop(
    client: AsyncClient, provider: FakeProvider
) -> None:
    with asyncio.Runner() as runner:
        runner.run(client.run("one"))
        with pytest.raises(SignedinError, match="used in another event loop"):
            asyncio.run(client.aclose())
        runner.run(client.aclose())
    assert provider.closed == 1


def test_reprs(client: AsyncClient, blocking: Client) -> None:
    assert repr(client) == "AsyncClient('fake', transport='fake-wire')"
    assert repr(blocking) == "Client('fake', transport='fake-wire')"


# --- the blocking face -------------------------------------------------------------------------


def test_blocking(blocking: Client, provider: FakeProvider) -> None:
    assert blocking.run("one").text == "one"
    assert [event.text for event in blocking.stream("two")] == ["", "two", "two"]
    with blocking.session() as session:
        assert session.run("three").text == "three"
        assert session.stream("four").result().text == "four"
        assert session.id == "s1"
    assert (blocking.provider, blocking.transport) == ("fake", "fake-wire")
    assert blocking.capabilities.deltas is True
    assert blocking.installation().problem == "it is a fake"
    blocking.close()
    assert provider.closed == 1


async def test_blocking_inside_a_running_loop(blocking: Client) -> None:
    assert blocking.run("one").text == "one"


def test_blocking_from_many_threads(blocking: Client) -> None:
    answers: list[str] = []
    threads = [
        threading.Thread(target=lambda n=n: answers.append(blocking.run(str(n)).text))
        for n in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers, key=int) == [str(n) for n in range(20)]


def test_a_blocking_call_in_the_background_loop_is_refused(
    blocking: Client, provider: FakeProvider
) -> None:
    """It would wait for itself for ever."""

    def script(prompt: str) -> list[list[object]]:
        blocking.run("again")
        raise AssertionError

    provider.script = script
    with pytest.raises(SignedinError, match="a blocking call was made from an async callback"):
        blocking.run("go")


def test_errors_come_through(blocking: Client, provider: FakeProvider) -> None:
    provider.script = lambda prompt: [[session_event()], ZeroDivisionError("inside")]
    with pytest.raises(ZeroDivisionError, match="inside"):
        blocking.run("go")
    with pytest.raises(ZeroDivisionError, match="inside"):
        list(blocking.stream("go"))
    assert [turn.closed for turn in provider.turns] == [1, 1]


def test_leaving_a_blocking_loop_early(blocking: Client, provider: FakeProvider) -> None:
    provider.script = lambda prompt: [[session_event()]]
    for _ in blocking.stream("go"):
        break
    assert provider.turns[0].closed == 1
    with blocking.stream("go") as turn:
        next(iter(turn))
        assert provider.turns[1].closed == 0
    assert provider.turns[1].closed == 1
