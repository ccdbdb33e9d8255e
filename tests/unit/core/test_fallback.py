"""Several providers in one client: what real agents do not do on demand."""

import asyncio
import json
import logging
import sqlite3
import stat
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from signedin import (
    AsyncClient,
    AuthRequiredError,
    Budget,
    Client,
    Fallback,
    InvalidOptionError,
    PastTurn,
    Retry,
    TransportClosedError,
    TurnInterruptedError,
    UnsupportedOptionError,
    Usage,
    UsageEvent,
    UsageLimitError,
)
from signedin.client import async_client as client_module
from signedin.model.errors import ErrorKind
from signedin.model.events import CommandEvent, ErrorEvent
from signedin.providers.base import ProviderSpec, SessionRequest
from signedin.providers.fallback import turn as turn_module
from signedin.providers.fallback.handover import handover_prompt
from signedin.providers.fallback.used_up import UsedUp
from signedin.providers.registry import load_provider
from support.events import done, message, session_event
from support.fakes import Batch, FakeProvider, FakeSession, FakeTurn, answer, spec_of

LATER = 4_000_000_000.0


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, which is not there yet."""
    monkeypatch.setenv("SIGNEDIN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeProvider]:
    """What the providers of these names are."""
    fakes = {"one": FakeProvider(), "two": FakeProvider()}

    def load(name: str) -> ProviderSpec:
        return msgspec.structs.replace(spec_of(fakes[name]), name=name)

    monkeypatch.setattr(client_module, "load_provider", load)
    return fakes


def soon() -> float:
    """A moment that is not long ahead."""
    return time.time() + 3600


def used_up(resets_at: float | None = None, *before: Batch) -> Callable[[str], Sequence[Batch]]:
    """A provider whose plan is used up."""
    limit = ErrorEvent(
        text="No more.", timestamp=1.0, error=ErrorKind.USAGE_LIMIT, resets_at=resets_at
    )
    return lambda prompt: [[session_event()], *before, [limit], [done("failed")]]


def note(home: Path, **plans: float) -> None:
    home.mkdir(mode=0o700, exist_ok=True)
    noted = {plan: {"limit": end} for plan, end in plans.items()}
    (home / "used_up.json").write_text(json.dumps(noted))


def modes_in(home: Path) -> list[int]:
    return [stat.S_IMODE(path.stat().st_mode) for path in sorted(home.iterdir())]


def break_file(home: Path, content: bytes) -> None:
    home.mkdir(mode=0o700)
    (home / "used_up.json").write_bytes(content)


def break_folder(home: Path) -> None:
    home.write_text("a file where the folder should be")


def both(on_limit: str, **keywords: object) -> AsyncClient:
    return AsyncClient(["one", "two"], on_limit=on_limit, **keywords)


WRONG: dict[str, tuple[tuple[object, ...], dict[str, object], str]] = {
    "no choice": (("codex", "claude"), {}, "several providers need on_limit=: one of"),
    "an unknown choice": (
        ("codex", "claude"),
        {"on_limit": "sleep"},
        "on_limit must be one of",
    ),
    "nobody": ((), {"on_limit": "next"}, "the list is empty"),
    "nobody else": (("codex",), {"on_limit": "next"}, "on_limit='next' needs several providers"),
    "twice the same": (("codex", "codex"), {"on_limit": "next"}, "codex and codex use accounts of"),
    "one vendor": (("codex", "chatgpt"), {"on_limit": "next"}, "codex and chatgpt use accounts of"),
    "its ACP agent": (("acp:claude", "claude"), {"on_limit": "next"}, "acp:claude and claude use"),
    "two accounts": (
        (("codex", {"account": "a"}), ("codex", {"account": "b"})),
        {"on_limit": "next"},
        "codex and codex use accounts of one vendor",
    ),
    "of one": (
        ("codex", "claude"),
        {"on_limit": "next", "transport": "codex-exec"},
        r"transport is of one provider; give it as \(provider, {'transport': …}\)",
    ),
    "of all": (
        ("codex", ("claude", {"timeout": 3})),
        {"on_limit": "next"},
        "'timeout' is not a keyword of one provider among several",
    ),
    "no provider": (("codex", 7), {"on_limit": "next"}, r"a name or \(name, keywords\), not 7"),
    "no value": (("codex", ("claude", {"env": 3})), {"on_limit": "next"}, "env must be a mapping"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_a_client(case: str) -> None:
    providers, keywords, complaint = WRONG[case]
    with pytest.raises(InvalidOptionError, match=complaint):
        Client(list(providers), **keywords)


@pytest.mark.parametrize("provider", [None, 5, b"codex", {"codex"}])
def test_what_cannot_be_a_provider(provider: object) -> None:
    with pytest.raises(InvalidOptionError, match=r"^the provider must be a name, or a list of"):
        Client(provider)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("keywords", "who"),
    [
        ({"on_approval": print}, "chatgpt"),
        ({"instructions": "x"}, "acp:opencode"),
        ({"model": "gpt-5.5"}, "claude,acp:opencode,chatgpt"),
        ({"provider_options": {"x": 1}}, "claude,acp:opencode,chatgpt"),
    ],
)
def test_keywords_are_checked_against_all(keywords: dict[str, object], who: str) -> None:
    client = Client(["claude", "acp:opencode", "chatgpt"], on_limit="next")
    for call in (client.run, client.stream, client.session().run):
        with pytest.raises(UnsupportedOptionError) as caught:
            call("Go.", **keywords)
        assert caught.value.provider == who


def test_what_is_of_one_provider() -> None:
    client = Client(["claude", "codex"], on_limit="next")
    assert (client.provider, client.transport) == ("claude,codex", "claude-cli,codex-app-server")
    assert client.capabilities.resume
    assert not client.capabilities.archive
    for call in (client.models, client.limits, client.sessions, client.auth_status):
        with pytest.raises(UnsupportedOptionError, match=r"such as Client\('claude'\)"):
            call()
    with pytest.raises(UnsupportedOptionError, match="installation"):
        client.installation()
    with pytest.raises(UnsupportedOptionError, match="each of them has its own; give the budget"):
        client.run("Go.", budget=Budget(plan_percent=80))
    alone = Client("codex", on_limit="wait")
    assert alone.capabilities == load_provider("codex").transports["codex-app-server"]
    assert alone.installation() == Client("codex").installation()


async def test_each_has_its_own_keywords(fakes: dict[str, FakeProvider]) -> None:
    own = {"model": "m2", "env": {"B": "two"}, "provider_options": {"x": {"b": 2}}}
    fakes["one"].script = used_up(soon())
    async with AsyncClient(["one", ("two", own)], on_limit="next", env={"A": "all"}) as client:
        await client.run("Go.", env={"B": "call"})
    [(_, first)], [(_, second)] = fakes["one"].prompts, fakes["two"].prompts
    assert (first.model, first.env) == (None, {"A": "all", "B": "call"})
    assert (second.model, second.env) == ("m2", {"A": "all", "B": "two"})
    assert second.provider_options == {"x": {"b": 2}}


async def test_a_row_of_the_ledger_for_each(fakes: dict[str, FakeProvider], home: Path) -> None:
    ran = CommandEvent(item_id="c", command="ls", status="completed", timestamp=1.0)
    used = UsageEvent(usage=Usage(10, 0, 0, 5, 0, 15), timestamp=1.0)
    fakes["one"].script = used_up(soon(), [ran, used])
    fakes["two"].script = lambda prompt: [[session_event(), used, message("Done.", "c"), done()]]
    async with both("handover") as client:
        result = await client.run("Go.")
    assert (result.text, result.provider) == ("Done.", "two")
    assert result.usage is not None
    assert result.usage.total_tokens == 30
    assert result.fallbacks == (
        Fallback(provider="one", reason="No more.", resets_at=result.fallbacks[0].resets_at),
    )
    with closing(sqlite3.connect(home / "ledger.db")) as database:
        columns = "provider, reason, input, output, tool_calls"
        rows = list(database.execute(f"SELECT {columns} FROM turns ORDER BY rowid"))
    assert rows == [("one", "failed", 10, 5, 1), ("two", "completed", 10, 5, 0)]


async def test_a_limit_that_is_raised(fakes: dict[str, FakeProvider]) -> None:
    fakes["one"].script = lambda prompt: [[session_event()], UsageLimitError("Gone.")]
    async with both("next") as client:
        result = await client.run("Go.")
    assert (result.provider, result.fallbacks[0].reason) == ("two", "Gone.")


@pytest.mark.parametrize("resets_at", [None, LATER])
async def test_a_plan_that_does_not_say_when_it_resets(
    resets_at: float | None, fakes: dict[str, FakeProvider], home: Path
) -> None:
    """No window is as long as until then, so that says nothing either."""
    fakes["one"].script = used_up(resets_at)
    async with both("next") as client:
        await client.run("Go.")
        await client.run("Go.")
    assert len(fakes["one"].prompts) == 1
    [end] = json.loads((home / "used_up.json").read_text())["one"].values()
    assert end - time.time() == pytest.approx(300, abs=60)


async def test_raise_skips_as_well(fakes: dict[str, FakeProvider]) -> None:
    fakes["one"].script = used_up(soon())
    async with both("raise") as client:
        with pytest.raises(UsageLimitError, match=r"^No more\.$"):
            await client.run("Go.")
        result = await client.run("Go.")
    assert (result.provider, len(fakes["one"].prompts)) == ("two", 1)


async def test_the_next_cannot_begin(fakes: dict[str, FakeProvider]) -> None:
    fakes["one"].script = used_up(soon())
    fakes["two"].opening_fails = [AuthRequiredError("Sign in.")]
    async with both("next") as client:
        with pytest.raises(AuthRequiredError) as caught:
            await client.run("Go.")
    assert caught.value.__notes__ == ["it was to continue because of one: No more."]
    assert [session.closed for session in fakes["one"].sessions_opened] == [1]


async def test_what_was_handed_over_is_handed_over_again_after_a_rollback(
    fakes: dict[str, FakeProvider],
) -> None:
    async with both("handover") as client, client.session() as session:
        await session.run("First.")
        fakes["one"].script = used_up(soon())
        answers = iter([[[session_event()], TransportClosedError("gone")], answer("Second.")])
        fakes["two"].script = lambda prompt: next(answers)
        result = await session.run("Second?", retry=Retry(1, backoff=0, jitter=0))
    assert result.text == "Second."
    first, second = [prompt for prompt, _ in fakes["two"].prompts]
    assert "User: First.\n\nAgent: First." in first
    assert second == first


async def test_a_wait_is_interrupted(fakes: dict[str, FakeProvider], home: Path) -> None:
    note(home, one=soon())
    async with AsyncClient("one", on_limit="wait") as client, client.stream("Go.") as turn:
        following = asyncio.ensure_future(turn.result())
        await asyncio.sleep(0)
        await turn.interrupt()
        with pytest.raises(TurnInterruptedError):
            await following
    assert fakes["one"].prompts == []
    assert [session.closed for session in fakes["one"].sessions_opened] == [1]


async def test_a_wait_is_cancelled(
    fakes: dict[str, FakeProvider], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note(home, one=soon())
    napping = asyncio.Event()

    async def nap(seconds: float) -> None:
        napping.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(turn_module.asyncio, "sleep", nap)
    async with AsyncClient("one", on_limit="wait") as client:
        running = asyncio.ensure_future(client.run("Go."))
        await napping.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert [session.closed for session in fakes["one"].sessions_opened] == [1]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_silent_wait_is_no_idle_turn(
    fakes: dict[str, FakeProvider], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note(home, one=soon())
    naps: list[float] = []

    async def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            (home / "used_up.json").unlink()
            monkeypatch.setattr(turn_module.time, "time", lambda: LATER)

    monkeypatch.setattr(turn_module.asyncio, "sleep", nap)
    async with AsyncClient("one", on_limit="wait", idle_timeout=30) as client:
        result = await client.run("Go.")
    assert (naps, result.text) == ([15, 15, 15], "Go.")


async def test_a_conversation_is_found_where_it_is(
    fakes: dict[str, FakeProvider], monkeypatch: pytest.MonkeyPatch
) -> None:
    fakes["one"].opening_fails = [InvalidOptionError("there is no such session")]
    async with both("handover") as client:
        result = await client.run("Go.", resume="s7")
        assert result.provider == "two"
        assert [session.request.resume for session in fakes["two"].sessions_opened] == ["s7"]
        with pytest.raises(UnsupportedOptionError, match="sessions"):
            await client.run("Go.", resume="latest")


async def test_a_fork_knows_what_was_said(fakes: dict[str, FakeProvider]) -> None:
    async with both("handover") as client, client.session() as session:
        await session.run("First.")
        copy = await session.fork()
        fakes["one"].script = used_up(soon())
        await copy.run("Second?")
        await copy.aclose()
    [(prompt, _)] = fakes["two"].prompts
    assert "User: First.\n\nAgent: First." in prompt


async def test_the_file_is_private_and_forgets(home: Path) -> None:
    plans = UsedUp()
    await plans.note("one", {"old": 1.0, "limit": soon()})
    await plans.note("two", {"old": 1.0})
    assert set(json.loads((home / "used_up.json").read_text())) == {"one"}
    assert set(await plans.until()) == {"one"}
    assert modes_in(home) == [0o600] * 2
    await plans.note("three", {"limit": LATER * 1000})
    assert set(await plans.until()) == {"one"}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"one": 3}', b"\xff"])
async def test_a_damaged_file_is_replaced(
    content: bytes, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    break_file(home, content)
    plans = UsedUp()
    assert await plans.until() == {}
    await plans.note("one", {"limit": soon()})
    assert set(await UsedUp().until()) == {"one"}
    [record] = caplog.records
    assert "cannot be read and is taken as empty" in record.getMessage()


async def test_a_file_that_cannot_be_written_fails_no_turn(
    fakes: dict[str, FakeProvider], home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    break_folder(home)
    fakes["one"].script = used_up(soon())
    async with both("next", ledger=False) as client:
        assert (await client.run("Go.")).provider == "two"
        assert (await client.run("Go.")).provider == "two"
    assert len(fakes["one"].prompts) == 1
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_what_the_next_agent_reads() -> None:
    ran = CommandEvent(item_id="c", command="make", status="completed", output="x" * 9000)
    past = PastTurn(id=None, prompt="Hello?", text="Hi.", events=(), reason="completed")
    prompt = handover_prompt(
        prompt="Build it.",
        source="one",
        past=[past],
        done=[message("I build."), ran],
        cwd=Path("/work"),
        folder="M main.py",
    )
    assert "<conversation>\nUser: Hello?\n\nAgent: Hi.\n</conversation>" in prompt
    assert "It said: I build.\n\nIt ran, completed: make\n[…]xxx" in prompt
    assert "<folder>\n/work\nM main.py\n</folder>" in prompt
    assert prompt.endswith("beginning where one stopped:\n\nBuild it.")
    assert len(prompt) < 4000


async def test_entering_a_turn_sends_its_prompt(fakes: dict[str, FakeProvider]) -> None:
    fakes["one"].script = lambda prompt: [[session_event()]]
    async with both("next") as client, client.stream("Go.") as turn:
        assert [prompt for prompt, _ in fakes["one"].prompts] == ["Go."]
        assert (await anext(aiter(turn))).kind == "session"
        await turn.steer("Faster.")
    assert [(turn.steered, turn.closed) for turn in fakes["one"].turns] == [(["Faster."], 1)]


async def test_a_start_that_is_refused_for_the_plan(fakes: dict[str, FakeProvider]) -> None:
    class Refusing(FakeProvider):
        async def open_session(self, request: SessionRequest) -> FakeSession:
            session = await super().open_session(request)
            session.start_turn = self.refuse  # type: ignore[method-assign]
            return session

        async def refuse(self, *_: object) -> FakeTurn:
            raise UsageLimitError("Not even begun.", resets_at=soon())

    fakes["one"] = Refusing()
    async with both("next") as client:
        result = await client.run("Go.")
    assert (result.provider, result.fallbacks[0].reason) == ("two", "Not even begun.")


async def test_compacting_does_not_move(fakes: dict[str, FakeProvider], home: Path) -> None:
    async with both("handover") as client, client.session() as session:
        await session.run("First.")
        note(home, one=soon())
        with pytest.raises(UsageLimitError, match="the plan of one is used up, as an earlier"):
            await session.compact()
    assert fakes["two"].prompts == []
