"""``llm`` with the real agents behind it."""

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import llm
import pytest

from signedin.integrations.llm import AsyncSignedInModel, SignedInModel
from signedin.loopback import (
    Hang,
    Hold,
    LoopbackModel,
    Reply,
    Rule,
    Script,
    Text,
    ToolCall,
    Usage,
    UsageLimit,
    shell,
)
from support.llm_program import LLM, SECONDS
from support.processes import Watch, processes_with

PROVIDERS = ["codex", "claude", "gemini", "acp:opencode"]
COMMENTARY = Text("Let me see.", phase="commentary")
MULTIPLY = 'def multiply(a: int, b: int) -> int:\n    "Multiplies."\n    return a * b'
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415478"
    "9c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)
Start = Callable[..., LLM]


def answers(**by_words: object) -> Script:
    """A script with an answer for each prompt that contains a word."""
    rules = [Rule([answer], contains=word) for word, answer in by_words.items()]
    return Script("What?", rules)


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Start]:
    """Starts a model for the program."""
    models: list[LoopbackModel] = []

    def start(script: object, provider: str = "codex") -> LLM:
        model = LoopbackModel(script).start()
        models.append(model)
        return LLM(model, provider, tmp_path)

    yield start
    for model in models:
        model.close()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_conversation_is_a_session(program: Start, provider: str) -> None:
    asked = program(answers(Say="Hello", Who="Still here"), provider)
    assert asked.answer("-m", asked.name, "Say hello") == "Hello\n"
    assert asked.answer("-c", "Who is there?") == "Still here\n"
    first, second = asked.logs()
    assert first["conversation_id"] == second["conversation_id"]
    assert first["response_json"]["session"] == second["response_json"]["session"]
    request = asked.model.requests[-1]
    assert request.prompt.endswith("Who is there?")
    assert "Say hello" in str(request.body)


def test_another_conversation_is_another_session(program: Start) -> None:
    asked = program(answers(Say="Hello", Begin="Another one"))
    asked.answer("-m", asked.name, "Say hello")
    asked.answer("-m", asked.name, "Begin")
    assert "Say hello" not in str(asked.model.requests[1].body)
    assert len({each["response_json"]["session"] for each in asked.logs()}) == 2


def test_what_is_logged(program: Start) -> None:
    asked = program(
        [
            Reply([COMMENTARY, shell("echo seen; exit 3")], usage=Usage(100, 60, 0, 20, 8)),
            Reply("Done.", usage=Usage(10, 0, 0, 5, 1)),
        ]
    )
    said = asked.answer("-m", asked.name, "Look", "-o", "permissions", "workspace-write")
    assert said == "Let me see.\n\nDone.\n"
    [logged] = asked.logs()
    assert logged["response"] == "Let me see.\n\nDone."
    assert (logged["prompt"], logged["model"]) == ("Look", "signedin/codex")
    assert logged["resolved_model"] == "gpt-5.5"
    assert logged["options_json"] == {"permissions": "workspace-write"}
    assert (logged["input_tokens"], logged["output_tokens"]) == (110, 25)
    assert logged["token_details"] == '{"cached_input_tokens": 60, "reasoning_tokens": 9}'
    [call], [result] = logged["tool_calls"], logged["tool_results"]
    ran = {"command": "/bin/bash -c 'echo seen; exit 3'"}
    assert (call["name"], call["arguments"]) == ("command", ran)
    assert (result["name"], result["output"]) == ("command", "seen\n\n[exit code 3]")
    assert call["server_executed"]


def test_the_answer_alone_if_it_is_not_streamed(program: Start) -> None:
    asked = program([[COMMENTARY, shell("true")], "Done."])
    assert asked.answer("-m", asked.name, "--no-stream", "Look") == "Done.\n"
    assert asked.logs()[0]["response"] == "Done."


