"""Several real agents, each with a scripted model of its own, as the providers of one client."""

from pathlib import Path

from signedin import Client
from support.rows import row_of
from support.stage import Stage

AGENTS = {
    "claude": ("claude-cli", {"CLAUDE_CODE_MAX_RETRIES": "0", "ANTHROPIC_API_KEY": None}),
    "codex": ("codex-app-server", {}),
    "gemini": ("gemini-acp", {}),
    "acp:opencode": ("opencode", {}),
}
"""The kind of row of each provider, and variables with which it reports a used-up plan."""

LOGIN = {"CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-loopback"}


class Troupe:
    """Agents that can be clients' providers, each with a stage."""

    def __init__(self, cwd: Path) -> None:
        self.cwd = cwd
        self._stages: dict[str, Stage] = {}
        self._clients: dict[tuple[object, ...], Client] = {}

    def stage(self, provider: str) -> Stage:
        """The model of a provider."""
        if provider not in self._stages:
            self._stages[provider] = Stage(provider).__enter__()
        return self._stages[provider]

    def member(self, provider: str) -> tuple[str, dict[str, object]]:
        """A provider with what drives it against its model."""
        kind, env = AGENTS[provider]
        options = self.stage(provider).options
        login = LOGIN if provider == "claude" else {}
        own = {**options, "env": {**options["env"], **env, **login}}
        binary = row_of(kind).binary
        return provider, {"binary": str(binary) if binary else None, **own}

    def client(self, *providers: str, **keywords: object) -> Client:
        """A new client, which the caller closes."""
        members = [self.member(provider) for provider in providers]
        return Client(members, cwd=self.cwd, permissions="full-access", **keywords)

    def warm(self, *providers: str, on_limit: str) -> Client:
        """A client that lives as long as the agents."""
        key = (*providers, on_limit)
        if key not in self._clients:
            self._clients[key] = self.client(*providers, on_limit=on_limit)
        return self._clients[key]

    def close(self) -> None:
        """Ends all."""
        for client in self._clients.values():
            client.close()
        for stage in self._stages.values():
            stage.__exit__(None, None, None)
