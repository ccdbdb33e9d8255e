"""The long answer, read by hand from two HTTP clients."""

import asyncio
import json
import os
from collections.abc import AsyncIterator

from stopwatch import Stopwatch, chosen, serve

URL = f"{os.environ['BENCHMARK_URL']}/responses"
DELTA = b"event: response.output_text.delta\n"


async def texts(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    buffer = b""
    async for chunk in chunks:
        *events, buffer = (buffer + chunk).split(b"\n\n")
        for event in events:
            data = json.loads(event.partition(b"\ndata: ")[2])
            if data["type"] == "response.output_text.delta":
                yield data["delta"]


def with_aiohttp(*, first: bool) -> None:
    import aiohttp  # noqa: PLC0415 - each job needs only its own

    async def read(session: aiohttp.ClientSession) -> str:
        text = ""
        async with session.post(URL, json={}) as response:
            async for piece in texts(response.content.iter_any()):
                text += piece
                if first:
                    break
        return text

    async def warm() -> aiohttp.ClientSession:
        return aiohttp.ClientSession()

    with asyncio.Runner() as runner:
        session = runner.run(warm())

        async def answer(watch: Stopwatch) -> str:
            if not first:
                with watch:
                    return await read(session)
            with watch:
                new = aiohttp.ClientSession()
                text = await read(new)
            await new.close()
            return text

        serve(lambda _, watch: runner.run(answer(watch)))
        runner.run(session.close())


def with_httpx2(*, first: bool) -> None:
    import httpx2  # noqa: PLC0415

    async def read(client: httpx2.AsyncClient) -> str:
        text = ""
        async with client.stream("POST", URL, json={}) as response:
            async for piece in texts(response.aiter_raw()):
                text += piece
                if first:
                    break
        return text

    with asyncio.Runner() as runner:
        client = httpx2.AsyncClient(trust_env=False)

        async def answer(watch: Stopwatch) -> str:
            if not first:
                with watch:
                    return await read(client)
            with watch:
                new = httpx2.AsyncClient(trust_env=False)
                text = await read(new)
            await new.aclose()
            return text

        serve(lambda _, watch: runner.run(answer(watch)))
        runner.run(client.aclose())


JOBS = {
    "aiohttp": lambda: with_aiohttp(first=False),
    "aiohttp-first": lambda: with_aiohttp(first=True),
    "httpx2": lambda: with_httpx2(first=False),
    "httpx2-first": lambda: with_httpx2(first=True),
}

if __name__ == "__main__":
    chosen(JOBS)()
