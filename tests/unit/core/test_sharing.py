"""Several handles on one conversation, and runs that are tried again in one."""

import asyncio
import os

import pytest
import trio

from signedin import (
    AsyncClient,
    Client,
    CommandExecutionError,
    InvalidOptionError,
    Retry,
    SessionBusyError,
    SignedinError,
    TimeoutExceededError,
    TransportClosedError,
    TurnInterruptedError,
    UnsupportedOptionError,
)
from signedin.model.events import RetryEvent
from signedin.providers.base import ProviderTurn
from support.events import session_event
from support.fakes import Batch, FakeProvider, FakeSession, answer


async def test_handles_of_one_conversation_share_it(
    client: AsyncClient, provider: FakeProvider
) -> None:
    one = client.session()
    await one.run("first")
    two = client.session(resume=one.id)
    await two.run("second")
    assert (await client.run("third", resume="s1")).text == "third"
    assert len(provider.sessions_opened) == 1
    await one.aclose()
    assert provider.sessions_opened[0].closed == 0
    await two.run("fourth")
    await two.aclose()
    assert provider.sessions_opened[0].closed == 1
    await two.run("fifth")
    assert [session.request.resume for session in provider.sessions_opened] == [None, "s1"]


async def test_one_turn_of_a_conversation_at_a_time(
    client: AsyncClient, provider: FakeProvider
) -> None:
    provider.script = lambda prompt: [[session_event()]]
    async with client.session() as one, one.stream("first") as turn:
        await anext(aiter(turn))
        with pytest.raises(SessionBusyError, match="session s1 is busy"):
            await client.run("second", resume="s1")
        with pytest.raises(SessionBusyError):
            await one.fork()
        with pytest.raises(SessionBusyError):
            await client.session(resume="s1").delete()
        assert (await client.session(resume="s1").history()) == []
        await turn.interrupt()
    assert [prompt for prompt, _ in provider.prompts] == ["first"]
    assert provider.turns[0].closed == 1


async def test_two_that_open_it_at_once(client: AsyncClient, provider: FakeProvider) -> None:
    one, two = client.session(resume="s1"), client.session(resume="s1")
    await asyncio.gather(one.history(), two.history())
    assert len(provider.sessions_opened) == 1


async def test_a_handle_cannot_change_what_is_fixed(
    client: AsyncClient, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeSession, "fixed_options", frozenset({"config"}))
    async with client.session(instructions="Be brief.", provider_options={"config": 1}) as one:
        await one.run("first", provider_options={"other": 2})
        with pytest.raises(InvalidOptionError, match="'instructions' is fixed when a session"):
            await client.run("second", resume="s1", provider_options={"config": 1})
        with pytest.raises(InvalidOptionError, match="'config' in provider_options is fixed"):
            await one.run("second", provider_options={"config": 2})
        assert await client.session(resume="s1").history() == []
    assert len(provider.prompts) == 1


async def test_a_deleted_conversation_does_not_go_on(client: AsyncClient) -> None:
    one = client.session(resume="s1")
    two = client.session(resume="s1")
    await two.history()
    await one.delete()
    with pytest.raises(InvalidOptionError, match="session s1 was deleted"):
        await two.run("go")


async def test_a_fork_needs_what_it_copies(client: AsyncClient) -> None:
    with pytest.raises(InvalidOptionError, match="fork=True copies the session that resume="):
        client.session(fork=True)


def failure() -> list[Batch]:
    return [[session_event()], TransportClosedError("crashed")]


async def test_a_second_try_in_a_session_takes_the_first_back(
    client: AsyncClient, provider: FakeProvider
) -> None:
    scripts = [answer("before"), failure(), answer("after")]
    provider.script = lambda prompt: scripts.pop(0)
    async with client.session() as session:
        await session.run("one")
        result = await session.run("two", retry=Retry(1, backoff=0, jitter=0))
    assert (result.text, result.retries) == ("after", 1)
    assert provider.sessions_opened[0].rolled_back == 1


