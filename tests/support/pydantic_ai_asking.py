"""Asks ChatGPT through pydantic-ai's own provider, in several processes of one program.

For each line of its input, which names a login (ACCOUNT PROFILE ISSUER BACKEND), all of them ask in
two tasks at the same time; it writes what was answered. To import pydantic-ai takes seconds, so it
does that once and forks.
"""

import asyncio
import json
import sys
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import msgspec
from openai import AsyncOpenAI
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIResponsesModel
from pydantic_ai.providers.openai_chatgpt import OpenAIChatGPTProvider
from pydantic_ai.providers.openai_codex import OpenAICodexProvider

from signedin.integrations.pydantic_ai import signedin_openai
from signedin.providers.chatgpt import Profile
from support.chatgpt_account import profile_at

PROCESSES = 8
TASKS = 2
PROVIDERS = {"siwc": OpenAIChatGPTProvider, "codex": OpenAICodexProvider}


def profile_of(name: str, issuer: str, backend: str) -> Profile:
    return msgspec.structs.replace(profile_at(issuer, name), base_url=backend)


def new_agent(client: AsyncOpenAI, profile: Profile) -> Agent[None, str]:
    """An agent that asks through a client."""
    provider = PROVIDERS[profile.name](openai_client=client)
    return Agent(OpenAIResponsesModel("gpt-5.5", provider=provider))


def _ask(orders: Connection) -> None:
    """Asks with each login that is ordered, until none is."""
    agents: dict[str, Agent[None, str]] = {}
    with asyncio.Runner() as runner:
        while login := orders.recv():
            if login not in agents:
                account, *where = login.split()
                profile = profile_of(*where)
                agents[login] = new_agent(signedin_openai(account, profile=profile), profile)
            orders.send(runner.run(_answers(agents[login])))


async def _answers(agent: Agent[None, str]) -> list[str]:
    runs = [agent.run("Hi.") for _ in range(TASKS)]
    results = await asyncio.gather(*runs, return_exceptions=True)
    return [repr(each) if isinstance(each, BaseException) else each.output for each in results]


def _main() -> None:
    context = get_context("fork")
    pipes = [context.Pipe() for _ in range(PROCESSES)]
    processes = [context.Process(target=_ask, args=(theirs,)) for _, theirs in pipes]
    for process in processes:
        process.start()
    for line in sys.stdin:
        for ours, _ in pipes:
            ours.send(line)
        print(json.dumps([ours.recv() for ours, _ in pipes]), flush=True)
    for (ours, _), process in zip(pipes, processes, strict=True):
        ours.send("")
        process.join()
    sys.exit(any(process.exitcode for process in processes))


if __name__ == "__main__":
    _main()
