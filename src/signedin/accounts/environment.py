"""The environment of an agent's process."""

from __future__ import annotations

import os
from collections.abc import Mapping

from signedin.options import EnvPolicy

CREDENTIALS: Mapping[str, tuple[str, ...]] = {
    "codex": ("OPENAI_API_KEY", "CODEX_API_KEY", "CODEX_ACCESS_TOKEN", "AZURE_OPENAI_API_KEY"),
    "claude": (
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_AUTH_TOKEN",
        "ANTHROPIC_AWS_API_KEY",
        "ANTHROPIC_FOUNDRY_API_KEY",
        "ANTHROPIC_FOUNDRY_AUTH_TOKEN",
        "ANTHROPIC_IDENTITY_TOKEN",
        "AWS_BEARER_TOKEN_BEDROCK",
        "CLAUDE_CODE_OAUTH_REFRESH_TOKEN",
        "CLAUDE_CODE_OAUTH_TOKEN",
    ),
    "gemini": (
        "GEMINI_API_KEY",
        "GOOGLE_API_KEY",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GOOGLE_CLOUD_ACCESS_TOKEN",
    ),
    "others": (
        "CEREBRAS_API_KEY",
        "COHERE_API_KEY",
        "COPILOT_GITHUB_TOKEN",
        "CURSOR_API_KEY",
        "DASHSCOPE_API_KEY",
        "DEEPSEEK_API_KEY",
        "FIREWORKS_API_KEY",
        "GROQ_API_KEY",
        "MISTRAL_API_KEY",
        "MOONSHOT_API_KEY",
        "OPENROUTER_API_KEY",
        "PERPLEXITY_API_KEY",
        "TOGETHER_API_KEY",
        "XAI_API_KEY",
    ),
}
"""Variables that hold credentials for models, by the vendor they belong to."""

_FLEETING = ("PYTEST_CURRENT_TEST",)
"""Variables that change while a program runs. Agents are told apart by their environments: with
these, a program's tests would start one each."""


def child_environment(
    vendor: str, policy: EnvPolicy, changes: Mapping[str, str | None]
) -> dict[str, str]:
    """Returns the environment for an agent's process.

    Args:
        vendor: Whose credentials the agent may see; a key of `CREDENTIALS`.
        policy: ``minimal`` leaves out every other vendor's credentials, and the name of the test
            that runs; ``inherit`` leaves out nothing.
        changes: Set on top, whatever the policy; ``None`` removes a variable.
    """
    environment = dict(os.environ)
    if policy == "minimal":
        for name in _FLEETING:
            environment.pop(name, None)
        for owner, names in CREDENTIALS.items():
            if owner != vendor:
                for name in names:
                    environment.pop(name, None)
    for name, value in changes.items():
        if value is None:
            environment.pop(name, None)
        else:
            environment[name] = value
    return environment
