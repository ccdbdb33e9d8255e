"""Flags that mean the same in every command."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypeVar, cast, get_args

import click

from signedin.cli.piped import StdinMode
from signedin.cli.streams import PLAIN
from signedin.model import choices
from signedin.model.errors import ErrorKind, Limit, SignedinError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from signedin.client.async_client import AsyncClient

DEFAULT_PROVIDER = "codex"

FILE = click.Path(path_type=Path)
"""The type of a flag that takes a file."""

Function = TypeVar("Function", bound=Callable[..., object])
Result = TypeVar("Result")
Suggestions: TypeAlias = "list[CompletionItem[str]] | list[str]"


class Group(click.Group):
    """Commands that ``--help`` lists in the order they are defined in."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Returns the names of the commands."""
        del ctx
        return list(self.commands)


class Grouped(click.Command):
    """A command with many flags, which ``--help`` lists in groups."""

    titles: ClassVar[Mapping[str, str]] = {
        "provider": "Who answers",
        "cwd": "Where it works, and what it may do",
        "resume": "Conversations",
        "image": "What is asked",
        "worktree": "A copy to work in",
        "timeout": "Limits",
        "source": "Accounts and programs",
        "transcript": "What is written",
    }
    """The title of each group, by the flag that it begins with."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes each group below its title."""
        groups: dict[str, list[tuple[str, str]]] = {}
        title = "Options"
        for parameter in self.get_params(ctx):
            title = self.titles.get(parameter.name or "", title)
            record = parameter.get_help_record(ctx)
            if record is not None and not isinstance(parameter, click.Argument):
                groups.setdefault(title, []).append(record)
        for title, records in groups.items():
            with formatter.section(title):
                formatter.write_dl(records)


def suggesting(values: str) -> Callable[[click.Context, click.Parameter, str], Suggestions]:
    """Returns what asks a function of `suggestions` once a shell completes a value."""

    def complete(context: click.Context, _: click.Parameter, incomplete: str) -> Suggestions:
        suggestions = import_module("signedin.cli.suggestions")
        return getattr(suggestions, values)(context, incomplete)

    return complete


profile = click.option(
    "--profile",
    "-P",
    "config_profile",
    metavar="NAME",
    expose_value=False,
    help="Take defaults of this profile; see `signedin config`.",
)
_provider = click.option(
    "--provider",
    "-p",
    default=DEFAULT_PROVIDER,
    metavar="NAME",
    help="The provider to use; see `signedin providers`.",
    shell_complete=suggesting("providers"),
)
_providers = click.option(
    "--provider",
    "-p",
    default=DEFAULT_PROVIDER,
    metavar="NAME[,NAME]",
    help="The provider to use, see `signedin providers`; with --on-limit several, the preferred "
    "one first.",
    shell_complete=suggesting("providers"),
)


def provider(function: Function) -> Function:
    """Adds ``--provider``, and ``--profile``: defaults for all flags that `config` knows."""
    return _provider(profile(function))


def providers(function: Function) -> Function:
    """Adds the same for a command that takes several providers."""
    return _providers(profile(function))


