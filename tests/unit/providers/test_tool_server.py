"""The tool server: who is answered, what the model is shown, and what is left when it ends."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from signedin.client.callback_host import CallbackHost
from signedin.model.errors import MissingExtraError
from signedin.model.options import TurnOptions
from signedin.providers.shared.tool_service import OfferedTools, ToolService
from signedin.tools.tool import AnyTool, tool
from support.turns import host_of

ACCEPT = "application/json, text/event-stream"


@tool
def shout(word: str) -> str:
    """Says a word loudly."""
    return word.upper()


@tool
async def broken() -> str:
    """Does not work."""
    raise RuntimeError("out of order")


@pytest.fixture
async def service() -> AsyncIterator[ToolService]:
    service = ToolService("gemini")
    yield service
    await service.aclose()


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(timeout=60) as client:
        yield client


def running(*tools: AnyTool, tmp_path: Any) -> CallbackHost:
    return host_of(TurnOptions(cwd=tmp_path, tools=tools))


async def post(
    http: httpx2.AsyncClient,
    offered: OfferedTools,
    method: str,
    params: dict[str, object],
    **headers: str,
) -> httpx2.Response:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    sent = {"Authorization": f"Bearer {offered.token}", "Accept": ACCEPT, **headers}
    return await http.post(offered.url, json=body, headers=sent)


async def called(
    http: httpx2.AsyncClient, offered: OfferedTools, name: str, **arguments: object
) -> tuple[bool, str]:
    """Whether a call failed, and its text."""
    answer = await post(http, offered, "tools/call", {"name": name, "arguments": arguments})
    result = answer.json()["result"]
    return result["isError"], result["content"][0]["text"]


async def test_tools_are_listed_and_called(service, http, tmp_path) -> None:
    offered = await service.offer((shout, broken))
    turn = running(shout, broken, tmp_path=tmp_path)
    offered.begin_turn(turn)
    listed = (await post(http, offered, "tools/list", {})).json()["result"]["tools"]
    assert [(each["name"], each["description"]) for each in listed] == [
        ("shout", "Says a word loudly."),
        ("broken", "Does not work."),
    ]
    assert listed[0]["inputSchema"]["required"] == ["word"]
    assert await called(http, offered, "shout", word="hi") == (False, "HI")
    assert await called(http, offered, "broken") == (True, "RuntimeError: out of order")
    failed, words = await called(http, offered, "shout", word=3)
    assert failed
    assert words.startswith("wrong arguments for shout")
    offered.end_turn(turn)
    failed, words = await called(http, offered, "shout", word="hi")
    assert (failed, words) == (True, "no turn is running in which this tool could be called")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": ""}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Host": "evil.example"}, 421),
        ({"Host": "localhost"}, 421),
        ({"Origin": "https://evil.example"}, 403),
    ],
)
async def test_only_the_agent_is_answered(service, http, tmp_path, headers, status) -> None:
    offered = await service.offer((shout,))
    offered.begin_turn(running(shout, tmp_path=tmp_path))
    answer = await post(http, offered, "tools/list", {}, **headers)
    assert answer.status_code == status
    assert "shout" not in answer.text


async def test_a_session_cannot_reach_the_tools_of_another(service, http, tmp_path) -> None:
    first, second = await service.offer((shout,)), await service.offer((broken,))
    stolen = {"Authorization": f"Bearer {second.token}"}
    assert (await post(http, first, "tools/list", {}, **stolen)).status_code == 401
    second.withdraw()
    assert (await post(http, second, "tools/list", {})).status_code == 401
    assert (await http.get(first.url, headers={"Accept": ACCEPT})).status_code == 405


async def test_calls_run_side_by_side(service, http, tmp_path) -> None:
    both = asyncio.Barrier(2)

    @tool
    async def meet() -> str:
        """Waits for the other one."""
        await both.wait()
        return "met"

    offered = await service.offer((meet,))
    offered.begin_turn(running(meet, tmp_path=tmp_path))
    async with asyncio.timeout(60):
        results = await asyncio.gather(*(called(http, offered, "meet") for _ in range(2)))
    assert results == [(False, "met")] * 2


async def test_a_call_ends_with_its_turn_and_the_server(service, http, tmp_path) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    @tool
    async def wait() -> None:
        """Waits for ever."""
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    offered = await service.offer((wait,))
    turn = running(wait, tmp_path=tmp_path)
    offered.begin_turn(turn)
    async with asyncio.timeout(60):
        call = asyncio.create_task(called(http, offered, "wait"))
        await begun.wait()
        offered.end_turn(turn)
        assert await call == (True, "the turn in which this tool was called has ended")
        assert ended.is_set()

        begun.clear()
        ended.clear()
        offered.begin_turn(turn)
        call = asyncio.create_task(called(http, offered, "wait"))
        await begun.wait()
        await service.aclose()
        await asyncio.wait({call})
        call.exception()  # whether it was answered at all is up to chance
        assert ended.is_set()
    with pytest.raises(httpx2.ConnectError):
        await post(http, offered, "tools/list", {})
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_secrets_are_not_shown(service) -> None:
    offered = await service.offer((shout,))
    assert repr(offered) == "OfferedTools(shout)"
    assert offered.token not in offered.url


async def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError("No module named 'mcp'", name="mcp")

    monkeypatch.setattr("signedin.providers.shared.tool_service.import_module", missing)
    with pytest.raises(MissingExtraError, match=r"mcp is missing.*signedin\[tools\]"):
        await ToolService("gemini").offer((shout,))
