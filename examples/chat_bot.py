"""A bot: a conversation for each person, a tool, approvals by that person, steering and stopping.

`say` and `hear` are all that it needs of Slack or the like; here a short talk takes their place.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from signedin import (
    ApprovalRequest,
    AsyncClient,
    AsyncTurn,
    Decision,
    SignedinError,
    allow,
    deny,
    tool,
)


@tool
def order_status(order: str) -> str:
    """Returns the status of an order.

    Args:
        order: The order's number.
    """
    return {"17": "shipped"}.get(order, "unknown")


@dataclass
class Person:
    """Somebody the bot talks with."""

    client: AsyncClient
    say: Callable[[str], Awaitable[None]]
    turn: AsyncTurn[None] | None = None
    answers: list[asyncio.Future[str]] = field(default_factory=list[asyncio.Future[str]])

    def __post_init__(self) -> None:
        self.session = self.client.session(on_approval=self.decide)

    async def decide(self, request: ApprovalRequest) -> Decision:
        """Asks the person, who may take as long as they like."""
        answer = asyncio.get_running_loop().create_future()
        self.answers.append(answer)
        await self.say(f"May I? {request.subject}")
        return allow if await answer == "yes" else deny("they said no")

    async def hear(self, text: str) -> None:
        """Takes what the person says: an answer, a word in between, or a prompt."""
        if self.answers:
            self.answers.pop().set_result(text)
        elif self.turn and text == "stop":
            await self.turn.interrupt()
        elif self.turn:
            await self.turn.steer(text)
        else:
            await self.ask(text)

    async def ask(self, prompt: str) -> None:
        """Runs a turn."""
        try:
            async with self.session.stream(prompt) as self.turn:
                await self.say((await self.turn.result()).text)
        except SignedinError as error:
            await self.say(f"That did not work: {error}")
        finally:
            self.turn = None


async def main() -> None:
    """Plays both sides."""
    async with AsyncClient("codex", cwd=".", tools=[order_status]) as client:

        async def say(text: str) -> None:
            print("bot:", text)
            if text.startswith("May I?"):
                await person.hear("yes")

        person = Person(client, say)
        for text in ("What about order 17?", "Write hello.txt"):
            print("you:", text)
            await person.hear(text)


asyncio.run(main())
