"""Asks ChatGPT through pydantic-ai's own provider, as a program of its own:
ACCOUNT PROFILE ISSUER BACKEND.

For each line of its input it asks in two tasks, and writes what was answered.
"""

import asyncio
import sys
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

TASKS = 2
PROVIDERS = {"siwc": OpenAIChatGPTProvider, "codex": OpenAICodexProvider}


def profile_of(name: str, issuer: str, backend: str) -> Profile:
    return msgspec.structs.replace(profile_at(issuer, name), base_url=backend)


def new_agent(client: AsyncOpenAI, profile: Profile) -> Agent[None, str]:
    """An agent that asks through a client."""
    provider = PROVIDERS[profile.name](openai_client=client)
    return Agent(OpenAIResponsesModel("gpt-5.5", provider=provider))


async def _main() -> None:
    account, *where = sys.argv[1:]
    profile = profile_of(*where)
    async with signedin_openai(account, profile=profile) as client:
        agent = new_agent(client, profile)
        print("ready", flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            results = await asyncio.gather(*(agent.run("Hi.") for _ in range(TASKS)))
            print(" ".join(result.output for result in results), flush=True)


if __name__ == "__main__":
    asyncio.run(_main())
