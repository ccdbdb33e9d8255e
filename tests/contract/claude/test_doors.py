"""What is asked for at one door of a conversation holds at the others too."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from signedin import (
    Client,
    InvalidOptionError,
    Session,
    TurnFailedError,
    UnsupportedOptionError,
    tool,
)
from signedin.loopback import HttpError, ModelRequest, Text
from support.stage import Stage

Said = Callable[[ModelRequest], Sequence[str]]
DOORS = ("resume", "fork")


@pytest.fixture
def begun(client: Client, stage: Stage, work: Path) -> str:
    """A stored conversation."""
    stage.play(Text.echo())
    with client.session(cwd=work, instructions="Say ORIGINAL.") as session:
        session.run("one")
        assert session.id is not None
        return session.id


def doors(live: str) -> pytest.MarkDecorator:
    """Both doors to go on at; `make test` has one of them for each test."""
    return pytest.mark.parametrize(
        "go_on",
        [pytest.param(door, marks=() if door == live else pytest.mark.matrix) for door in DOORS],
        indirect=True,
    )


@pytest.fixture
def go_on(
    request: pytest.FixtureRequest, client: Client, begun: str, work: Path
) -> Callable[..., Session]:
    """Goes on with the conversation, or in a copy of it."""

    def open_session(**options: object) -> Session:
        return client.session(resume=begun, fork=request.param == "fork", cwd=work, **options)  # type: ignore[arg-type]

    return open_session


def system(stage: Stage) -> str:
    return json.dumps(stage.requests[-1].body["system"])


def asked(stage: Stage) -> tuple[str, object]:
    body = stage.requests[-1].body
    return str(body["model"]), body.get("output_config")


@tool
def half(number: int) -> int:
    """Halves."""
    return number // 2


@doors(live="resume")
def test_instructions_and_tools_count(go_on: Callable[..., Session], stage: Stage) -> None:
    with go_on(instructions="Say ZEBRA.", tools=[half]) as session:
        for prompt in ("two", "three"):
            session.run(prompt)
            assert "ZEBRA" in system(stage)
            assert "ORIGINAL" not in system(stage)
            assert "mcp__signedin__half" in stage.requests[-1].tools


@doors(live="fork")
def test_the_prompt_and_the_own_tools_are_replaced(
    go_on: Callable[..., Session], stage: Stage
) -> None:
    given = {"system_prompt": "GIRAFFE", "tools": ["Read"]}
    with go_on(provider_options=given) as session:
        session.run("two")
        assert "GIRAFFE" in system(stage)
        assert "Bash" not in stage.requests[-1].tools
        session.run("three", provider_options={"tools": ["Bash"], "system_prompt": "LION"})
        assert "LION" in system(stage)
        assert "GIRAFFE" not in system(stage)
        assert "Bash" in stage.requests[-1].tools
        assert "Read" not in stage.requests[-1].tools


@doors(live="resume")
def test_model_and_effort_go_back_to_the_choice_of_claude(
    go_on: Callable[..., Session], stage: Stage
) -> None:
    with go_on(model="default", effort="default") as session:
        session.run("two", model="default", effort="default")
        chosen = asked(stage)
        session.run("three", model="sonnet", effort="max")
        assert "sonnet" in asked(stage)[0]
        assert asked(stage)[1] == {"effort": "max"}
        session.run("four")
        assert asked(stage) == chosen


@doors(live="fork")
def test_an_effort_that_claude_does_not_know_is_refused(
    go_on: Callable[..., Session], client: Client, stage: Stage
) -> None:
    refusal = "claude does not know the effort 'minimal'; known: low, medium, high, xhigh, max"
    with pytest.raises(InvalidOptionError, match=refusal):
        client.run("go", effort="minimal")
    with go_on(effort="minimal") as session, pytest.raises(InvalidOptionError, match=refusal):
        session.run("two")
    with go_on() as session:
        session.run("two")
        with pytest.raises(InvalidOptionError, match=refusal):
            session.run("three", effort="minimal")
        assert session.run("four").text == "four"
        assert asked(stage)[1] == {"effort": "low"}


@doors(live="resume")
def test_what_is_ephemeral_is_not_added_to_what_is_stored(
    go_on: Callable[..., Session], client: Client, stage: Stage, begun: str, said: Said
) -> None:
    with go_on(ephemeral=True) as session:
        session.run("two")
        assert said(stage.requests[-1]) == ["one", "one", "two"]
    with client.session(resume=begun) as session:
        assert [turn.prompt for turn in session.history()] == ["one"]


@pytest.mark.parametrize("kept", [True, False], ids=["later turn", "first turn"])
async def test_a_failed_turn_is_taken_out(
    stage: Stage, transport: str, binary: Path, tmp_path: Path, said: Said, *, kept: bool
) -> None:
    async with stage.async_client(transport, binary=binary, cwd=tmp_path) as client:
        async with client.session() as session:
            stage.play(Text.echo())
            if kept:
                await session.run("one")
            stage.play(HttpError(400, "bad thing"))
            with pytest.raises(TurnFailedError, match="bad thing"):
                await session.run("failed")
            await session.roll_back()
            stage.play(Text.echo())
            before = ["one", "one"] if kept else []
            for prompt in ("two", "three"):
                await session.run(prompt)
                assert said(stage.requests[-1]) == [*before, prompt]
                before += [prompt, prompt]
        await client.run("four", resume=session.id)
        assert said(stage.requests[-1]) == [*before, "four"]
        async with client.session(resume=session.id) as session:
            prompts = [turn.prompt for turn in await session.history()]
        assert prompts == [*(["one"] if kept else []), "two", "three", "four"]


@doors(live="fork")
def test_a_summary_takes_model_and_effort_but_no_images(
    go_on: Callable[..., Session], stage: Stage
) -> None:
    with go_on() as session:
        assert [turn.prompt for turn in session.history()] == ["one"]
        with pytest.raises(UnsupportedOptionError, match="images"):
            session.compact(images=["https://example.org/a.png"]).result()
        session.run("two")  # 2.1.197 wants more than one turn for a summary
        session.compact(model="sonnet", effort="high").result()
        assert "sonnet" in asked(stage)[0]
        assert asked(stage)[1] == {"effort": "high"}
