"""Every option arrives where it should: in the model's request, or in what the agent runs."""

import base64
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import signedin
from signedin import Client, CommandEvent, InvalidOptionError
from signedin.loopback import ModelRequest, Shell, Text
from support.stage import Stage
from support.turns import checked, of_type

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
PIXEL_URL = f"data:image/png;base64,{base64.b64encode(PIXEL).decode()}"


def messages(request: ModelRequest, role: str) -> list[str]:
    """The texts of one role, Codex's own between angle brackets left out."""
    texts = []
    for item in parts(request.body["input"]):
        if item.get("type") == "message" and item["role"] == role:
            text = "".join(str(part.get("text", "")) for part in parts(item["content"]))
            if not text.startswith("<"):
                texts.append(text)
    return texts


def images(request: ModelRequest) -> list[object]:
    return [
        part["image_url"]
        for item in parts(request.body["input"])
        if item.get("type") == "message"
        for part in parts(item["content"])
        if part["type"] == "input_image"
    ]


def effort_of(request: ModelRequest) -> object:
    reasoning = request.body["reasoning"]
    return reasoning.get("effort") if isinstance(reasoning, Mapping) else None


def parts(value: object) -> list[Mapping[str, object]]:
    assert isinstance(value, list)
    return value


def output_of_command(client: Client, stage: Stage, command: str, **options: object) -> str:
    """What a command of the agent prints."""
    stage.play(Shell(command), "Done.")
    result = checked(client.run("go", **options))
    [*_, ended] = of_type(result.events, CommandEvent)
    assert isinstance(ended, CommandEvent)
    assert ended.exit_code == 0, ended
    return ended.output


@pytest.fixture
def only_request(client: Client, stage: Stage):
    """Runs a turn and returns the one request it makes."""

    def run(prompt: str = "go", **options: object) -> ModelRequest:
        stage.play("Done.")
        assert checked(client.run(prompt, **options)).text == "Done."
        [request] = stage.requests
        return request

    return run


def test_model(only_request) -> None:
    assert only_request(model="gpt-5.6-luna").model == "gpt-5.6-luna"
    assert only_request().model == "gpt-5.5"
    # The vendor's own choice is that of its configuration.
    assert only_request(model="default").model == "gpt-5.5"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "low"),
        ({"effort": "high"}, "high"),
        ({"provider_options": {"reasoning_effort": "medium"}}, "medium"),
        ({"provider_options": {"model_reasoning_effort": "high"}}, "high"),
        ({"effort": "high", "provider_options": {"reasoning_effort": "medium"}}, "high"),
    ],
)
def test_effort(only_request, options: dict[str, object], expected: str) -> None:
    assert effort_of(only_request(**options)) == expected


def test_effort_as_configuration(only_request, stage: Stage) -> None:
    configured = stage.config(model_reasoning_effort="xhigh")
    assert effort_of(only_request(provider_options=configured)) == "xhigh"
    assert effort_of(only_request(provider_options=configured, effort="high")) == "high"


def test_the_vendors_default_effort(client: Client, stage: Stage, only_request) -> None:
    """gpt-5.5 comes with "medium"; what the user has set goes before that and before ours."""
    assert effort_of(only_request(effort="default")) == "medium"
    config = stage.home / "config.toml"
    config.write_text('model_reasoning_effort = "high"\n')
    try:
        with stage.client() as fresh:
            fresh.run("go", effort="default")
            fresh.run("go")
    finally:
        config.unlink()
    assert [effort_of(request) for request in stage.requests[1:]] == ["high", "high"]


def test_instructions_are_added(only_request) -> None:
    request = only_request(instructions="Answer in rhymes.\nAlways.")
    assert "Answer in rhymes.\nAlways." in "\n".join(messages(request, "developer"))
    assert len(messages(request, "developer")[0]) > 1000, "the agent's own are gone"
    assert messages(request, "user") == ["go"]


def test_base_instructions_replace_the_agents_own(client: Client, stage: Stage) -> None:
    stage.play("Done.")
    client.run("go", provider_options={"base_instructions": "You are a test."})
    assert "You are a test." in messages(stage.requests[0], "developer")
    assert not any("You are Codex" in text for text in messages(stage.requests[0], "developer"))


def test_configuration_reaches_codex(only_request, stage: Stage) -> None:
    request = only_request(provider_options=stage.config(model_verbosity="high"))
    text = request.body["text"]
    assert isinstance(text, dict)
    assert text["verbosity"] == "high"


