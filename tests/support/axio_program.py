"""Uses the axio plug-in as axio's programs do; runs where axio is installed.

Each scenario talks to servers on 127.0.0.1 and returns what a user could see of it. All of them are
written to standard output as one JSON object.
"""

import asyncio
import io
import json
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, redirect_stdout
from dataclasses import fields
from enum import Enum
from pathlib import Path

import aiohttp
import msgspec
from axio.agent import Agent
from axio.blocks import ImageBlock, TextBlock
from axio.context import MemoryContextStore
from axio.events import ProviderEvent
from axio.exceptions import StreamError
from axio.messages import Message
from axio.models import Capability, ModelSpec
from axio.testing import assert_static_model_transport_contract, assert_stream_contract
from axio.tool import Tool
from axio.transport import (
    CompletionTransport,
    TransportError,
    discover_transports,
    select_transport_model,
)

from signedin.integrations.axio import ChatGPTError, SignedInTransport
from signedin.loopback import (
    Cut,
    Failed,
    Hold,
    HttpError,
    Incomplete,
    LoopbackIssuer,
    LoopbackModel,
    RawItem,
    Reasoning,
    Reply,
    Text,
    ToolCall,
    Usage,
    UsageLimit,
)
from signedin.providers.chatgpt.sign_in import profiles
from support.chatgpt import (
    RawBackend,
    Sent,
    completed,
    created,
    event,
    loopback_profile,
    transport_to,
)
from support.chatgpt_account import SignedInUser, profile_at

PAGE = Path(__file__).parents[2] / "docs" / "integrations" / "axio.md"
EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)

TOOL_USE = frozenset({Capability.text, Capability.tool_use})
MODEL = ModelSpec("scripted-large", TOOL_USE)
IMAGE = ImageBlock("image/png", b"\x89PNG\r\n\x1a\nIEND")
REFUSED = {
    "id": "msg-1",
    "type": "message",
    "role": "assistant",
    "content": [{"type": "refusal", "refusal": "No."}],
}

Scenario = Callable[[], Awaitable[object]]
SCENARIOS: dict[str, Scenario] = {}


def scenario(function: Scenario) -> Scenario:
    SCENARIOS[function.__name__] = function
    return function


def user(*blocks: object) -> Message:
    return Message("user", [TextBlock(b) if isinstance(b, str) else b for b in blocks])


def plain(event: object) -> list[object]:
    """The name of an event and its values, without what is provider's own or made up."""
    if isinstance(event, ProviderEvent):
        return ["ProviderEvent", event.provider, event.kind]
    shown = [getattr(event, field.name) for field in fields(event) if field.name != "raw"]
    return [type(event).__name__, *map(_shown, shown)]


def _shown(value: object) -> object:
    if hasattr(value, "input_tokens"):
        return [getattr(value, field.name) for field in fields(value)]
    return value.value if isinstance(value, Enum) else value


@asynccontextmanager
async def transport_of(model: LoopbackModel) -> AsyncIterator[SignedInTransport]:
    async with transport_to(loopback_profile(model)) as connection:
        yield SignedInTransport(connection, model=MODEL)


async def signed_in(issuer: LoopbackIssuer, model: LoopbackModel, account: str | None) -> None:
    """Stores a login with which a model can be asked."""
    moved = profile_at(issuer.url, "codex")
    profile = msgspec.structs.replace(moved, base_url=loopback_profile(model).base_url)
    profiles.PROFILES["codex"] = profile
    await SignedInUser(issuer, account, profile).sign_in()


async def answered(transport: CompletionTransport, *messages: Message) -> list[object]:
    """The events of an answer and, if it failed, what is known of the error."""
    events: list[object] = []
    try:
        async for event in transport.stream(list(messages) or [user("Hi")], [], "Be brief."):
            events.append(event)
    except StreamError as error:
        return [*map(plain, events), described(error)]
    assert_stream_contract(events)
    return [plain(event) for event in events]


def described(error: StreamError) -> list[object]:
    assert isinstance(error, ChatGPTError)
    cause = type(error.__cause__).__name__
    return [cause, error.code, error.recovery.value, error.status, str(error)]


@scenario
async def text() -> object:
    usage = Usage(20, 8, 0, 9, 3)
    reply = Reply([Reasoning("Thinking."), Text(["Hel", "lo"])], usage=usage)
    with LoopbackModel(reply) as model:
        async with transport_of(model) as transport:
            assert isinstance(transport, CompletionTransport)
            events = await answered(transport, user("Look:", IMAGE))
        body = model.requests[0].body
    return {
        "events": [event for event in events if event[0] != "ReasoningSignature"],
        "signed": [event[0] for event in events].count("ReasoningSignature"),
        "instructions": body["instructions"],
        "input": body["input"],
        "include": body["include"],
    }


