"""Agents by name, and what is asked of them before they run."""

import json
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from signedin import Client
from signedin.model.errors import (
    InvalidOptionError,
    UnsupportedOptionError,
    UnsupportedProviderError,
)
from signedin.model.options import TurnOptions
from signedin.providers.acp.catalogue import AGENTS, KnownAgent
from signedin.providers.acp.provider import KnownDialect
from signedin.providers.base import ProviderConfig
from signedin.providers.registry import load_provider, provider_names
from signedin.providers.shared.environment import vendor_variables

OTHER = KnownAgent(command=("other", "--acp"), install="get other", login="other login")
CONFIG = ProviderConfig(transport="acp")


def test_every_known_agent_is_a_provider() -> None:
    names = provider_names()
    for name, known in AGENTS.items():
        assert f"acp:{name}" in names
        assert load_provider(f"acp:{name}").name == f"acp:{name}"
        assert known.vendor in vendor_variables()
        assert known.tried
        assert known.guard is not None


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
    config = ProviderConfig(transport="acp", command=("agent",))
    options = TurnOptions(cwd=Path("/"), **keywords)
    return dict(KnownDialect("acp:x", known, config).launch(options).env)


def test_opencode_is_made_to_ask() -> None:
    env = launched(AGENTS["opencode"])
    rules = json.loads(env["OPENCODE_PERMISSION"])
    assert next(iter(rules)) == "*"  # the last rule that fits counts
    asked = {"edit", "bash", "webfetch", "toy_shout"}
    assert {name: rules.get(name, rules["*"]) for name in asked} == dict.fromkeys(asked, "ask")
    assert rules["read"]["*.env"] == "ask"


def test_an_agent_sees_the_credentials_of_its_vendor_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variables in vendor_variables().values():
        monkeypatch.setenv(variables.values[0], "planted")
    env = launched(AGENTS["claude"])
    assert {name for name, value in env.items() if value == "planted"} == {"ANTHROPIC_API_KEY"}
    assert launched(AGENTS["claude"], env={"OPENAI_API_KEY": "mine"})["OPENAI_API_KEY"] == "mine"


@pytest.mark.parametrize("given", ["agent --acp", [], ["agent", 1], {"a": 1}])
def test_a_command_is_a_list_of_strings(given: object) -> None:
    with pytest.raises(InvalidOptionError, match="must be a list of a program and its arguments"):
        Client("acp", command=given)


@pytest.mark.parametrize("provider", ["codex", "claude", "gemini", "acp:opencode"])
def test_only_an_unknown_agent_needs_a_command(provider: str) -> None:
    with pytest.raises(UnsupportedOptionError, match="does not support 'command': it knows what"):
        Client(provider, command=["agent"])


def test_a_program_of_a_command_is_looked_for(tmp_path: Path) -> None:
    program = tmp_path / "agent"
    program.touch(mode=0o700)
    assert Client("acp", command=[str(program), "--acp"]).installation().path == program
    assert Client("acp", command=["no-such-agent"]).installation().path is None
