"""Data that can hold secrets do not show them when they are printed."""

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import msgspec

import signedin
from signedin.client.keywords import resolve
from signedin.model.options import McpServer
from signedin.providers.acp.dialect import Launch
from signedin.providers.acp.protocol import CreateTerminal, EnvVariable
from signedin.providers.gemini.account.method import GeminiStart

SECRET = "planted-0123456789"
NOT_THESE = ("signedin.integrations", "signedin.cli", "signedin.loopback")
HOLD_SECRETS = {
    "access_token",
    "api_key",
    "credential",
    "env",
    "environment",
    "headers",
    "id_token",
    "mcp_servers",
    "password",
    "refresh_token",
    "token",
}
HARMLESS = {
    "signedin.accounts.variables.Variables",  # names only
    "signedin.providers.acp.catalogue.KnownAgent",  # written down in our own code
    "signedin.providers.acp.catalogue.ProjectGuard",  # the same
    "signedin.providers.acp.protocol.CreateTerminal",  # its variables hide their values
    "signedin.model.capabilities.Capabilities",  # says whether there can be any
    "signedin.model.capabilities.CommonCapabilities",  # the same
    "signedin.providers.claude.account.home._Settings",  # keeps no values
}


def data_types() -> Iterator[tuple[str, type, set[str]]]:
    """All data types of the layers that handle secrets, with the names of their fields."""
    for found in pkgutil.walk_packages(signedin.__path__, "signedin."):
        if found.name.startswith(NOT_THESE) or ".codex.protocol" in found.name:
            continue
        module = importlib.import_module(found.name)
        for name, kind in vars(module).items():
            if not inspect.isclass(kind) or kind.__module__ != module.__name__:
                continue
            if issubclass(kind, msgspec.Struct):
                yield f"{module.__name__}.{name}", kind, set(kind.__struct_fields__)
            elif dataclasses.is_dataclass(kind):
                fields = {field.name for field in dataclasses.fields(kind)}
                yield f"{module.__name__}.{name}", kind, fields


def test_whatever_can_hold_secrets_says_itself_how_it_is_shown() -> None:
    careless = [
        name
        for name, kind, fields in data_types()
        if fields & HOLD_SECRETS and "__repr__" not in vars(kind) and name not in HARMLESS
    ]
    assert careless == []


def test_variables_are_not_shown() -> None:
    env = {"OPAQUE": SECRET}
    server = McpServer(command="server", env=env, headers={"X-Opaque": SECRET})
    options = resolve({}, {"env": env, "mcp_servers": {"s": server}, "provider_options": env})
    shown = [
        repr(server),
        repr(options),
        repr(Launch(argv=("agent",), env=env)),
        repr(CreateTerminal(env=(EnvVariable(name="OPAQUE", value=SECRET),))),
        repr(GeminiStart(env=env, cwd=Path(), trusted=True, acp=True)),
    ]
    assert [text for text in shown if SECRET in text] == []
    assert [shown[2], shown[4]] == ["Launch('agent')", "Start(cwd='.', trusted=True, acp=True)"]