on_limit = click.option(
    "--on-limit",
    type=click.Choice(get_args(choices.OnLimit)),
    help="What to do when a plan is used up: give the prompt to the next provider, hand over the "
    "work as well, wait until the plan resets, or fail.",
)
model = click.option(
    "--model",
    "-m",
    metavar="NAME",
    help="A model name of the provider; see `signedin models`.",
    shell_complete=suggesting("models"),
)
effort = click.option(
    "--effort",
    metavar="LEVEL",
    help="Reasoning effort, in the provider's words; what you have set for the agent if not given, "
    "else low for codex and claude.",
    shell_complete=suggesting("efforts"),
)
transport = click.option(
    "--transport",
    metavar="NAME",
    help="How to drive the provider, if not in its default way.",
    shell_complete=suggesting("transports"),
)
account = click.option(
    "--account",
    metavar="NAME",
    help="Name of an isolated login.",
    shell_complete=suggesting("accounts"),
)
cwd = click.option(
    "--cwd",
    "-C",
    metavar="DIR",
    help="Working directory of the agent; the current one if not given.",
)
binary = click.option(
    "--binary", type=FILE, metavar="FILE", help="The program to run instead of the installed one."
)
permissions = click.option(
    "--permissions",
    type=click.Choice(get_args(choices.Permissions)),
    help="What the agent may do without asking; read-only if not given.",
)
_SANDBOX = (
    click.option(
        "--sandbox",
        type=click.Choice(get_args(choices.Sandbox)),
        help="What the system lets the agent write, whatever is allowed; what --permissions and "
        "your answers can allow if not given.",
    ),
    click.option(
        "--sandbox-exclude-read",
        multiple=True,
        metavar="PATH",
        help="What an agent in a sandbox cannot read, instead of the usual places of keys; "
        "repeatable.",
    ),
)
policy = click.option(
    "--policy", type=FILE, metavar="FILE", help="Rules that answer before you are asked, as TOML."
)
retry = click.option(
    "--retry",
    type=int,
    metavar="NUMBER",
    help="How often to retry a transient failure, unless the agent has begun to act.",
)
resume = click.option(
    "--resume",
    metavar="ID",
    help="Continue this session: its id, the beginning of that, its name, or latest for the newest "
    "of the working directory.",
    shell_complete=suggesting("sessions"),
)
trust_project = click.option(
    "--trust-project",
    is_flag=True,
    help="Apply the project's own settings, hooks, MCP servers and environment files.",
)
billing = click.option(
    "--billing",
    type=click.Choice(get_args(choices.Billing)),
    help="What must pay: the plan of a login, or an API key by use.",
)
instructions = click.option(
    "--instructions", metavar="TEXT", help="Added to the agent's own instructions."
)
mcp_server = click.option(
    "--mcp-server",
    type=FILE,
    multiple=True,
    metavar="FILE",
    help="Let the agent use the MCP servers of a JSON file; repeatable.",
)
ephemeral = click.option("--ephemeral", is_flag=True, help="Do not store the session.")
idle_timeout = click.option(
    "--idle-timeout",
    type=float,
    metavar="SECONDS",
    help="Time that may pass without anything happening.",
)
stdin = click.option(
    "--stdin",
    type=click.Choice(get_args(StdinMode)),
    default="auto",
    help="auto continues without piped input of which nothing comes for 3 seconds; wait waits for "
    "its end.",
)
BUDGET: Mapping[Limit, tuple[type[float], str, str]] = {
    "tokens": (int, "NUMBER", "Tokens that may be used, input and output."),
    "usd": (float, "DOLLARS", "US dollars, as the vendor reports them, else at list price."),
    "model_calls": (int, "NUMBER", "How often the model may be asked."),
    "tool_calls": (
        int,
        "NUMBER",
        "How many commands, file changes and calls of tools there may be.",
    ),
    "seconds": (float, "SECONDS", "How long turns may run, all together."),
    "plan_percent": (float, "PERCENT", "How full any window of the plan may become."),
}
"""What may be limited: the type of its number, how help calls that, and what it is."""

command = click.option(
    "--command", metavar="WORDS", help="The agent to start and its arguments, for the provider acp."
)
env = click.option(
    "--env",
    multiple=True,
    metavar="NAME=VALUE",
    help="A variable for the agent's process; repeatable.",
)
unset = click.option(
    "--unset",
    multiple=True,
    metavar="NAME",
    help="A variable the agent's process is not to have; repeatable.",
)
provider_option = click.option(
    "--provider-option",
    multiple=True,
    metavar="NAME=JSON",
    help="An option of this provider only; repeatable.",
)
base = click.option(
    "--base", metavar="COMMIT", help="The commit a worktree begins with; HEAD if not given."
)
include = click.option(
    "--include",
    multiple=True,
    metavar="PATH",
    help="Copy what git does not have, such as .env, to a worktree; repeatable.",
)
setup = click.option(
    "--setup", metavar="WORDS", help="A command that prepares a worktree; no shell runs it."
)


def _count_nothing(context: click.Context, parameter: click.Parameter, value: object) -> None:
    del context, parameter
    if value:
        os.environ["SIGNEDIN_LEDGER"] = "off"


no_ledger = click.option(
    "--no-ledger",
    is_flag=True,
    expose_value=False,
    callback=_count_nothing,
    help="Leave what is used out of the ledger; see `signedin usage`.",
)


def _make_plain(context: click.Context, parameter: click.Parameter, value: object) -> None:
    del context, parameter
    if value:
        os.environ[PLAIN] = "1"


plain = click.option(
    "--plain",
    is_flag=True,
    expose_value=False,
    callback=_make_plain,
    help="For screen readers: plain lines, words instead of signs, nothing redrawn. "
    f"{PLAIN}=1 does the same for every command.",
)
json = click.option(
    "--json", is_flag=True, help="Write JSON; `signedin schema` describes its form."
)


