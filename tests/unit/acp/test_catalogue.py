"""Agents by name, and what is asked of them before they run."""

from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from signedin import Client
from signedin.accounts.environment import CREDENTIALS
from signedin.errors import InvalidOptionError, UnsupportedProviderError
from signedin.options import TurnOptions
from signedin.providers.acp.catalogue import AGENTS, KnownAgent
from signedin.providers.acp.provider import KnownDialect
from signedin.providers.base import ProviderConfig
from signedin.providers.registry import load_provider, provider_names

OTHER = KnownAgent(command=("other", "--acp"), install="get other", login="other login")
CONFIG = ProviderConfig(transport="acp")


def test_every_known_agent_is_a_provider() -> None:
    names = provider_names()
    for name, known in AGENTS.items():
        assert f"acp:{name}" in names
        assert load_provider(f"acp:{name}").name == f"acp:{name}"
        assert known.vendor in CREDENTIALS
        assert known.tried


def test_an_unknown_agent_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnsupportedProviderError, match="unknown provider 'acp:nobody'") as raised:
        Client("acp:nobody")
    assert "acp:opencode" in raised.value.known


def test_other_packages_add_agents(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("other", f"{__name__}:OTHER", "signedin.acp_agents")
    monkeypatch.setattr(EntryPoint, "load", lambda _: OTHER)
    monkeypatch.setattr(
        "importlib.metadata.entry_points",
        lambda group: EntryPoints([point] if group == "signedin.acp_agents" else []),
    )
    assert "acp:other" in provider_names()
    assert load_provider("acp:other").find(CONFIG).install == "get other"


def launched(known: KnownAgent, **keywords: object) -> dict[str, str]:
    options = TurnOptions(cwd=Path("/"), provider_options={"command": ["agent"]}, **keywords)
    return dict(KnownDialect("acp:x", known, CONFIG).launch(options).env)


def test_opencode_is_made_to_ask() -> None:
    env = launched(AGENTS["opencode"])
    assert env["OPENCODE_PERMISSION"] == '{"edit":"ask","bash":"ask","webfetch":"ask"}'


def test_an_agent_sees_the_credentials_of_its_vendor_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for names in CREDENTIALS.values():
        monkeypatch.setenv(names[0], "planted")
    env = launched(AGENTS["claude"])
    assert {name for name, value in env.items() if value == "planted"} == {"ANTHROPIC_API_KEY"}
    assert launched(AGENTS["claude"], env={"OPENAI_API_KEY": "mine"})["OPENAI_API_KEY"] == "mine"


@pytest.mark.parametrize("given", ["agent --acp", [], ["agent", 1], {"a": 1}])
def test_a_command_is_a_list_of_strings(given: object) -> None:
    options = TurnOptions(cwd=Path("/"), provider_options={"command": given})
    with pytest.raises(InvalidOptionError, match="must be a list of a program and its arguments"):
        KnownDialect("acp", OTHER, CONFIG).launch(options)
