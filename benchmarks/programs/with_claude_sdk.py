"""The jobs, done with claude_agent_sdk, the official SDK."""

import asyncio
import os
from dataclasses import replace

from claude_agent_sdk import ClaudeAgentOptions, ClaudeSDKClient, ResultMessage, StreamEvent
from stopwatch import Stopwatch, chosen, serve

OPTIONS = ClaudeAgentOptions(
    cli_path=os.environ["SIGNEDIN_CLAUDE_BINARY"],
    system_prompt={"type": "preset", "preset": "claude_code"},
    setting_sources=[],
    model="opus",
    effort="low",
)


async def run(client: ClaudeSDKClient, prompt: str) -> str:
    await client.query(prompt)
    answer = ""
    async for message in client.receive_response():
        if isinstance(message, ResultMessage):
            answer = message.result or ""
    return answer


def turn() -> None:
    with asyncio.Runner() as runner:
        client = ClaudeSDKClient(OPTIONS)
        runner.run(client.connect())

        async def answer(prompt: str, watch: Stopwatch) -> str:
            with watch:
                return await run(client, prompt)

        serve(lambda prompt, watch: runner.run(answer(prompt, watch)))
        runner.run(client.disconnect())


def stream() -> None:
    with asyncio.Runner() as runner:
        client = ClaudeSDKClient(replace(OPTIONS, include_partial_messages=True))
        runner.run(client.connect())

        async def answer(prompt: str, watch: Stopwatch) -> str:
            text = ""
            with watch:
                await client.query(prompt)
                async for message in client.receive_response():
                    if isinstance(message, StreamEvent):
                        text += message.event.get("delta", {}).get("text", "")
            await run(client, "/clear")
            return text

        serve(lambda prompt, watch: runner.run(answer(prompt, watch)))
        runner.run(client.disconnect())


if __name__ == "__main__":
    chosen({"turn": turn, "stream": stream})()
