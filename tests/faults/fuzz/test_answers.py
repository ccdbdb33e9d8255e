"""Answers of agents with anything in them: what was asked is given, or refused in clear words."""

from collections.abc import Awaitable, Callable
from itertools import islice

import pytest

from faults.fuzz import golden
from faults.fuzz.cases import COUNT, documents
from faults.fuzz.conftest import Stage, in_time
from signedin import AsyncClient
from signedin.providers.codex import AsyncCodex

SLOW = 25
"""Of the cases for which a process is started, this part is enough."""

Asking = Callable[[AsyncClient], Awaitable[object]]


async def history(client: AsyncClient) -> object:
    async with client.session(resume="thread-1") as session:
        return await session.history()


CODEX: dict[str, Asking] = {
    "account/read": lambda client: client.auth_status(),
    "account/rateLimits/read": lambda client: client.limits(),
    "model/list": lambda client: client.models(),
    "thread/list": lambda client: client.sessions(),
    "thread/turns/list": history,
    "thread/start": lambda client: client.run("go"),
    "turn/start": lambda client: client.run("go", idle_timeout=0.1),
}


@pytest.mark.parametrize("method", CODEX)
async def test_codex(stage: Callable[[str], Stage], method: str) -> None:
    agent = stage("codex")
    async with AsyncClient("codex", binary=agent.program, cwd="/") as client:
        for case in documents(*golden.codex_answers(method)):
            agent.says(method, case.data)
            with case:
                repr(await in_time(CODEX[method](client)))


async def test_codex_handshake(stage: Callable[[str], Stage]) -> None:
    agent = stage("codex")
    for case in islice(documents(*golden.codex_answers("initialize")), COUNT // SLOW):
        agent.says("initialize", case.data)
        with case:
            async with AsyncCodex(binary=agent.program) as client:
                await in_time(client.models())


ACP: dict[str, Asking] = {
    "session/new": lambda client: client.models(),
    "session/prompt": lambda client: client.run("go"),
    "session/list": lambda client: client.sessions(),
}


@pytest.mark.parametrize("method", ACP)
async def test_acp(stage: Callable[[str], Stage], method: str) -> None:
    agent = stage("acp")
    command = [str(agent.program)]
    client = AsyncClient("acp", command=command, cwd="/", trust_project=True)
    for case in documents(*golden.ACP_ANSWERS[method]):
        agent.says(method, case.data)
        with case:
            repr(await in_time(ACP[method](client)))
    await client.aclose()


async def test_acp_handshake(stage: Callable[[str], Stage]) -> None:
    agent = stage("acp")
    for case in islice(documents(*golden.ACP_ANSWERS["initialize"]), COUNT // SLOW):
        agent.says("initialize", case.data)
        with case:
            command = [str(agent.program)]
            async with AsyncClient("acp", command=command, cwd="/", trust_project=True) as client:
                await in_time(client.run("go"))