def test_text_comes_while_it_is_written(program: Start) -> None:
    asked = program([Text(["It ", Hold("middle"), "works."])])
    with asked.start("-m", asked.name, "Hi") as process:
        assert process.stdout is not None
        assert process.stdout.read(3) == "It "
        asked.model.release("middle")
        out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, out, err) == (0, "works.\n", "")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_answer_fits_the_schema(program: Start, provider: str) -> None:
    script = answers(Invent='{"name": 3}', corrected='```json\n{"name": "Cleo"}\n```')
    asked = program(script, provider)
    said = asked.answer("-m", asked.name, "--schema", "name str", "Invent a dog")
    assert said == '{"name":"Cleo"}\n'  # the first answer was sent back
    assert asked.logs()[0]["schema_json"]["properties"] == {"name": {"type": "string"}}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_tools_are_called_by_llm(program: Start, provider: str) -> None:
    asked = program([ToolCall("multiply", {"a": 6, "b": 7}), "It is 42."], provider)
    arguments = ("--functions", MULTIPLY, "--td", "-m", asked.name, "Six times seven?")
    code, out, err = asked.run(*arguments)
    assert (code, out) == (0, "It is 42.\n")
    assert err == "\nTool call: multiply({'a': 6, 'b': 7})\n  42\n\n"
    [logged] = asked.logs()
    assert [(call["arguments"], call["server_executed"]) for call in logged["tool_calls"]] == [
        ({"a": 6, "b": 7}, True)
    ]
    [output] = asked.model.requests[-1].tool_outputs
    assert "42" in output.text


def test_a_tool_that_fails_is_reported_to_the_agent(program: Start) -> None:
    asked = program([ToolCall("multiply", {"a": 6}), "I cannot."])
    assert asked.answer("--functions", MULTIPLY, "-m", asked.name, "Go") == "I cannot.\n"
    [output] = asked.model.requests[-1].tool_outputs
    assert "missing 1 required positional argument: 'b'" in output.text


@pytest.mark.parametrize("provider", PROVIDERS)
def test_images_are_shown(program: Start, provider: str, tmp_path: Path) -> None:
    (tmp_path / "dot.png").write_bytes(PNG)
    asked = program(["A dot."], provider)
    attached = str(tmp_path / "dot.png")
    assert asked.answer("-m", asked.name, "-a", attached, "What is it?") == "A dot.\n"
    assert "iVBORw0KGgo" in str(asked.model.requests[0].body)


@pytest.mark.parametrize("provider", ["codex", "claude"])
def test_a_system_prompt_holds_for_the_conversation(program: Start, provider: str) -> None:
    asked = program(answers(Hi="One", Again="Two"), provider)
    asked.answer("-m", asked.name, "-s", "Talk like a pirate", "Hi")
    asked.answer("-c", "Again")
    for request in asked.model.requests:
        assert "Talk like a pirate" in str(request.body)


