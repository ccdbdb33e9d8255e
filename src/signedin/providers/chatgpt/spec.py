"""What is known of ChatGPT before it is used."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import msgspec

from signedin.accounts.hints import sign_in_command
from signedin.model.capabilities import EVERYTHING
from signedin.model.extras import install_command
from signedin.providers.base import Installation, Provider, ProviderConfig, ProviderSpec

INSTALL = install_command("chatgpt")
SIGN_IN = sign_in_command("chatgpt", source="isolated", method="browser")


def _create(config: ProviderConfig) -> Provider:
    from signedin.providers.chatgpt.provider import ChatGPTProvider  # noqa: PLC0415 - if chosen

    return ChatGPTProvider(config)


def find_client(config: ProviderConfig) -> Installation:
    """Looks for the HTTP client; there is no program."""
    del config
    found = find_spec("aiohttp")
    if found is None or found.origin is None:
        return Installation(
            path=None, origin="none", problem="aiohttp is not installed", install=INSTALL
        )
    return Installation(path=Path(found.origin), origin="package")


SPEC = ProviderSpec(
    name="chatgpt",
    transports={
        "chatgpt-responses": msgspec.structs.replace(
            EVERYTHING,
            compact=False,
            review=False,
            workspace=False,
            sandboxed=False,
            own_sandbox=False,
            command_output=False,
            diffs=False,
            approvals=False,
            changed_input=False,
            policy=False,
            policy_commands=False,
            policy_reads=False,
            questions=False,
            elicitation=False,
            mcp_servers=False,
            cost=False,
            subagents=False,
        ),
    },
    create=_create,
    find=find_client,
    install=INSTALL,
    login=SIGN_IN,
    profiles=("siwc", "codex"),
    takes_binary=False,
    vendor="codex",
    quirks=(
        "it has no working directory: it runs no commands and changes no files",
        "conversations are stored on this machine, and sent whole with every request",
    ),
)
