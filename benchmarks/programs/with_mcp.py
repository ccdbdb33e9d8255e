"""The jobs, done by ``signedin mcp`` for a client of the MCP SDK."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from mcp import Client, StdioServerParameters
from stopwatch import Stopwatch, chosen, only

SERVER = StdioServerParameters(
    command=str(Path(sys.executable).with_name("signedin")),
    args=["mcp", "--provider", sys.argv[2]],
    env=dict(os.environ),
)


async def text(client: Client, prompt: str) -> str:
    result = await client.call_tool("ask", {"prompt": prompt})
    return result.structured_content["text"]


async def fifty_texts(client: Client, prompt: str) -> str:
    return only(await asyncio.gather(*(text(client, prompt) for _ in range(50))))


async def serve(job: Callable[[Client, str], Awaitable[str]]) -> None:
    async with Client(SERVER) as client:
        while line := await asyncio.to_thread(sys.stdin.readline):
            watch = Stopwatch()
            with watch:
                answer = await job(client, json.loads(line))
            print(json.dumps({"wall": watch.wall, "cpu": watch.cpu, "answer": answer}), flush=True)


JOBS = {
    "ask": lambda: asyncio.run(serve(text)),
    "fifty": lambda: asyncio.run(serve(fifty_texts)),
}

if __name__ == "__main__":
    chosen(JOBS)()
