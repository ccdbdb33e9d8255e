"""The long answer, read with OpenAI's own SDK."""

import asyncio
import os

from openai import AsyncOpenAI
from stopwatch import Stopwatch, chosen, serve


def new_client() -> AsyncOpenAI:
    return AsyncOpenAI(api_key="benchmark", base_url=os.environ["BENCHMARK_URL"], max_retries=0)


async def read(client: AsyncOpenAI, prompt: str, *, first: bool) -> str:
    text = ""
    stream = await client.responses.create(model="m", input=prompt, stream=True)
    async for event in stream:
        if event.type == "response.output_text.delta":
            text += event.delta
            if first:
                break
    await stream.close()
    return text


def openai(*, first: bool) -> None:
    with asyncio.Runner() as runner:
        warm = new_client()

        async def answer(prompt: str, watch: Stopwatch) -> str:
            if not first:
                with watch:
                    return await read(warm, prompt, first=False)
            with watch:
                new = new_client()
                text = await read(new, prompt, first=True)
            await new.close()
            return text

        serve(lambda prompt, watch: runner.run(answer(prompt, watch)))
        runner.run(warm.close())


JOBS = {"openai": lambda: openai(first=False), "openai-first": lambda: openai(first=True)}

if __name__ == "__main__":
    chosen(JOBS)()
