"""All ways to drive an agent: each provider on its default transport, each installed version."""

from pathlib import Path
from typing import NamedTuple

from support.agents import program, versions

WHEEL = "wheel"
"""Stands for the version of the agent that the extra of signedin installs."""


class Row(NamedTuple):
    """One way to drive one version of one agent.

    Attributes:
        provider: The provider.
        transport: The transport.
        agent: The agent's name in scripts/agents.toml, empty if no program is driven.
        version: Its version.
    """

    provider: str
    transport: str
    agent: str = ""
    version: str = ""

    @property
    def kind(self) -> str:
        """What all versions have in common."""
        return self.agent if self.transport == "acp" else self.transport

    @property
    def name(self) -> str:
        """How the row is called in the names of tests."""
        return f"{self.kind}-{self.version}" if self.version else self.kind

    @property
    def trusts(self) -> bool:
        """Whether it has to trust the project: it looks for files in all folders above.

        The homes of those who run the tests are among these.
        """
        return self.agent == "copilot"

    @property
    def binary(self) -> Path | None:
        """The program to run."""
        return program(self.agent, self.version) if self.version not in {"", WHEEL} else None


ROWS = [
    *(
        Row("codex", "codex-app-server", "codex", version)
        for version in (*versions("codex"), WHEEL)
    ),
    *(Row("claude", "claude-cli", "claude", version) for version in versions("claude")),
    *(Row("gemini", "gemini-acp", "gemini", version) for version in versions("gemini")),
    *(
        Row(f"acp:{agent}", "acp", agent, version)
        for agent in ("opencode", "qwen")
        for version in versions(agent)
    ),
    Row("chatgpt", "chatgpt-responses"),
]

COMPATIBILITY = [
    Row("codex", "codex-exec", "codex", WHEEL),
    Row("claude", "claude-agent-sdk", "claude", versions("claude")[0]),
    Row("gemini", "gemini-cli", "gemini", versions("gemini")[0]),
]
"""Transports with a scenario file of their own; besides that they are held to what is safe only."""

WITH_COPILOT = [
    *ROWS,
    *(Row("acp:copilot", "acp", "copilot", version) for version in versions("copilot")),
]
"""Also the agent that is held to the scenarios and the sandbox only, not to every door."""

LIVE = {
    "codex-app-server-wheel",  # what pip installs
    f"claude-cli-{versions('claude')[0]}",
    f"gemini-acp-{versions('gemini')[0]}",
    f"qwen-{versions('qwen')[0]}",  # of the agents that speak ACP, the one that starts cheapest
    "chatgpt-responses",
}
"""The rows that `make test` drives: each agent once, on its default transport."""

LIVE_FOR_ALL = {"codex-app-server-wheel", "chatgpt-responses"}
"""Those of them that `make test` drives where a test is about signedin, whatever the agent is."""


def row_of(kind: str) -> Row:
    """The row of a kind that `make test` drives; of a kind it does not drive the newest."""
    rows = [row for row in WITH_COPILOT if row.kind == kind]
    return next((row for row in rows if row.name in LIVE), rows[0])