def source(default: choices.AuthSource = "auto") -> Callable[[Function], Function]:
    """Returns the decorator for ``--source``."""
    return click.option(
        "--source",
        type=click.Choice(get_args(choices.AuthSource)),
        default=default,
        help="Signedin's own login, the vendor's, or the first that is signed in.",
    )


def login(default: choices.AuthSource = "auto") -> Callable[[Function], Function]:
    """Returns the decorator for ``--provider``, ``--source`` and ``--account``: whose login."""

    def decorate(function: Function) -> Function:
        return _provider(source(default)(account(function)))

    return decorate


def budget(function: Callable[..., Result]) -> Callable[..., Result]:
    """Adds the flags of a budget to a command, which gets what they say as ``budget``."""

    @wraps(function)
    def collecting(**given: object) -> Result:
        from signedin.model.budget import Budget  # noqa: PLC0415 - not for help

        limits = {limit: given.pop(f"budget_{limit}") for limit in BUDGET}
        is_given = any(value is not None for value in limits.values())
        asked = Budget(**cast("dict[str, Any]", limits)) if is_given else None
        return function(**given, budget=asked)

    for limit, (kind, metavar, what) in reversed(tuple(BUDGET.items())):
        flag = f"--budget-{limit.replace('_', '-')}"
        collecting = click.option(flag, type=kind, metavar=metavar, help=what)(collecting)
    return collecting


def budget_limit(limit: Limit, number: str) -> float:
    """Returns the number of a limit, read as its flag reads it.

    Raises:
        ClickException: It is not a number that the limit takes.
    """
    return click.types.convert_type(BUDGET[limit][0]).convert(number, None, None)


def sandbox(function: Callable[..., Result]) -> Callable[..., Result]:
    """Adds the flags of a sandbox to a command, which gets them as ``sandbox``: keywords."""

    @wraps(function)
    def collecting(**given: object) -> Result:
        names = ("sandbox", "sandbox_exclude_read")
        keywords = {name: value for name in names if (value := given.pop(name, None))}
        return function(**given, sandbox=keywords)

    for option in reversed(_SANDBOX):
        collecting = option(collecting)
    return collecting


def defaults_for(
    command: click.Command, arguments: list[str], context: click.Context
) -> dict[str, object]:
    """Returns the defaults of files and variables for a command that is about to be parsed.

    Raises:
        InvalidOptionError: A file cannot be used; see `signedin.client.config.settings`.
    """
    if isinstance(command, click.Group):
        name = next((each for each in arguments if each in command.commands), None)
        if name is None:
            return {}
        rest = arguments[arguments.index(name) + 1 :]
        return {name: defaults_for(command.commands[name], rest, context)}
    flags = {each.name: each for each in command.params if isinstance(each, click.Option)}
    named = flags.get("provider")
    if named is None or named.default != DEFAULT_PROVIDER or {"-h", "--help"} & set(arguments):
        return {}
    with click.Context(command, parent=context, resilient_parsing=True) as trial:
        try:
            given, _, _ = command.make_parser(trial).parse_args(list(arguments))
        except click.UsageError:
            return {}  # it is reported when the arguments are parsed
    from signedin.client.config import for_provider, settings  # noqa: PLC0415 - not for help

    found = for_provider(
        settings(given.get("config_profile"), given.get("cwd")), given.get("provider")
    )
    values = {name.replace(".", "_"): setting.value for name, setting in found.items()}
    return {name: value for name, value in values.items() if name in flags}


@contextmanager
def naming_sessions(client: AsyncClient) -> Generator[None]:
    """Adds to an error about a session that was asked for how to find the right one."""
    try:
        yield
    except SignedinError as error:
        from signedin.model.events import SessionEvent  # noqa: PLC0415 - not for help

        seen = error.result.events if error.result else ()
        has_begun = any(isinstance(event, SessionEvent) for event in seen)
        is_refused = error.kind is ErrorKind.INVALID_OPTION and not has_begun
        if is_refused and client.capabilities.list_sessions:
            error.add_note(f"see: signedin sessions list --provider {client.provider}")
        raise


def providers_of(names: str) -> str | list[str]:
    """Returns one provider, or the several of a list."""
    listed = [name.strip() for name in names.split(",")]
    return listed[0] if len(listed) == 1 else listed


def client_of(provider: str, source: choices.AuthSource, account: str | None) -> AsyncClient:
    """Returns the client these flags ask for."""
    from signedin.client.async_client import AsyncClient  # noqa: PLC0415 - not for help

    return AsyncClient(provider, auth_source=source, account=account)
