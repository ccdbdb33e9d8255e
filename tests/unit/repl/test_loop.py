"""The conversation goes on, whatever the agent does and whatever is entered meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from math import inf
from pathlib import Path
from typing import Self

import msgspec
import pytest
from rich.console import Console, RenderableType

from signedin import (
    ErrorKind,
    Event,
    RateLimits,
    RateLimitWindow,
    SignedinError,
    TurnFailedError,
)
from signedin.cli.interactive.loop import Loop
from signedin.cli.interactive.state import Chat, Settings
from signedin.cli.output import Presenter, TurnEnd
from signedin.cli.render import View
from signedin.model.capabilities import Capabilities
from signedin.providers.base import ProviderSpec
from support.events import message, session_event
from support.fakes import FakeProvider, FakeTurn, answer, spec_of

Step = str | Callable[[], Awaitable[object]]


class FakeScreen:
    """A screen whose user enters lines one after the other, and waits for something in between."""

    reads_ahead = True

    def __init__(self, *steps: Step) -> None:
        self.steps = list(steps)
        self.shown = ""
        self.shell: Loop | None = None
        self.refreshed = asyncio.Event()

    @asynccontextmanager
    async def opened(self, delegate: Loop):
        self.shell = delegate
        yield

    async def read(self) -> str | None:
        while self.steps:
            step = self.steps.pop(0)
            if isinstance(step, str):
                return step
            await step()
        return None

    def show(self, *renderables: RenderableType) -> None:
        console = Console(width=100, force_terminal=False)
        with console.capture() as capture:
            for renderable in renderables:
                console.print(renderable, soft_wrap=True)
        self.shown += capture.get()

    def refresh(self) -> None:
        self.refreshed.set()

    def presenter(self, view: View) -> Presenter:
        return FakePresenter(self, view)

    async def idle(self) -> None:
        """Waits until the agent has nothing to do."""
        while self.shell.is_working:
            self.refreshed.clear()
            await self.refreshed.wait()

    async def interrupt(self) -> None:
        self.shell.interrupted()


class FakePresenter(Presenter):
    def __init__(self, screen: FakeScreen, view: View) -> None:
        self.screen = screen
        self.view = view

    async def __aenter__(self) -> Self:
        return self

    def show(self, events: Sequence[Event]) -> None:
        for event in events:
            self.screen.show(*self.view.feed(event))

    def finish(self, end: TurnEnd) -> None:
        self.screen.show(*self.view.end(end.result))


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeProvider:
    """Answers for every provider; and there is no git, which would be a process."""
    fake = FakeProvider()
    monkeypatch.setattr("signedin.client.async_client.load_provider", lambda name: spec_of(fake))
    monkeypatch.setattr(
        "signedin.cli.interactive.settings.load_provider", lambda name: spec_of(fake)
    )
    monkeypatch.setenv("PATH", "")
    monkeypatch.chdir(tmp_path)
    return fake


async def hold(screen: FakeScreen, transport: str | None = None) -> int:
    """Holds a conversation until the user has entered all, with a limit for the test."""
    async with asyncio.timeout(60):
        return await Loop(Chat(Settings(provider="fake", transport=transport)), screen).run()


def busy(prompt: str):
    """What a turn gives that goes on until it is stopped."""
    return [[session_event(), message("Half.")]] if prompt == "work" else answer("Done.")


async def test_an_agent_that_does_not_heed_is_stopped(provider: FakeProvider):
    async def refuse(self: FakeTurn) -> None:
        raise SignedinError("not now")

    async def working() -> None:
        await provider.turn_started.wait()
        turn = provider.turns[0]
        turn.interrupt = refuse.__get__(turn)
        await turn.waiting.wait()

    provider.script = busy
    screen = FakeScreen("work", working)
    screen.steps += [screen.interrupt, screen.idle, "and now?", screen.idle]
    assert await hold(screen) == 0
    assert provider.turns[0].closed
    assert [prompt for prompt, _ in provider.prompts] == ["work", "and now?"]
    assert "Stopping. Ctrl-C again leaves.\n" in screen.shown
    assert "Interrupted.\n" in screen.shown
    assert "fake>\nDone.\n" in screen.shown


async def test_what_waits_is_not_said_after_an_interrupt(provider: FakeProvider):
    async def working() -> None:
        await provider.turn_started.wait()
        await provider.turns[0].waiting.wait()

    provider.script = busy
    screen = FakeScreen("work", working, "later", "and later")
    screen.steps += [screen.interrupt, screen.idle]
    assert await hold(screen, "mute-wire") == 0
    assert "Not sent: later\nNot sent: and later\n" in screen.shown
    assert [prompt for prompt, _ in provider.prompts] == ["work"]


async def test_what_waits_since_a_stop_can_be_stopped(provider: FakeProvider):
    heeded = asyncio.Event()

    async def heed(self: FakeTurn) -> None:
        await heeded.wait()
        await FakeTurn.interrupt(self)

    async def working() -> None:
        await provider.turn_started.wait()
        provider.turn_started.clear()
        turn = provider.turns[-1]
        turn.interrupt = heed.__get__(turn)
        await turn.waiting.wait()

    async def heed_now() -> None:
        heeded.set()

    provider.script = busy
    screen = FakeScreen("work", working)
    screen.steps += [screen.interrupt, "work", heed_now, working, screen.interrupt, screen.idle]
    assert await hold(screen, "mute-wire") == 0
    assert [prompt for prompt, _ in provider.prompts] == ["work", "work"]
    assert screen.shown.count("Interrupted.\n") == 2


async def test_leaving_says_nothing_that_waits(provider: FakeProvider):
    async def working() -> None:
        await provider.turn_started.wait()
        turn = provider.turns[0]
        turn.interrupt = turn.waiting.wait  # never ends the turn
        await turn.waiting.wait()

    provider.script = busy
    screen = FakeScreen("work", working)
    screen.steps += [screen.interrupt, "later"]
    assert await hold(screen, "mute-wire") == 0
    assert [prompt for prompt, _ in provider.prompts] == ["work"]


async def test_what_waits_is_said_together(provider: FakeProvider):
    async def working() -> None:
        await provider.turn_started.wait()
        await provider.turns[0].waiting.wait()

    async def end() -> None:
        await provider.turns[0].interrupt()

    provider.script = busy
    screen = FakeScreen("work", working, "later", "and later", end)
    screen.steps += [screen.idle]
    assert await hold(screen, "mute-wire") == 0
    assert [prompt for prompt, _ in provider.prompts] == ["work", "later\n\nand later"]


async def test_a_second_ctrl_c_leaves(provider: FakeProvider):
    screen = FakeScreen()
    screen.steps += [screen.interrupt, "/help", screen.interrupt, screen.interrupt, "never"]
    assert await hold(screen) == 130
    assert screen.shown.count("Ctrl-C again leaves, and so does Ctrl-D.") == 2
    assert provider.prompts == []


async def test_a_key_lets_the_agent_write(provider: FakeProvider):
    seen: list[str] = []

    async def switch() -> None:
        screen.shell.switch_permissions()
        seen.append(screen.shell.facts[0])

    screen = FakeScreen(switch, "work")
    screen.steps += [screen.idle, switch, "/permissions full-access", switch]
    assert await hold(screen) == 0
    assert seen == ["workspace-write", "read-only", "read-only"]
    assert [options.permissions for _, options in provider.prompts] == ["workspace-write"]
    assert screen.shell.chat.settings.permissions == "read-only"


async def test_rules_and_keys_agree(provider: FakeProvider, tmp_path: Path):
    """A key gives no permission with which the agent would act without asking about the rules."""
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rules]]\nanswer = "deny"\nwrite = ["*"]\n')

    async def switch() -> None:
        screen.shell.switch_permissions()

    screen = FakeScreen(f"/policy {rules}", switch, "/permissions")
    assert await hold(screen) == 0
    assert 'so deny(write="*") could not answer' in screen.shown
    assert screen.shown.endswith("read-only: look, and ask for everything else\n")


async def test_a_budget_waits_for_the_turn(provider: FakeProvider):
    async def working() -> None:
        await provider.turn_started.wait()
        await provider.turns[0].waiting.wait()

    provider.script = busy
    screen = FakeScreen("/budget seconds 60", "work", working, "/budget tokens 5", "/budget")
    screen.steps += ["/policy rules.toml"]
    screen.steps += [screen.interrupt, screen.idle, "/budget clear", "hi", screen.idle]
    assert await hold(screen) == 0
    for what in ("budget", "policy"):
        assert f"error: a {what} has to wait: Ctrl-C stops the agent\n" in screen.shown
    assert screen.shown.count(" seconds used; the limit is 60.00 seconds\n") == 2
    assert [len(options.budget) for _, options in provider.prompts] == [1, 0]


async def test_another_provider_has_another_plan(provider: FakeProvider):
    plans = iter([50, 10])

    async def limits(options: object) -> RateLimits:
        return RateLimits({"weekly": RateLimitWindow(next(plans))})

    provider.limits = limits
    provider.script = lambda prompt: answer("Done.")
    screen = FakeScreen("/budget plan_percent 40", "one")
    screen.steps += [screen.idle, "/budget", "/provider other", "/budget"]
    screen.steps += ["two", screen.idle, "/budget"]
    assert await hold(screen) == 0
    limit = "% of the plan used; the limit is 40 % of the plan"
    shown = [line for line in screen.shown.splitlines() if line.endswith(limit)]
    assert shown == [f"{used} {limit}" for used in (0, 50, 0, 10)]
    assert [prompt.endswith("two") for prompt, _ in provider.prompts] == [True]


async def test_another_agent_is_told_until_it_has_heard(provider: FakeProvider):
    failures = iter([TurnFailedError("try again", ErrorKind.NETWORK)])

    def script(prompt: str):
        failure = next(failures, None) if prompt.endswith("second") else None
        return [[session_event()], failure] if failure else answer("Done.")

    provider.script = script
    screen = FakeScreen()
    for line in ("first", "/provider other", "second", "second", "third"):
        screen.steps += [line, screen.idle]
    assert await hold(screen) == 0
    prompts = [prompt for prompt, _ in provider.prompts]
    carried = "User: first\n\nAgent: Done."
    assert [carried in prompt for prompt in prompts] == [False, True, True, False]
    assert "error: try again\n" in screen.shown


async def test_a_folder_that_goes_away_is_no_end(provider: FakeProvider, tmp_path: Path):
    folder = tmp_path / "work"
    folder.mkdir()

    async def remove() -> None:
        folder.rmdir()
        assert str(folder) in screen.shell.facts

    screen = FakeScreen(f"/cwd {folder}", remove, "first")
    screen.steps += [screen.idle, "/cwd clear", "second", screen.idle]
    assert await hold(screen) == 0
    assert f"error: cwd '{folder}' does not exist (resolved to {folder})\n" in screen.shown
    assert [prompt for prompt, _ in provider.prompts] == ["second"]


async def test_what_nobody_expects_ends_the_program(provider: FakeProvider):
    provider.script = lambda prompt: [[session_event()], ValueError("a bug")]
    screen = FakeScreen("work")
    screen.steps += [screen.idle]
    with pytest.raises(ValueError, match="a bug"):
        await hold(screen)
    assert provider.closed


async def test_what_is_left_of_the_plan(provider: FakeProvider):
    async def limits(options: object) -> RateLimits:
        return RateLimits({"primary": RateLimitWindow(33.4)}, plan="pro", credits="12")

    provider.limits = limits
    screen = FakeScreen("/limits")
    assert await hold(screen) == 0
    rows = [line.split() for line in screen.shown.splitlines()[1:]]
    assert rows == [["plan", "pro"], ["primary", "33", "%", "used"], ["credits", "12"]]


async def test_a_limit_whose_end_is_not_a_time(provider: FakeProvider):
    async def limits(options: object) -> RateLimits:
        return RateLimits({"primary": RateLimitWindow(5.0, resets_at=inf)})

    provider.limits = limits
    screen = FakeScreen("/limits")
    assert await hold(screen) == 0
    rows = [line.split(maxsplit=1) for line in screen.shown.splitlines()[1:]]
    assert rows == [["primary", "5 % used, resets at an unknown time"]]


async def test_another_provider_is_not_given_what_it_cannot_honour(provider: FakeProvider):
    spec = spec_of(provider)
    mute = msgspec.structs.replace(spec, transports={"mute-wire": Capabilities()})

    def load(name: str) -> ProviderSpec:
        return mute if name == "mute" else spec

    screen = FakeScreen("/permissions workspace-write", "/model m", "/provider mute", "hi")
    screen.steps += [screen.idle, "/permissions full-access", "/effort high"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("signedin.client.async_client.load_provider", load)
        patch.setattr("signedin.cli.interactive.settings.load_provider", load)
        assert await hold(screen) == 0
    assert "Not set for mute: model, permissions\n" in screen.shown
    assert [prompt for prompt, _ in provider.prompts] == ["hi"]
    for name in ("permissions", "effort"):
        refused = f"error: fake does not support '{name}': not through this transport\n"
        assert refused in screen.shown


async def test_status_knows_the_model_that_answers(provider: FakeProvider):
    screen = FakeScreen("hi")
    screen.steps += [screen.idle, "/status"]
    assert await hold(screen) == 0
    assert ["model", "fake-1"] in [line.split() for line in screen.shown.splitlines()]


async def test_paths_are_completed(provider: FakeProvider, tmp_path: Path):
    (tmp_path / "src/inner").mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    (tmp_path / "sum.html").touch()
    offered: dict[str, list[str]] = {}

    async def complete() -> None:
        for line in ("/cwd ", "/cwd s", "/cwd src/", "/cwd .g", "/cwd no/", "/transcript s"):
            offered[line] = [word for word, _ in await screen.shell.choices(line)]

    screen = FakeScreen(complete)
    assert await hold(screen) == 0
    assert offered == {
        "/cwd ": ["src/", "clear"],
        "/cwd s": ["src/", "clear"],
        "/cwd src/": ["src/inner/", "clear"],
        "/cwd .g": [".git/", "clear"],
        "/cwd no/": [],
        "/transcript s": ["src/", "sum.html"],
    }
