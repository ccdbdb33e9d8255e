"""The long answer, read with axio-transport-codex."""

import asyncio
import os
import time

import aiohttp
from axio.blocks import TextBlock
from axio.events import TextDelta
from axio.messages import Message
from axio_transport_codex import CodexTransport
from stopwatch import Stopwatch, chosen, serve


def axio(*, first: bool) -> None:
    def transport(session: aiohttp.ClientSession) -> CodexTransport:
        return CodexTransport(
            api_key="benchmark",
            expires_at=str(time.time() + 3600),
            account_id="a",
            base_url=os.environ["BENCHMARK_URL"],
            session=session,
        )

    async def read(session: aiohttp.ClientSession, prompt: str) -> str:
        text = ""
        question = [Message(role="user", content=[TextBlock(text=prompt)])]
        async for event in transport(session).stream(question, [], "Be brief."):
            if isinstance(event, TextDelta):
                text += event.delta
                if first:
                    break
        return text

    async def warm() -> aiohttp.ClientSession:
        return aiohttp.ClientSession()

    with asyncio.Runner() as runner:
        session = runner.run(warm())

        async def answer(prompt: str, watch: Stopwatch) -> str:
            if not first:
                with watch:
                    return await read(session, prompt)
            with watch:
                new = aiohttp.ClientSession()
                text = await read(new, prompt)
            await new.close()
            return text

        serve(lambda prompt, watch: runner.run(answer(prompt, watch)))
        runner.run(session.close())


JOBS = {"axio": lambda: axio(first=False), "axio-first": lambda: axio(first=True)}

if __name__ == "__main__":
    chosen(JOBS)()