@scenario
async def agent() -> object:
    """An agent calls a tool, and its second question has all that came before."""

    async def population(city: str) -> str:
        """Tells how many people live in a city."""
        return {"Oslo": "717710"}[city]

    call = ToolCall("population", {"city": "Oslo"}, id="call-1")
    with LoopbackModel([Reply([Reasoning("Which?"), call]), "It is large."]) as model:
        async with transport_of(model) as transport:
            tool = Tool(name="population", description="Tells.", handler=population)
            asked = Agent(system="Be brief.", tools=[tool], transport=transport)
            context = MemoryContextStore()
            said = await asked.run("How large is Oslo?", context)
        first, second = (request.body for request in model.requests)
    return {
        "said": said,
        "tools": [(tool["name"], tool["strict"]) for tool in first["tools"]],
        "items": [item.get("type", item.get("role")) for item in second["input"]],
        "encrypted": bool(second["input"][1]["encrypted_content"]),
        "output": second["input"][-1]["output"],
    }


@scenario
async def errors() -> object:
    """How a failure is reported, and what was seen before it."""
    replies = {
        "usage limit": UsageLimit(plan="plus", resets_at=1800000000),
        "login": HttpError(401, "no"),
        "model": HttpError(400, "The model `m` does not exist"),
        "in the answer": Reply(Text(["a", "b"]), ending=Failed("server_error", "boom", after=1)),
        "cut": Reply(Text(["a", "b"]), ending=Cut(after=1)),
    }
    failures: dict[str, object] = {}
    for name, reply in replies.items():
        with LoopbackModel(reply) as model:
            async with transport_of(model) as transport:
                events = await answered(transport)
        failures[name] = [seen for seen in events if seen[0] in ("TextDelta", *events[-1][:1])]
    return failures


@scenario
async def ends() -> object:
    """Ends that are no errors to axio."""
    replies = {
        "too long": Reply("a", ending=Incomplete("max_output_tokens")),
        "filtered": Reply("a", ending=Incomplete("content_filter")),
        "another": Reply("a", ending=Incomplete("tired")),
    }
    ends: dict[str, object] = {}
    for name, reply in replies.items():
        with LoopbackModel(reply) as model:
            async with transport_of(model) as transport:
                ends[name] = (await answered(transport))[-1][2]
    refusal = event("response.refusal.delta", item_id="msg-1", output_index=0, delta="No.")
    whole = event("response.output_item.done", output_index=0, item=REFUSED)
    with RawBackend(Sent([created(), refusal, whole, completed()])) as backend:
        async with transport_to(backend.profile) as connection:
            events = await answered(SignedInTransport(connection, model=MODEL))
    ends["refused"] = [events[1][:3], events[-1][2]]
    return ends


@scenario
async def retried() -> object:
    """What fails unseen is asked again; what the model did by itself is passed on."""
    search = {"type": "web_search_call", "id": "ws-1", "status": "completed"}
    with LoopbackModel([HttpError(503, times=1), Reply([RawItem(search), "Hello"])]) as model:
        async with transport_of(model) as transport:
            events = await answered(transport)
        return {"requests": len(model.requests), "events": events}


@scenario
async def stopped() -> object:
    """An answer that nobody wants any more is given up at the server, too."""
    with LoopbackModel(Text(["Hel", Hold("middle"), "lo"])) as model:
        async with transport_of(model) as transport:
            async with aclosing(transport.stream([user("Hi")], [], "")) as answer:
                async for event in answer:
                    if plain(event)[0] == "TextDelta":
                        break
            await asyncio.to_thread(model.wait_for_disconnect, 1, 60)
        return plain(event)


@scenario
async def plug_in() -> object:
    """As an axio program finds it: no login, then one."""
    entry = discover_transports().require("signedin")
    report: dict[str, object] = {"name": entry.display_name}
    async with aiohttp.ClientSession() as session:
        try:
            async with entry.open(session=session, account="axio"):
                raise AssertionError("opened without a login")
        except TransportError as error:
            report["without a login"] = str(error)
        with LoopbackIssuer() as issuer, LoopbackModel("Hello") as model:
            await signed_in(issuer, model, "axio")
            async with entry.open(session=session, account="axio", effort="low") as transport:
                assert_static_model_transport_contract(transport)
                report["models"] = [
                    (spec.id, sorted(spec.capabilities), spec.context_window)
                    for spec in transport.models.values()
                ]
                small = select_transport_model(transport, transport.models["scripted-small"])
                await answered(transport)
                await answered(small)
            async with entry.open(session=session, account="axio", model="unlisted") as transport:
                await answered(transport)
            asked = [request.body for request in model.requests if request.method == "POST"]
            report["asked"] = [(body["model"], body["reasoning"].get("effort")) for body in asked]
    return report


@scenario
async def guide() -> object:
    """The example of the guide, which nothing keeps from being run as it is."""
    [example] = EXAMPLE.findall(PAGE.read_text("utf-8"))
    calls = [ToolCall("population", {"city": city}) for city in ("Oslo", "Bergen")]
    with LoopbackIssuer() as issuer, LoopbackModel([calls, Text.echo("{tool_output}")]) as model:
        await signed_in(issuer, model, None)
        printed = io.StringIO()
        with redirect_stdout(printed):
            await asyncio.to_thread(exec, compile(example, str(PAGE), "exec"), {})
        outputs = [output.text for output in model.requests[-1].tool_outputs]
    return [outputs, printed.getvalue()]


async def main() -> None:
    report = {name: await run() for name, run in SCENARIOS.items()}
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