def test_a_conversation_stays_in_its_folder(program: Start, tmp_path: Path) -> None:
    asked = program(answers(Hi="One", Again="Two"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    asked.answer("-m", asked.name, "-o", "cwd", str(elsewhere), "Hi")
    asked.answer("-c", "Again")
    assert [each["response_json"]["cwd"] for each in asked.logs()] == [str(elsewhere)] * 2


class TestErrors:
    """What llm says, and what it exits with."""

    def test_a_plan_that_is_used_up(self, program: Start) -> None:
        asked = program([UsageLimit(resets_at=4_000_000_000)])
        code, out, err = asked.run("-m", asked.name, "Hi")
        assert (code, out) == (1, "")
        assert err.startswith("Error: ")
        assert "usage limit" in err
        assert asked.logs() == []

    @pytest.mark.parametrize(
        ("option", "said"),
        [
            (("cwd", "/nowhere"), "cwd '/nowhere' does not exist (resolved to /nowhere)"),
            (("timeout", "-1"), "timeout must be a positive number of seconds, not -1.0"),
        ],
    )
    def test_an_option(self, program: Start, option: tuple[str, str], said: str) -> None:
        asked = program(["Hello"])
        failed = asked.run("-m", asked.name, "-o", *option, "Hi")
        assert failed == (1, "", f"Error: {said}\n")

    def test_what_a_provider_cannot_do(self, program: Start) -> None:
        asked = program(["Hello"], "gemini")
        said = "gemini does not support 'instructions': not through this transport"
        assert asked.run("-m", asked.name, "-s", "Be brief", "Hi") == (1, "", f"Error: {said}\n")

    def test_a_conversation_of_another_model(self, program: Start) -> None:
        asked = program(["Hello"])
        asked.answer("-m", asked.name, "Hi")
        said = (
            "signedin/claude cannot continue this conversation: the last answer is not from a "
            "session of claude. Begin a new conversation, or use the model that answered"
        )
        failed = asked.run("-c", "-m", "signedin/claude", "Again")
        assert failed == (1, "", f"Error: {said}\n")

    def test_a_prompt_that_is_interrupted_leaves_no_agent(self, program: Start) -> None:
        asked = program([Reply("Wait", ending=Hang())])
        with asked.start("-m", asked.name, "Hi") as process:
            assert process.stdout is not None
            assert process.stdout.read(4) == "Wait"
            watch = Watch(processes_with(asked.env["CODEX_HOME"]))
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=SECONDS)
        assert process.returncode == 1
        watch.all_gone()


def test_the_asynchronous_model(program: Start) -> None:
    rules = [
        Rule([[COMMENTARY, ToolCall("multiply", {"a": 2, "b": 3})], "Six."], contains="times"),
        Rule(['{"name": "Cleo"}'], contains="A dog"),
    ]
    asked = program(Script("One", rules))
    tools = ("--functions", MULTIPLY)
    said = asked.answer("--async", "-m", asked.name, *tools, "Two times three?")
    assert said == "Let me see.\n\nSix.\n"
    assert asked.answer("--async", "-c", "--no-stream", "Hi") == "One\n"
    assert asked.answer("--async", "-c", "--schema", "name str", "A dog") == '{"name":"Cleo"}\n'
    assert len({each["response_json"]["session"] for each in asked.logs()}) == 1


def test_a_chat_has_one_agent(program: Start) -> None:
    asked = program(answers(First="One", Second="Two"))
    with asked.start("chat", "-m", asked.name, stdin=subprocess.PIPE) as process:
        out, err = process.communicate("First\nSecond\nexit\n", timeout=SECONDS)
    assert (process.returncode, err) == (0, "")
    assert out.endswith("> One\n> Two\n> ")
    assert len({each["response_json"]["session"] for each in asked.logs()}) == 1


@pytest.mark.matrix  # opencode
def test_agents_that_speak_acp_are_models_if_they_are_installed(program: Start) -> None:
    asked = program(["Hello"], "acp:opencode")
    names = [line.split()[1] for line in asked.answer("models", "-q", "signedin").splitlines()]
    always = ["signedin/codex", "signedin/claude", "signedin/gemini", "signedin/chatgpt"]
    assert names[:5] == [*always, "signedin/acp:opencode"]
    assert "signedin/acp" not in names


class TestInPython:
    """The models with ChatGPT behind them, for whose client variables say nothing."""

    def test_blocking(self) -> None:
        with LoopbackModel(answers(Hi="Hello", now="Again")) as model:
            chatgpt = SignedInModel("chatgpt", **model.client_options("chatgpt"))
            first = chatgpt.prompt("Hi")
            assert first.text() == "Hello"
            second = llm.Response.from_dict(first.to_dict(), model=chatgpt).reply("And now?")
            assert second.text() == "Again"
            assert first.json()["session"] == second.json()["session"]
            assert "Hello" in str(model.requests[1].body)

    async def test_asynchronous(self) -> None:
        with LoopbackModel(answers(Hi="Hello", now="Again")) as model:
            chatgpt = AsyncSignedInModel("chatgpt", **model.client_options("chatgpt"))
            first = chatgpt.prompt("Hi", stream=False)
            assert await first.text() == "Hello"
            second = await first.reply("And now?")
            assert await second.text() == "Again"
            assert "Hello" in str(model.requests[1].body)

    def test_a_tool_that_returns_an_image(self) -> None:
        def photo() -> llm.ToolOutput:
            """Takes a photo."""
            return llm.ToolOutput("a dot", [llm.Attachment(type="image/png", content=PNG)])

        with LoopbackModel([ToolCall("photo", {}), "A dot."]) as model:
            chatgpt = SignedInModel("chatgpt", **model.client_options("chatgpt"))
            assert chatgpt.chain("Look", tools=[photo]).text() == "A dot."
            assert "iVBORw0KGgo" in str(model.requests[1].body)
