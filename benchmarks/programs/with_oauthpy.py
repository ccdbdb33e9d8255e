"""The jobs, done with oauthpy, which starts `codex exec` for each prompt."""

import asyncio

from oauthpy import Client
from stopwatch import Stopwatch, chosen, only, serve

AT_ONCE = 16
OPTIONS = {"skip_git_repo_check": True}


def run() -> None:
    client = Client("codex", auth_source="external")

    def job(prompt: str, watch: Stopwatch) -> str:
        with watch:
            return client.run(prompt, provider_options=OPTIONS).text

    serve(job)


def many(at_once: int = AT_ONCE) -> None:
    client = Client("codex", auth_source="external")

    async def together(prompt: str) -> list[str]:
        runs = (client.run(prompt, provider_options=OPTIONS) for _ in range(at_once))
        return [result.text for result in await asyncio.gather(*runs)]

    def job(prompt: str, watch: Stopwatch) -> str:
        with watch:
            return only(asyncio.run(together(prompt)))

    serve(job)


if __name__ == "__main__":
    chosen({"run": run, "many": many, "hundred": lambda: many(100)})()
