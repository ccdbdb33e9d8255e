"""Agents of pydantic-ai whose model is a real agent."""

import asyncio
import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import BaseModel
from pydantic_ai import (
    Agent,
    BinaryContent,
    DeferredToolRequests,
    DeferredToolResults,
    ModelRetry,
    NativeOutput,
    PromptedOutput,
    RunContext,
    ToolOutput,
    UsageLimits,
    UserError,
)
from pydantic_ai.direct import model_request
from pydantic_ai.exceptions import ModelAPIError, UsageLimitExceeded
from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    NativeToolCallPart,
    NativeToolReturnPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.instrumented import InstrumentationSettings

from signedin import Client
from signedin.integrations.pydantic_ai import SignedInModel
from signedin.integrations.pydantic_ai.model import IDLE_CONVERSATIONS
from signedin.loopback import Hold, HttpError, Reasoning, Rule, Script, Shell, Text, ToolCall
from support.rows import Row
from support.stage import Stage

PIXEL = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)


class City(BaseModel):
    name: str
    people: int | None = None


def shape(messages: Sequence[ModelMessage]) -> list[object]:
    """What was said and done, without ids and times."""
    return [
        [
            (part.tool_name, part.args_as_dict())
            if isinstance(part, ToolCallPart)
            else (part.tool_name, part.content, part.outcome)
            if isinstance(part, ToolReturnPart)
            else part.content
            for part in message.parts
            if isinstance(part, ToolCallPart | ToolReturnPart | TextPart | UserPromptPart)
        ]
        for message in messages
    ]


def open_turns(client: Client) -> list[object]:
    """The turns that the agent has not ended."""
    conversations = client._async._conversations
    return [] if conversations is None else [c for c in conversations._open if c.busy]


def weather_agent(model: object) -> Agent[str, str]:
    agent = Agent(model, deps_type=str, instructions="Be brief.")

    @agent.tool(retries=2)
    async def weather(ctx: RunContext[str], city: str) -> str:
        """Reports the weather of a city."""
        if city == "Osl":
            raise ModelRetry("Did you mean Oslo?")
        return f"{ctx.deps}: sunny in {city}"

    return agent


