"""What a transport cannot do is refused by the name of the keyword."""

import pytest

from signedin import AsyncClient, McpServer, UnsupportedOptionError, tool
from signedin.model.approvals import allow
from signedin.model.capabilities import Capabilities
from signedin.safety.policy import ask as rule


@tool
def look() -> str:
    """Looks around."""
    return "There is a tree."


REFUSED = {
    "effort": "high",
    "instructions": "Be brief.",
    "images": ["x.png"],
    "policy": [rule("*")],
    "on_approval": lambda request: allow,
    "on_question": lambda questions: None,
    "tools": [look],
    "mcp_servers": {"toy": McpServer(command="toy")},
    "ephemeral": True,
    "permissions": "workspace-write",
    "sandbox": "workspace-write",
    "sandbox_exclude_read": ["~/.ssh"],
    "output": int,
    "resume": "s1",
}
HARMLESS = {
    "effort": "default",
    "instructions": None,
    "images": [],
    "policy": None,
    "on_approval": None,
    "on_question": None,
    "tools": [],
    "mcp_servers": {},
    "ephemeral": False,
    "permissions": "read-only",
    "sandbox": "off",
    "sandbox_exclude_read": None,
    "output": None,
    "resume": None,
}


@pytest.mark.usefixtures("provider")
@pytest.mark.parametrize("keyword", REFUSED)
async def test_a_keyword_that_cannot_be_honoured(keyword: str) -> None:
    client = AsyncClient("fake", transport="mute-wire")
    with pytest.raises(UnsupportedOptionError) as caught:
        await client.run("go", **{keyword: REFUSED[keyword]})
    assert (caught.value.provider, caught.value.option) == ("fake", keyword)


@pytest.mark.usefixtures("provider")
async def test_keywords_that_ask_for_nothing() -> None:
    client = AsyncClient("fake", transport="mute-wire")
    assert (await client.run("go", **HARMLESS)).text == "go"


@pytest.mark.usefixtures("provider")
async def test_a_copy_of_a_session() -> None:
    client = AsyncClient("fake", transport="mute-wire")
    with pytest.raises(UnsupportedOptionError, match="'fork'"):
        client.session(fork=True)
    session = client.session()
    await session.run("go")
    with pytest.raises(UnsupportedOptionError, match="'fork'"):
        await session.fork()


def test_each_capability_says_what_it_is() -> None:
    documented = Capabilities.__doc__ or ""
    for name in Capabilities.__struct_fields__:
        assert f"\n        {name}: " in documented
