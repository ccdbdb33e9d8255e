"""The long answer, read with signedin: the transport alone, and the client."""

import asyncio
import os

import msgspec
from stopwatch import Stopwatch, chosen, serve

from signedin import AsyncClient
from signedin.providers.chatgpt.options import GivenToken
from signedin.providers.chatgpt.requests import ResponseRequest, user_message
from signedin.providers.chatgpt.sign_in.profiles import CODEX
from signedin.providers.chatgpt.transport import ChatGPTTransport

URL = os.environ["BENCHMARK_URL"]
PROFILE = msgspec.structs.replace(CODEX, base_url=URL)


def new_transport() -> ChatGPTTransport:
    return ChatGPTTransport(GivenToken("benchmark"), profile=PROFILE)


def new_client() -> AsyncClient:
    options = {"access": "benchmark", "base_url": URL}
    return AsyncClient("chatgpt", model="m", ephemeral=True, provider_options=options)


async def read_transport(transport: ChatGPTTransport, prompt: str, *, first: bool) -> str:
    text = ""
    request = ResponseRequest(model="m", input=[user_message(prompt)])
    async with transport.answer(request) as answer:
        async for event in answer:
            if event.kind == "message_delta":
                text += event.text
                if first:
                    break
    return text


async def read_client(client: AsyncClient, prompt: str, *, first: bool) -> str:
    text = ""
    async with client.stream(prompt) as turn:
        async for event in turn:
            if event.kind == "message_delta":
                text += event.text
                if first:
                    break
    return text


def transport(*, first: bool) -> None:
    with asyncio.Runner() as runner:
        warm = new_transport()

        async def answer(prompt: str, watch: Stopwatch) -> str:
            if not first:
                with watch:
                    return await read_transport(warm, prompt, first=False)
            with watch:
                new = new_transport()
                text = await read_transport(new, prompt, first=True)
            await new.aclose()
            return text

        serve(lambda prompt, watch: runner.run(answer(prompt, watch)))
        runner.run(warm.aclose())


def client(*, first: bool) -> None:
    with asyncio.Runner() as runner:
        warm = new_client()

        async def answer(prompt: str, watch: Stopwatch) -> str:
            if not first:
                with watch:
                    return await read_client(warm, prompt, first=False)
            with watch:
                new = new_client()
                text = await read_client(new, prompt, first=True)
            await new.aclose()
            return text

        serve(lambda prompt, watch: runner.run(answer(prompt, watch)))
        runner.run(warm.aclose())


JOBS = {
    "transport": lambda: transport(first=False),
    "transport-first": lambda: transport(first=True),
    "client": lambda: client(first=False),
    "client-first": lambda: client(first=True),
}

if __name__ == "__main__":
    chosen(JOBS)()
