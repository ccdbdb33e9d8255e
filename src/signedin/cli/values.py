"""What flags give, as the values the Python API takes."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import msgspec

from signedin.cli.errors import UsageError
from signedin.cli.piped import PipedInput
from signedin.model.errors import InvalidOptionError
from signedin.model.events import JSON
from signedin.model.options import McpServer

if TYPE_CHECKING:
    from signedin.model.retry import Retry
    from signedin.safety.policy.rules import Policy


def read_prompt(argument: str, piped: PipedInput) -> str:
    """Returns the prompt, with what comes in on standard input.

    ``-`` is what standard input has. Below any other prompt stands what is piped in, after an
    empty line; a terminal, the null device and closed input have nothing to add.

    Raises:
        UsageError: It is empty, or no text.
        TimeoutExceededError: Standard input does not end in the time of the run.
    """
    if argument == "-":
        return _checked_text(piped.read(), "standard input")
    prompt = _checked_text(argument, "the prompt")
    added = piped.below_prompt()
    return f"{prompt}\n\n{added}" if added.strip() else prompt


def variables(env: Sequence[str], unset: Sequence[str]) -> dict[str, str | None]:
    """Returns what ``--env NAME=VALUE`` and ``--unset NAME`` say."""
    return {**dict.fromkeys(unset), **dict(_pair(given, "--env") for given in env)}


def provider_options(given: Sequence[str], flag: str = "--provider-option") -> dict[str, object]:
    """Returns what a flag with ``NAME=JSON`` says; what is not JSON is a string."""
    options: dict[str, object] = {}
    for each in given:
        name, value = _pair(each, flag)
        try:
            options[name] = cast("object", msgspec.json.decode(value))
        except msgspec.DecodeError:
            options[name] = value
    return options


def words(command: str, flag: str = "--command") -> list[str]:
    """Returns the words of a command line.

    Raises:
        UsageError: A quotation does not end.
    """
    try:
        return shlex.split(command)
    except ValueError as error:
        raise UsageError(f"{flag} {command!r} cannot be split into words: {error}") from None


def output_schema(file: Path) -> Mapping[str, JSON]:
    """Returns the JSON Schema in a file.

    Raises:
        UsageError: The file has no JSON object.
    """
    return _object_in(file, "--output-schema")


def retry(retries: int | None) -> Retry | None:
    """Returns how often to retry, if that was given."""
    from signedin.model.retry import Retry  # noqa: PLC0415 - 10 ms, seldom needed

    return None if retries is None else Retry(retries)


def policy(file: Path) -> Policy:
    """Returns the policy in a file."""
    from signedin.safety.policy.rules import Policy  # noqa: PLC0415 - costs 10 ms, seldom needed

    return Policy.from_file(file)


def mcp_servers(files: Sequence[Path]) -> dict[str, McpServer]:
    """Returns the MCP servers that files describe, by name.

    A file has a JSON object of servers by name, bare or below ``mcpServers`` as many programs have
    it; a server has the fields of `McpServer`.

    Raises:
        UsageError: A file has something else.
    """
    servers: dict[str, McpServer] = {}
    for file in files:
        found = _object_in(file, "--mcp-server")
        listed = found.get("mcpServers", found)
        if not isinstance(listed, dict):
            raise UsageError(f"--mcp-server {file}: mcpServers is not an object of servers by name")
        for name, fields in listed.items():
            servers[name] = _mcp_server(fields, f"--mcp-server {file}: {name}")
    return servers


class _ServerEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`McpServer` as a file has it; its ``type`` says what the other fields say as well."""

    type: Literal["stdio", "http", "streamable-http"] | None = None
    command: str | None = None
    args: tuple[str, ...] = ()
    env: dict[str, str] = {}
    cwd: str | None = None
    url: str | None = None
    bearer_token_variable: str | None = None
    headers: dict[str, str] = {}
    startup_timeout: float | None = None
    tool_timeout: float | None = None
    trusted: bool = False


def _mcp_server(described: JSON, where: str) -> McpServer:
    try:
        entry = msgspec.convert(described, _ServerEntry)
        return McpServer(**{name: getattr(entry, name) for name in McpServer.__struct_fields__})
    except (msgspec.ValidationError, InvalidOptionError) as error:
        raise UsageError(f"{where}: {error}") from None


def _object_in(file: Path, flag: str) -> dict[str, JSON]:
    try:
        found: JSON = msgspec.json.decode(file.read_bytes())
    except msgspec.DecodeError as error:
        raise UsageError(f"{flag} {file} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise UsageError(f"{flag} {file} has no JSON object")
    return found


def _checked_text(text: str, where: str) -> str:
    try:
        text.encode()
    except UnicodeError:
        raise UsageError(f"{where} is not UTF-8 text") from None
    if not text.strip():
        raise UsageError(f"{where} is empty; say what to ask, or - to read it from standard input")
    return text


def _pair(given: str, flag: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not name or not equals:
        raise UsageError(f"{flag} takes NAME=VALUE, not {given!r}")
    return name, value