def scripted(*replies: str | tuple[str, dict[str, object]]) -> FunctionModel:
    """pydantic-ai's own double, which says the same as the agents here."""
    rest = list(replies)

    def reply(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        match rest.pop(0):
            case str(text):
                return ModelResponse([TextPart(text)])
            case (name, arguments):
                return ModelResponse([ToolCallPart(name, arguments)])

    return FunctionModel(reply)


async def test_tools_run_in_the_middle_of_a_turn(model: SignedInModel, stage: Stage) -> None:
    calls = [("weather", {"city": "Osl"}), ("weather", {"city": "Oslo"})]
    stage.play(*(ToolCall(*call) for call in calls), "It is sunny.")
    result = await weather_agent(model).run("The weather?", deps="today")
    assert result.output == "It is sunny."
    double = await weather_agent(scripted(*calls, "It is sunny.")).run("The weather?", deps="today")
    assert shape(result.all_messages()) == shape(double.all_messages())
    assert [result.usage.requests, result.usage.tool_calls] == [3, 1]
    # One turn: each request to the vendor's model continues the one before.
    outputs = [[output.text for output in r.tool_outputs] for r in stage.requests]
    assert [len(each) for each in outputs] == [0, 1, 2]
    assert "Did you mean Oslo?" in outputs[1][0]
    assert "today: sunny in Oslo" in outputs[2][1]


async def test_parallel_calls(model: SignedInModel, stage: Stage, row: Row) -> None:
    """Both run. At once if they come at once, as for sure without a program between them and us."""
    agent, running, both = Agent(model), set[str](), asyncio.Event()

    @agent.tool_plain
    async def look(place: str) -> str:
        running.add(place)
        if len(running) == 2 or row.agent:
            both.set()
        await both.wait()
        return place.upper()

    stage.play([ToolCall("look", {"place": "left"}), ToolCall("look", {"place": "right"})], "Both.")
    result = await agent.run("Look around.")
    assert (result.output, running) == ("Both.", {"left", "right"})
    returned = [
        part.content
        for message in result.all_messages()
        for part in message.parts
        if isinstance(part, ToolReturnPart)
    ]
    assert sorted(returned) == ["LEFT", "RIGHT"]
    texts = " ".join(output.text for output in stage.requests[-1].tool_outputs)
    assert "LEFT" in texts
    assert "RIGHT" in texts


@pytest.mark.parametrize("kind", [NativeOutput, ToolOutput, PromptedOutput])
async def test_output_types(
    kind: type[object], model: SignedInModel, stage: Stage, client: Client
) -> None:
    wanted = {"name": "Oslo", "people": 717710}
    is_tool = kind is ToolOutput
    stage.play(*([ToolCall("final_result", wanted), "No."] if is_tool else [json.dumps(wanted)]))
    agent = Agent(model, output_type=kind(City))
    assert (await agent.run("A city?")).output == City(**wanted)
    assert open_turns(client) == []


async def test_a_rejected_output_is_asked_for_again_in_the_same_conversation(
    model: SignedInModel, stage: Stage
) -> None:
    agent = Agent(model, output_type=City)

    @agent.output_validator
    def is_big(city: City) -> City:
        if not city.people:
            raise ModelRetry("How many people?")
        return city

    better = Rule(['{"name": "Oslo", "people": 717710}'], contains="How many people?")
    stage.play(Script('{"name": "Oslo", "people": null}', [better]))
    assert (await agent.run("A city?")).output == City(name="Oslo", people=717710)
    assert "How many people?" in stage.requests[-1].prompt
    assert "<conversation>" not in stage.requests[-1].prompt
    assert len({request.conversation for request in stage.requests}) == 1


async def test_a_stream_has_thoughts_and_deltas(
    model: SignedInModel, stage: Stage, client: Client
) -> None:
    stage.play([Reasoning("Hm."), Text(["One ", "two ", "three"])])
    async with Agent(model).run_stream("Count.") as streamed:
        pieces = [piece async for piece in streamed.stream_text(delta=True, debounce_by=None)]
    assert "".join(pieces) == "One two three"
    if client.capabilities.deltas:
        assert pieces == ["One ", "two ", "three"]
    assert streamed.response.text == "One two three"
    assert streamed.response.state == "complete"


async def test_a_stream_that_is_left_ends_the_turn(
    model: SignedInModel, stage: Stage, client: Client
) -> None:
    stage.play(Text(["One ", "two ", Hold("left"), "three"]))
    async with Agent(model).run_stream("Count.") as streamed:
        async for text in streamed.stream_text(debounce_by=None):
            if client.capabilities.deltas and "two" in text:
                break
            if not client.capabilities.deltas:
                break
    assert open_turns(client) == []
    stage.play("Yes.")
    assert (await Agent(model).run("Are you there?")).output == "Yes."


async def test_a_cancelled_run_ends_the_turn(
    model: SignedInModel, stage: Stage, client: Client
) -> None:
    agent, begun = Agent(model), asyncio.Event()

    @agent.tool_plain
    async def wait() -> str:
        begun.set()
        await asyncio.Event().wait()
        return "never"

    stage.play(ToolCall("wait"), "Never said.")
    task = asyncio.create_task(agent.run("Wait."))
    await begun.wait()
    assert len(open_turns(client)) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert open_turns(client) == []
    assert len(stage.requests) == 1


async def test_a_run_that_breaks_a_limit_ends_the_turn(
    model: SignedInModel, stage: Stage, client: Client
) -> None:
    stage.play(ToolCall("weather", {"city": "Oslo"}), "Never said.")
    limits = UsageLimits(tool_calls_limit=0)
    with pytest.raises(UsageLimitExceeded, match="tool_calls_limit of 0"):
        await weather_agent(model).run("The weather?", deps="", usage_limits=limits)
    assert open_turns(client) == []
    assert len(stage.requests) == 1


async def test_an_approval_ends_the_turn_and_a_later_run_continues(
    model: SignedInModel, stage: Stage, client: Client
) -> None:
    agent = Agent(model, output_type=[str, DeferredToolRequests])

    @agent.tool_plain(requires_approval=True)
    def delete(path: str) -> str:
        return f"deleted {path}"

    stage.play(ToolCall("delete", {"path": "a.txt"}), "Never said.")
    asked = await agent.run("Delete a.txt.")
    assert isinstance(asked.output, DeferredToolRequests)
    [call] = asked.output.approvals
    assert (call.tool_name, call.args_as_dict()) == ("delete", {"path": "a.txt"})
    assert open_turns(client) == []
    stage.play("It is gone.")
    results = DeferredToolResults(approvals={call.tool_call_id: True})
    ended = await agent.run(message_history=asked.all_messages(), deferred_tool_results=results)
    assert ended.output == "It is gone."
    prompt = stage.requests[-1].prompt
    assert 'User: Delete a.txt.\n\nAgent called delete: {"path":"a.txt"}' in prompt
    assert prompt.endswith("</conversation>\n\nResult of delete: deleted a.txt")


NAMES = Script(
    "Ada.",
    [Rule(["Byron."], contains="Maiden"), Rule(["Lovelace."], contains="Surname")],
)


async def test_a_history_continues_its_session(model: SignedInModel, stage: Stage) -> None:
    agent = Agent(model)
    stage.play(NAMES)
    first = await agent.run("A name?")
    second = await agent.run("Surname?", message_history=first.all_messages())
    assert stage.requests[-1].prompt.endswith("Surname?")
    assert "<conversation>" not in stage.requests[-1].prompt
    assert stage.requests[0].conversation == stage.requests[1].conversation
    # The same beginning once more: another conversation, as the first has continued.
    other = await agent.run("Maiden name?", message_history=first.all_messages())
    assert (second.output, other.output) == ("Lovelace.", "Byron.")
    assert stage.requests[-1].prompt.endswith(
        "<conversation>\nUser: A name?\n\nAgent: Ada.\n</conversation>\n\nMaiden name?"
    )


async def test_few_conversations_stay_open(new_client: Callable[[], Client], stage: Stage) -> None:
    stage.play("Yes.")
    with new_client() as client:
        for _ in range(IDLE_CONVERSATIONS + 2):
            await Agent(SignedInModel(client)).run("Hi.")
        assert len(client._async._conversations._open) == IDLE_CONVERSATIONS


async def test_a_changed_history_begins_a_conversation(model: SignedInModel, stage: Stage) -> None:
    stage.play(NAMES)
    history = (await Agent(model).run("A name?")).all_messages()
    history[0] = ModelRequest([UserPromptPart("A pioneer?")])
    await Agent(model).run("Another?", message_history=history)
    assert "User: A pioneer?\n\nAgent: Ada.\n</conversation>" in stage.requests[-1].prompt


async def test_a_stored_history_continues_in_another_process(
    new_client: Callable[[], Client], stage: Stage
) -> None:
    with new_client() as earlier:
        stage.play("Ada.")
        stored = (await Agent(SignedInModel(earlier)).run("A name?")).all_messages_json()
    history = ModelMessagesTypeAdapter.validate_json(stored)
    with new_client() as later:
        stage.play("Lovelace.")
        await Agent(SignedInModel(later)).run("Surname?", message_history=history)
        knows = later.capabilities.history and later.capabilities.resume
        assert ("<conversation>" not in stage.requests[-1].prompt) == knows


async def test_instructions_and_system_prompts(model: SignedInModel, stage: Stage) -> None:
    stage.play("Yes.")
    await Agent(model, instructions="Speak softly.", system_prompt="You are Ada.").run("Hello?")
    said = json.dumps(stage.requests[-1].body)
    assert "Speak softly." in said
    assert "You are Ada." in said


async def test_images(model: SignedInModel, stage: Stage, client: Client) -> None:
    stage.play("A pixel.")
    run = Agent(model).run(["What is this?", BinaryContent(PIXEL, media_type="image/png")])
    if not client.capabilities.images:
        with pytest.raises(UserError, match="'images'"):
            await run
        return
    assert (await run).output == "A pixel."
    assert b64encode(PIXEL).decode() in json.dumps(stage.requests[-1].body)


async def test_what_the_agent_does_by_itself_is_in_the_messages(
    model: SignedInModel, stage: Stage, client: Client
) -> None:
    actions = [Shell("echo hi")] if client.capabilities.workspace else []
    stage.play(*actions, "Done.")
    run = await Agent(model).run("Say hi.")
    assert run.output == "Done."
    calls = [part for part in run.response.parts if isinstance(part, NativeToolCallPart)]
    ended = [part for part in run.response.parts if isinstance(part, NativeToolReturnPart)]
    assert [call.tool_name for call in calls] == ["command"] * len(actions)
    assert [call.tool_call_id for call in calls] == [each.tool_call_id for each in ended]
    for call, each in zip(calls, ended, strict=True):
        assert "echo hi" in call.args_as_dict()["command"]
        assert ("hi" in each.content.get("output", "")) == client.capabilities.command_output


async def test_two_agents_one_in_a_tool_of_the_other(model: SignedInModel, stage: Stage) -> None:
    outer, inner = Agent(model), Agent(model, instructions="Translate.")

    @outer.tool_plain
    async def translate(text: str) -> str:
        return (await inner.run(text)).output

    asked = Rule([ToolCall("translate", {"text": "Hund"}), "It means dog."], contains="What is")
    stage.play(Script("dog", [asked]))
    assert (await outer.run("What is Hund?")).output == "It means dog."
    assert "dog" in stage.requests[-1].tool_outputs[-1].text


def test_every_call_may_have_an_event_loop_of_its_own(model: SignedInModel, stage: Stage) -> None:
    agent = Agent(model)

    def run_sync(prompt: str) -> str:
        try:
            return agent.run_sync(prompt).output
        finally:
            asyncio.get_event_loop().close()  # pydantic-ai leaves it to the thread

    stage.play(Text.echo("{prompt}"))
    assert asyncio.run(agent.run("One.")).output.endswith("One.")
    assert asyncio.run(agent.run("Two.")).output.endswith("Two.")
    with ThreadPoolExecutor(2) as threads:
        outputs = threads.map(run_sync, ["Three.", "Four."])
        assert [output[-5:] for output in outputs] == ["hree.", "Four."]


async def test_without_an_agent_of_pydantic_ai(model: SignedInModel, stage: Stage) -> None:
    stage.play("Hello.")
    response = await model_request(model, [ModelRequest([UserPromptPart("Hi.")])])
    assert response.text == "Hello."
    assert response.usage.input_tokens > 0 or not model._client.capabilities.usage


async def test_the_instrumentation_of_pydantic_ai(model: SignedInModel, stage: Stage) -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    agent = weather_agent(model)
    agent.instrument = InstrumentationSettings(tracer_provider=provider)
    stage.play(ToolCall("weather", {"city": "Oslo"}), "It is sunny.")
    await agent.run("The weather?", deps="today")
    chat = f"chat {model.model_name}"
    assert [span.name for span in spans.get_finished_spans()] == [
        chat,
        "execute_tool weather",
        chat,
        "invoke_agent agent",
    ]
    [first, *_] = spans.get_finished_spans()
    assert first.attributes["gen_ai.provider.name"] == model.system


async def test_a_fallback_answers_when_the_agent_cannot(model: SignedInModel, stage: Stage) -> None:
    stage.play(HttpError(400, "No such thing."))
    if not model._client.capabilities.failures:
        return  # it retries for minutes and reports nothing
    with pytest.raises(ModelAPIError, match="No such thing"):
        await Agent(model).run("Hi.")
    stage.play(HttpError(400, "No such thing."))
    result = await Agent(FallbackModel(model, scripted("The other one."))).run("Hi.")
    assert result.output == "The other one."


async def test_settings_are_applied_or_refused_by_name(model: SignedInModel, stage: Stage) -> None:
    with pytest.raises(UserError) as refused:
        await Agent(model, model_settings={"temperature": 0.5, "seed": 1}).run("Hi.")
    assert refused.value.message == (
        "agents do not support these model settings: temperature=0.5, seed=1"
    )
    stage.play([Hold("late"), "Late."])
    with pytest.raises(ModelAPIError, match=r"longer than 0\.2 s"):
        await Agent(model, model_settings={"timeout": 0.2}).run("Hi.")
    stage.release("late")