async def test_retry_in_a_session_that_keeps_its_failures(
    provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = AsyncClient("fake", transport="forgetless-wire", retry=Retry(3, backoff=0))
    provider.script = lambda prompt: failure()
    for door in (
        lambda: client.session(retry=Retry(1)),
        lambda: client.session().run("go", retry=Retry(1)),
        lambda: client.run("go", resume="s1", retry=Retry(1)),
        lambda: client.session().run("go", provider_options={"max_retries": 1}),
    ):
        with pytest.raises(UnsupportedOptionError, match="'retry': a session stores its failed"):
            await door()
    for door in (lambda: client.session().run("go"), lambda: client.run("go", resume="s1")):
        provider.prompts.clear()
        with pytest.raises(TransportClosedError):
            await door()
        assert len(provider.prompts) == 1


@pytest.mark.parametrize("keywords", [{"retry": Retry(1)}, {"output_retries": 2}])
async def test_a_stream_is_not_tried_again(
    client: AsyncClient, keywords: dict[str, object]
) -> None:
    for stream in (client.stream, client.session().stream):
        with pytest.raises(UnsupportedOptionError, match=r"only run\(\) takes it"):
            stream("go", **keywords)


async def test_a_failed_run_tells_of_all_its_tries(
    client: AsyncClient, provider: FakeProvider
) -> None:
    provider.script = lambda prompt: failure()
    with pytest.raises(TransportClosedError) as caught:
        await client.run("go", retry=Retry(2, backoff=0, jitter=0))
    result = caught.value.result
    assert result is not None
    assert result.retries == 2
    assert [event.kind for event in result.events] == [
        "session", "error", "retry", "error", "retry", "error", "done",
    ]  # fmt: skip
    assert caught.value.__notes__ == ["attempt 1 failed: crashed", "attempt 2 failed: crashed"]


async def test_the_time_limit_is_of_the_whole_run(
    client: AsyncClient, provider: FakeProvider
) -> None:
    provider.script = lambda prompt: failure() if len(provider.prompts) < 3 else [[session_event()]]
    with pytest.raises(TimeoutExceededError) as caught:
        await client.run("go", timeout=0.2, retry=Retry(9, backoff=0, jitter=0, on_timeout=True))
    assert caught.value.result is not None
    assert len([e for e in caught.value.result.events if isinstance(e, RetryEvent)]) == 2
    assert len(provider.prompts) == 3


class StubbornSession(FakeSession):
    """Hangs when a turn begins or ends, until it is released."""

    go_on = asyncio.Event()

    async def start_turn(self, *arguments: object) -> ProviderTurn:
        turn = await super().start_turn(*arguments)
        close = turn.aclose

        async def aclose() -> None:
            await self.go_on.wait()
            await close()

        turn.aclose = aclose
        return turn


async def test_who_has_run_out_of_time_does_not_wait_for_the_end(
    client: AsyncClient, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("support.fakes.FakeSession", StubbornSession)
    monkeypatch.setattr(StubbornSession, "go_on", asyncio.Event())
    provider.script = lambda prompt: [[session_event()]]
    with pytest.raises(TimeoutExceededError):
        await client.run("go", timeout=0.1)
    assert provider.turns[0].closed == 0
    closing = asyncio.create_task(client.aclose())
    await asyncio.sleep(0)
    assert not closing.done()
    StubbornSession.go_on.set()
    await closing
    assert provider.turns[0].closed == provider.sessions_opened[0].closed == 1


async def test_entering_a_turn_starts_it(client: AsyncClient, provider: FakeProvider) -> None:
    async with client.stream("go") as turn:
        assert [prompt for prompt, _ in provider.prompts] == ["go"]
        assert [event.kind async for event in turn] == ["session", "message", "done"]


@pytest.mark.parametrize("prompt", [None, 3, "", " \n"])
async def test_what_is_no_prompt(client: AsyncClient, prompt: object) -> None:
    session = client.session()
    for run in (client.run, session.run):
        with pytest.raises(InvalidOptionError, match=r"the prompt (must be a string|is empty)"):
            await run(prompt)
    for stream in (client.stream, session.stream):
        with pytest.raises(InvalidOptionError, match=r"the prompt (must be a string|is empty)"):
            stream(prompt)


async def test_a_failed_program_has_the_earlier_attempts_in_its_details(
    client: AsyncClient, provider: FakeProvider
) -> None:
    provider.script = lambda prompt: [
        [session_event()],
        CommandExecutionError("exec ended with 1", returncode=1),
    ]
    with pytest.raises(CommandExecutionError) as caught:
        await client.run("go", retry=Retry(1, backoff=0, jitter=0))
    assert caught.value.details == "attempt 1 failed: exec ended with 1"


@pytest.mark.usefixtures("provider")
def test_under_trio_the_reason_is_told() -> None:
    client = AsyncClient("fake")

    async def run() -> None:
        with pytest.raises(SignedinError, match="signedin needs asyncio; under trio use Client"):
            await client.run("go")
        with pytest.raises(SignedinError, match="signedin needs asyncio"):
            await client.models()

    trio.run(run)


async def test_closing_a_session_stops_a_turn_that_is_starting(
    client: AsyncClient, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = asyncio.Event()

    async def start_turn(self: FakeSession, *_: object) -> ProviderTurn:
        provider.turn_started.set()
        await never.wait()
        raise AssertionError

    monkeypatch.setattr(FakeSession, "start_turn", start_turn)
    session = client.session()
    for close in (session.aclose, client.aclose):
        provider.turn_started.clear()
        running = asyncio.create_task(session.run("go"))
        await provider.turn_started.wait()
        await close()
        assert provider.sessions_opened[-1].closed == (close == session.aclose)
        with pytest.raises(TurnInterruptedError):
            await running
    assert (len(provider.sessions_opened), provider.closed) == (2, 1)


async def test_closing_a_client_stops_a_session_that_is_opening(
    client: AsyncClient, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening = asyncio.Event()

    async def open_session(request: object) -> FakeSession:
        opening.set()
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(provider, "open_session", open_session)
    one, two = client.session(resume="s1"), client.session(resume="s1")
    asked = [asyncio.create_task(one.run("go")), asyncio.create_task(two.history())]
    await opening.wait()
    await client.aclose()
    for task in asked:
        with pytest.raises(TurnInterruptedError):
            await task
    assert provider.closed == 1


async def test_a_closed_fork_without_a_turn_is_made_again(
    client: AsyncClient, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeSession, "id", None)  # as Claude Code's before the first turn
    copy = client.session(resume="stored", fork=True)
    for close in (copy.aclose, client.aclose, copy.aclose):
        await copy.history()
        await close()
    asked = [(session.request.resume, session.request.fork) for session in provider.sessions_opened]
    assert asked == [("stored", True)] * 3


async def test_what_a_closed_client_has_is_not_rolled_back(
    client: AsyncClient, provider: FakeProvider
) -> None:
    provider.script = lambda prompt: failure()
    session = client.session()

    with pytest.raises(TransportClosedError):
        await session.run("go")
    await client.aclose()
    with pytest.raises(SignedinError, match="the client was closed meanwhile"):
        await session.roll_back()
    assert provider.sessions_opened[0].rolled_back == 0


async def test_a_fork_closes_nothing(
    client: AsyncClient, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.script = lambda prompt: [[session_event()]]
    async with client, client.session() as session, session.stream("go") as turn:
        with monkeypatch.context() as forked:
            forked.setattr(os, "getpid", lambda: 1)
            for close in (turn.aclose, session.aclose, client.aclose):
                await close()
            for use in (turn.interrupt, lambda: turn.steer("x"), turn.next_batch):
                with pytest.raises(SignedinError, match="made before a fork"):
                    await use()
        assert (provider.turns[0].closed, provider.sessions_opened[0].closed) == (0, 0)
        assert provider.closed == 0
    assert (provider.turns[0].closed, provider.sessions_opened[0].closed) == (1, 1)
    assert provider.closed == 1


@pytest.mark.usefixtures("provider")
def test_what_was_made_before_a_fork_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client("fake")
    session = client.session()
    session.run("one")
    turn = client.stream("two")
    next(iter(turn))
    with monkeypatch.context() as forked:
        forked.setattr(os, "getpid", lambda: 1)
        for use in (lambda: client.run("x"), lambda: session.run("x"), lambda: list(turn)):
            with pytest.raises(SignedinError, match="made before a fork; make one in each process"):
                use()
    client.close()


def test_what_things_are_called(blocking: Client) -> None:
    session = blocking.session()
    assert repr(session) == "Session('fake', id=None, closed)"
    turn = session.stream("go")
    assert repr(turn) == "Turn(id=None, not started)"
    result = turn.result()
    assert repr(turn) == "Turn(id='t1', completed)"
    assert repr(session) == "Session('fake', id='s1', open)"
    assert str(result) == result._repr_markdown_() == "go"


def test_an_error_shows_the_frames_of_the_caller(blocking: Client) -> None:
    with pytest.raises(InvalidOptionError) as caught:
        blocking.run("go", modle="x")
    assert [entry.name for entry in caught.traceback][1:] == ["run", "call", "call"]
