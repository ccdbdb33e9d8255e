"""What a turn can be asked for, the same keywords everywhere."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from stat import S_ISDIR
from typing import TYPE_CHECKING, TypeAlias, TypedDict

import msgspec

from signedin.model.approvals import OnApproval, OnQuestion
from signedin.model.choices import Permissions, Sandbox
from signedin.model.errors import InvalidOptionError
from signedin.model.naming import Named
from signedin.model.redact import know, know_headers, know_variables

if TYPE_CHECKING:
    from signedin.client.budgets import Meter
    from signedin.model.budget import Budget
    from signedin.model.retry import Retry
    from signedin.safety.policy.rules import Policy, Rule
    from signedin.tools.structured_output import OutputSpec
    from signedin.tools.tool import AnyTool

VENDOR_DEFAULT = "default"
"""Value of ``model`` and ``effort`` that leaves the choice to the vendor's own configuration."""

StrPath: TypeAlias = str | os.PathLike[str]
Image: TypeAlias = "str | os.PathLike[str] | bytes"
"""A file, a ``data:`` or ``https:`` URL, or the bytes of a PNG, JPEG, GIF or WebP image."""

Output: TypeAlias = object
"""What an answer has to fit: a pydantic model, dataclass, ``TypedDict``, msgspec Struct or any
other annotation that has a JSON form, or a JSON Schema as a mapping.

Type checkers know no closer word for an annotation such as ``int | None`` or ``Literal["a", "b"]``.
"""


class TurnKeywords(TypedDict, total=False):
    """Keywords of `run`, `stream` and `session`; given to a client they are its defaults.

    Attributes:
        cwd: Working directory of the agent; the current one by default.
        model: A model name of the provider. If not given, what the user has set for that agent;
            where nothing is set, ``opus`` for Claude, else the vendor's choice, as is
            ``"default"``.
        effort: Reasoning effort in the provider's words. If not given, what the user has set for
            that agent; where nothing is set, ``low`` for Codex and Claude, else the vendor's
            choice, as is ``"default"``.
        timeout: Seconds a run may take in all, with its start, repairs and retries.
        idle_timeout: Seconds of silence of the agent: without any event, while no callback and
            no command or tool of the turn runs.
        budget: How much may be used: by the run, by all turns of the session or client, or by all
            prompts of the `map` that it is given to. Of several, each holds.
        env: Variables for the agent's process; ``None`` as a value removes one.
        permissions: What the agent may do without asking; ``read-only`` by default.
        sandbox: What the system lets the agent write, whatever is allowed; without it, what
            ``permissions`` and whoever decides approvals can allow.
        sandbox_exclude_read: Files and folders that a confined agent cannot read, instead of those
            where keys usually are.
        instructions: Added to the agent's own instructions.
        images: Shown to the model together with the prompt.
        policy: Rules of `signedin.safety.policy` that answer before ``on_approval`` is asked.
        on_approval: Decides what the agent may not do unasked; without it, that is denied.
        on_question: Answers the agent's questions; without it, they are declined.
        tools: Python functions the agent may call, see `signedin.tools.tool.tool`.
        mcp_servers: MCP servers the agent may use, by name.
        output_retries: How often an answer that does not fit ``output=`` is sent back.
        retry: Whether and how a failed run is retried.
        ephemeral: Whether the conversation is left out of the vendor's store.
        trust_project: Whether what the project configures counts: settings, hooks, MCP servers,
            environment files, commands and agents of the working directory. Off by default.
        provider_options: Everything that only one provider knows, by its own names.
    """

    cwd: StrPath | None
    model: str | None
    effort: str | None
    timeout: float | None
    idle_timeout: float | None
    budget: Budget | None
    env: Mapping[str, str | None]
    permissions: Permissions
    sandbox: Sandbox | None
    sandbox_exclude_read: Sequence[StrPath] | None
    instructions: str | None
    images: Sequence[Image]
    policy: Policy | Sequence[Rule] | None
    on_approval: OnApproval | None
    on_question: OnQuestion | None
    tools: Sequence[AnyTool]
    mcp_servers: Mapping[str, McpServer]
    output_retries: int
    retry: Retry | None
    ephemeral: bool
    trust_project: bool
    provider_options: Mapping[str, object]


class McpServer(
    msgspec.Struct, metaclass=Named, frozen=True, kw_only=True, repr_omit_defaults=True
):
    """An MCP server the agent may use: a program (``command``) or an address (``url``).

    Attributes:
        command: Program to start.
        args: Its arguments. Every user of the machine can read them: put secrets into ``env``.
        env: Variables for it, on top of the few that agents pass on.
        cwd: Its working directory.
        url: Address of a server that speaks streamable HTTP.
        bearer_token_variable: Name of the environment variable that holds its token.
        headers: HTTP headers to send.
        startup_timeout: Seconds it may take to start.
        tool_timeout: Seconds one tool call may take.
        trusted: Whether its tools run without asking.
    """

    command: str | None = None
    args: Sequence[str] = ()
    env: Mapping[str, str] = {}
    cwd: StrPath | None = None
    url: str | None = None
    bearer_token_variable: str | None = None
    headers: Mapping[str, str] = {}
    startup_timeout: float | None = None
    tool_timeout: float | None = None
    trusted: bool = False

    def __post_init__(self) -> None:
        """Checks that it is one of the two; has its secrets masked from now on."""
        if (self.command is None) == (self.url is None):
            raise InvalidOptionError("an MCP server needs either command= or url=")
        know_variables(self.env)
        know_headers(self.headers.items())

    def __repr__(self) -> str:
        return f"McpServer({self.command or self.url!r})"


class TurnOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`TurnKeywords` after checking, with the client's defaults filled in."""

    cwd: Path
    model: str | None = None
    effort: str | None = None
    timeout: float | None = None
    idle_timeout: float | None = None
    budget: tuple[Meter, ...] = ()
    env: Mapping[str, str | None] = {}
    permissions: Permissions = "read-only"
    sandbox: Sandbox | None = None
    sandbox_exclude_read: tuple[str, ...] | None = None
    instructions: str | None = None
    images: tuple[Image, ...] = ()
    policy: Policy | None = None
    on_approval: OnApproval | None = None
    on_question: OnQuestion | None = None
    tools: tuple[AnyTool, ...] = ()
    mcp_servers: Mapping[str, McpServer] = {}
    output: OutputSpec[object] | None = None
    output_retries: int = 1
    retry: Retry | None = None
    ephemeral: bool = False
    trust_project: bool = False
    provider_options: Mapping[str, object] = {}

    def __post_init__(self) -> None:
        """Masks the secrets from now on, wherever they are quoted."""
        if self.env:
            know_variables(self.env)
        if self.mcp_servers:
            bearers = [server.bearer_token_variable or "" for server in self.mcp_servers.values()]
            know(self.env.get(name) or os.environ.get(name) for name in bearers)

    def __repr__(self) -> str:
        """Leaves out what may hold secrets, such as the variables."""
        return (
            f"TurnOptions(cwd={str(self.cwd)!r}, model={self.model!r}, effort={self.effort!r}, "
            f"permissions={self.permissions!r})"
        )


def chosen(value: str | None) -> str | None:
    """Returns a model or effort, ``None`` if the choice is left to the vendor."""
    return None if value == VENDOR_DEFAULT else value


def check_switch(name: str, value: object) -> object:
    """Returns what is True or False.

    Only the boolean itself counts: nothing unintended must become trust.

    Raises:
        InvalidOptionError: It is something else.
    """
    if not isinstance(value, bool):
        raise InvalidOptionError(f"{name} must be True or False, not {value!r}")
    return value


def check_choice(option: str, value: object, choices: Sequence[str]) -> None:
    """Refuses what is not one of the words an option knows.

    Raises:
        InvalidOptionError: It is another word.
    """
    if value not in choices:
        raise InvalidOptionError(f"{option} must be one of {', '.join(choices)}, not {value!r}")


def absolute_path(path: StrPath) -> Path:
    """Returns a path as an absolute one, whether or not there is something.

    Raises:
        InvalidOptionError: It is not a path, or one that agents cannot be given.
    """
    try:
        # abspath, not resolve: a symlinked folder keeps the name the caller gave it
        absolute = Path(os.path.abspath(os.path.expanduser(path)))  # noqa: PTH100, PTH111
        str(absolute).encode()
    except TypeError as error:  # bytes, a number
        raise InvalidOptionError(f"cwd {path!r} is not a path: {error}") from None
    except FileNotFoundError:
        raise InvalidOptionError(
            "the current folder was removed; change to another, or give cwd= as an absolute path"
        ) from None
    except UnicodeEncodeError:
        raise InvalidOptionError(
            f"cwd {str(path)!r} has a name that is not UTF-8, which agents cannot be given; rename "
            "it, or give a link to it that has another name"
        ) from None
    return absolute


def checked_directory(path: StrPath) -> Path:
    """Returns a folder as an absolute path.

    Raises:
        InvalidOptionError: There is no such folder, or it cannot be used.
    """
    absolute = absolute_path(path)
    try:
        if S_ISDIR(absolute.stat().st_mode):
            return absolute
        what = "is not a directory"
    except (FileNotFoundError, ValueError):  # no name holds a NUL
        what = "does not exist"
    except OSError as error:
        what = f"cannot be used: {error.strerror}"
    raise InvalidOptionError(f"cwd {str(path)!r} {what} (resolved to {absolute})")


def past_directory(path: StrPath) -> Path:
    """Returns a folder that may be gone as an absolute path.

    Raises:
        InvalidOptionError: It cannot be or have been a folder.
    """
    absolute = absolute_path(path)
    try:
        absolute.lstat()
    except FileNotFoundError:
        return absolute
    except (OSError, ValueError):
        pass  # reported below
    return checked_directory(path)
