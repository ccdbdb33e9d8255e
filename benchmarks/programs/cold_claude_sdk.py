import asyncio
import os
import sys

from claude_agent_sdk import ClaudeAgentOptions, ResultMessage, query

OPTIONS = ClaudeAgentOptions(
    cli_path=os.environ["SIGNEDIN_CLAUDE_BINARY"],
    system_prompt={"type": "preset", "preset": "claude_code"},
)


async def main() -> None:
    async for message in query(prompt=sys.argv[1], options=OPTIONS):
        if isinstance(message, ResultMessage):
            print(message.result)


asyncio.run(main())
