"""``event.kind`` tells which event it is."""

from typing import assert_never, assert_type

from signedin import (
    AnyEvent,
    AsyncClient,
    AsyncTurn,
    Client,
    CommandEvent,
    Event,
    MessageDeltaEvent,
    Turn,
)

client = Client("codex")
result = client.run("Add a docstring to main.py", cwd=".", permissions="workspace-write")
for event in result.events:
    if event.kind == "command":
        print("$", event.command, "->", event.exit_code)
    if event.kind == "file_change":
        print(*[change.path for change in event.changes])

for event in client.stream("Say what you see", cwd="."):
    assert_type(event, AnyEvent)
    print(event.kind, event.text)
    if event.kind == "command":
        assert_type(event, CommandEvent)

with client.stream("Refactor main.py", cwd=".") as turn:
    for event in turn:
        if event.kind == "command":
            print(event.exit_code)
            turn.interrupt()

with client.session(cwd=".") as session:
    for begun in (session.stream("x"), session.compact(), session.review(base="main")):
        for event in begun:
            assert_type(event, AnyEvent)


async def watch() -> None:
    async with AsyncClient("codex") as agent, agent.session() as session:
        async for event in agent.stream("x"):
            if event.kind == "message_delta":
                assert_type(event, MessageDeltaEvent)
        for begun in (session.stream("x"), session.compact(), session.review()):
            assert_type(await begun.next_batch(), list[AnyEvent])
            async for event in begun:
                assert_type(event, AnyEvent)


def what(event: AnyEvent) -> str:
    match event.kind:
        case "command":
            return event.command
        case "tool" | "other":
            return event.name
        case _:
            return event.text


def of_class(event: AnyEvent) -> str:
    match event:
        case CommandEvent():
            return event.command
        case MessageDeltaEvent(text=text):
            return text
        case _:
            return ""


def name(event: Event) -> str:
    return event.kind


def is_news(event: AnyEvent) -> bool:
    """All kinds are known."""
    match event.kind:
        case "session" | "message" | "message_delta" | "reasoning" | "reasoning_delta":
            return False
        case "plan" | "plan_delta" | "command" | "file_change" | "tool" | "approval" | "done":
            return False
        case "usage" | "rate_limit" | "retry" | "fallback" | "warning" | "error" | "other":
            return True
        case _:
            assert_never(event.kind)


def any_turn(turn: Turn, other: AsyncTurn) -> None:
    """The bare names are turns of any output."""
    assert_type(turn.result().output, object)
    print(other.id)


any_turn(client.stream("x", output=int), AsyncClient("codex").stream("x"))
