"""The jobs, done with openai_codex, the official SDK."""

import asyncio
import os

from openai_codex import AsyncCodex, Codex, CodexConfig
from stopwatch import Stopwatch, chosen, only, serve

AT_ONCE = 16
CONFIG = CodexConfig(codex_bin=os.environ["SIGNEDIN_CODEX_BINARY"])


def turn() -> None:
    with Codex(CONFIG) as codex:
        thread = codex.thread_start()

        def job(prompt: str, watch: Stopwatch) -> str:
            with watch:
                return thread.run(prompt).final_response or ""

        serve(job)


def stream() -> None:
    with Codex(CONFIG) as codex:

        def job(prompt: str, watch: Stopwatch) -> str:
            text = ""
            thread = codex.thread_start()
            with watch:
                for event in thread.turn(prompt).stream():
                    if event.method == "item/agentMessage/delta":
                        text += event.payload.delta
            return text

        serve(job)


def many() -> None:
    with asyncio.Runner() as runner:
        codex = AsyncCodex(CONFIG)

        async def one(prompt: str) -> str:
            thread = await codex.thread_start()
            return (await thread.run(prompt)).final_response or ""

        async def together(prompt: str, watch: Stopwatch) -> str:
            with watch:
                return only(await asyncio.gather(*(one(prompt) for _ in range(AT_ONCE))))

        serve(lambda prompt, watch: runner.run(together(prompt, watch)))
        runner.run(codex.close())


if __name__ == "__main__":
    chosen({"turn": turn, "stream": stream, "many": many})()