def test_images_by_path_url_and_bytes(client: Client, stage: Stage, tmp_path: Path) -> None:
    file = tmp_path / "pixel.png"
    file.write_bytes(PIXEL)
    stage.play("Done.")
    checked(client.run("What is this?", images=[file, str(file), PIXEL_URL, PIXEL]))
    [request] = stage.requests
    assert images(request) == [PIXEL_URL] * 4
    assert request.prompt == "What is this?"


def test_an_image_that_codex_would_have_to_fetch(client: Client, stage: Stage) -> None:
    stage.play("Done.")
    with client.session() as session:
        with pytest.raises(InvalidOptionError, match="codex refused: remote image URLs"):
            session.run("What is this?", images=["https://127.0.0.1:9/pixel.png"])
        assert stage.requests == ()
        assert session.run("And without?").text == "Done."


def test_an_image_that_is_not_there(client: Client, stage: Stage, tmp_path: Path) -> None:
    stage.play("Done.")
    with pytest.raises(InvalidOptionError, match=r"image .*nope\.png' does not exist"):
        client.run("go", images=[tmp_path / "nope.png"])
    assert stage.requests == ()
    assert client.run("go").text == "Done."


def test_cwd(client: Client, stage: Stage, tmp_path: Path) -> None:
    assert output_of_command(client, stage, "pwd", cwd=tmp_path) == f"{tmp_path}\n"
    assert output_of_command(client, stage, "pwd", cwd=str(tmp_path)) == f"{tmp_path}\n"
    assert output_of_command(client, stage, "pwd") == f"{Path.cwd()}\n"


def test_a_relative_cwd_is_resolved_once(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("first", "second"):
        (tmp_path / name / "folder").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "first")
    with stage.client(cwd="folder") as client, client.session() as session:
        stage.play(Shell("pwd"), "Done.")
        assert session.run("go").cwd == str(tmp_path / "first" / "folder")
        monkeypatch.chdir(tmp_path / "second")
        result = session.run("go")
        assert result.cwd == str(tmp_path / "first" / "folder")
        assert of_type(result.events, CommandEvent)[-1].output == f"{tmp_path}/first/folder\n"
        assert output_of_command(client, stage, "pwd", cwd="folder") == (
            f"{tmp_path}/second/folder\n"
        )


def test_cwd_may_change_from_turn_to_turn(client: Client, stage: Stage, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    stage.play(Shell("pwd"), "Done.")
    with client.session(cwd=tmp_path) as session:
        results = [session.run("one"), session.run("two", cwd=other), session.run("three")]
    assert [of_type(r.events, CommandEvent)[-1].output for r in results] == [
        f"{tmp_path}\n",
        f"{other}\n",
        f"{tmp_path}\n",
    ]


def test_a_cwd_that_is_not_there(client: Client, tmp_path: Path) -> None:
    with pytest.raises(InvalidOptionError, match="does not exist"):
        client.run("go", cwd=tmp_path / "nope")


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Variables of this process, among them other vendors' keys."""
    for name in ("ANTHROPIC_API_KEY", "GEMINI_API_KEY", "XAI_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "planted-by-a-test")
    monkeypatch.setenv("SIGNEDIN_TEST_KEPT", "kept")
    monkeypatch.setenv("SIGNEDIN_TEST_REMOVED", "not removed")
    monkeypatch.setenv("SIGNEDIN_TEST_CHANGED", "not changed")
    yield


@pytest.mark.usefixtures("planted")
def test_env_reaches_the_agents_commands(stage: Stage) -> None:
    with stage.client(env={"SIGNEDIN_TEST_OF_CLIENT": "client"}) as client:
        env = output_of_command(
            client,
            stage,
            "env",
            env={
                "SIGNEDIN_TEST_REMOVED": None,
                "SIGNEDIN_TEST_CHANGED": "changed",
                "SIGNEDIN_TEST_ADDED": "a b=c\nd",
            },
        )
    lines = env.splitlines()
    assert "SIGNEDIN_TEST_KEPT=kept" in lines
    assert "SIGNEDIN_TEST_CHANGED=changed" in lines
    assert "SIGNEDIN_TEST_OF_CLIENT=client" in lines
    assert "SIGNEDIN_TEST_ADDED=a b=c\nd\n" in env
    assert "SIGNEDIN_TEST_REMOVED" not in env
    assert "SIGNEDIN_TEST_ADDED" not in os.environ
    assert os.environ["SIGNEDIN_TEST_CHANGED"] == "not changed"


@pytest.mark.usefixtures("planted")
def test_other_vendors_keys_do_not_reach_the_agent(stage: Stage) -> None:
    with stage.client() as client:
        names = names_in(output_of_command(client, stage, "env"))
        assert not names & {"ANTHROPIC_API_KEY", "GEMINI_API_KEY", "XAI_API_KEY"}
        assert "OPENAI_API_KEY" in names
        # On purpose it works.
        chosen = {"ANTHROPIC_API_KEY": "on-purpose"}
        assert "ANTHROPIC_API_KEY=on-purpose\n" in output_of_command(
            client, stage, "env", env=chosen
        )
    with stage.client(env_policy="inherit") as client:
        assert names_in(output_of_command(client, stage, "env")) >= {
            "ANTHROPIC_API_KEY",
            "GEMINI_API_KEY",
            "XAI_API_KEY",
            "OPENAI_API_KEY",
        }


def test_what_is_fixed_when_a_session_begins(client: Client, stage: Stage) -> None:
    stage.play("Done.")
    with client.session(instructions="Be brief.") as session:
        session.run("one")
        with pytest.raises(InvalidOptionError, match="'env' is fixed when a session begins"):
            session.run("two", env={"X": "1"})
        with pytest.raises(InvalidOptionError, match="'instructions' is fixed"):
            session.run("two", instructions="Be long.")
        session.run("two")
    assert len(stage.requests) == 2


def test_options_of_client_session_and_turn(stage: Stage) -> None:
    """The nearer one counts."""
    stage.play("Done.")
    with stage.client(model="gpt-5.6-luna", effort="high") as client:
        client.run("one")
        client.run("two", effort="medium")
        with client.session(model="gpt-5.6-terra") as session:
            session.run("three")
            session.run("four", model="gpt-5.5", effort="low")
            session.run("five")
    # Codex summarises a conversation before a model of another family goes on with it.
    ours = [r for r in stage.requests if r.prompt in ("one", "two", "three", "four", "five")]
    assert [(r.prompt, r.model, effort_of(r)) for r in ours] == [
        ("one", "gpt-5.6-luna", "high"),
        ("two", "gpt-5.6-luna", "medium"),
        ("three", "gpt-5.6-terra", "high"),
        ("four", "gpt-5.5", "low"),
        ("five", "gpt-5.6-terra", "high"),
    ]


def test_unknown_options_are_named(client: Client) -> None:
    with pytest.raises(InvalidOptionError, match="unknown option 'efort'; known options: "):
        client.run("go", efort="low")
    with pytest.raises(InvalidOptionError, match="codex has no provider option 'efort'"):
        client.run("go", provider_options={"efort": "low"})


@pytest.mark.parametrize(
    "prompt",
    [
        "--help",
        "-",
        "resume",
        "exec",
        "/compact",
        "@README.md",
        "$skill",
        "!ls",
        " spaces around ",
        "two\nlines\n",
        "\u00fcml\u00e4ut \U0001f600 \u2028 \u0000 \x1b[31m",
        '{"json": [1, 2]}',
        "'; rm -rf $HOME #",
    ],
)
def test_a_prompt_is_a_prompt(client: Client, stage: Stage, prompt: str) -> None:
    stage.play(Text.echo())
    result = checked(client.run(prompt))
    assert [request.prompt for request in stage.requests] == [prompt]
    assert result.text == prompt


def test_half_a_surrogate_pair_in_a_prompt(client: Client, stage: Stage) -> None:
    stage.play("Done.")
    assert checked(client.run("a\ud83db")).text == "Done."
    assert stage.requests[0].prompt in ("a\ufffdb", "a?b")


def test_five_megabytes_are_a_prompt(client: Client, stage: Stage) -> None:
    prompt = "".join(f"line {number:09d}\n" for number in range(5 * 2**20 // 15))
    assert len(prompt) > 5_000_000
    stage.play("Done.")
    assert checked(client.run(prompt)).text == "Done."
    # It arrives in two messages, since one may not be that long. Newer versions have the first
    # summarised before they go on, because it is more than the model can take at once.
    shown = [text for request in stage.requests for text in messages(request, "user")]
    head = next(text for text in shown if text.startswith("line 000000000\n"))
    tail = stage.requests[-1].prompt
    assert head + tail == prompt


def test_originator_and_user_agent_are_honest(client: Client, stage: Stage) -> None:
    stage.play("Done.")
    client.run("go")
    [request] = stage.requests
    assert request.headers["originator"] == "signedin"
    assert request.headers["user-agent"].startswith("signedin/")
    assert signedin.__version__ in request.headers["user-agent"]


def names_in(env: str) -> set[str]:
    return {line.partition("=")[0] for line in env.splitlines()}
