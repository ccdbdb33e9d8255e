"""What each keyword and provider option does at each door: declared here, measured by the tests.

Rules come first; what departs from them is an exception with a reason. ``docs/doors.md`` is made of
this, and a keyword or option that is not listed here fails the test.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Literal, NamedTuple

from signedin.client.conversations import _FIXED_AT_START
from signedin.model.capabilities import _NEEDS, Capabilities
from signedin.providers.chatgpt.session import ChatGPTSession
from signedin.providers.claude.session import ClaudeSession
from signedin.providers.codex.app_server.session import CodexSession
from signedin.providers.gemini.acp import GeminiDialect
from signedin.providers.registry import load_provider

Outcome = Literal["effect", "refused", "fixed", "nothing"]

DOORS = {
    "run": "`client.run`",
    "stream": "`client.stream`",
    "first": "the first turn of a session",
    "later": "a later turn of a session",
    "resume": "`resume=`, where the conversation is not open elsewhere",
    "shared": "`resume=`, where a session of the same client has it open",
    "elsewhere": "`resume=`, where another client, with processes of its own, has it open",
    "fork": "`client.session(resume=..., fork=True)`",
    "review": "`session.review`",
    "compact": "`session.compact`",
    "map": "`client.map`",
    "cli": "`signedin run`, by the flag of that name",
}
"""Where keywords are given."""

BEGUN = ("later", "shared", "review", "compact")
"""Doors to a conversation that is open already."""

KEYWORDS = (
    "cwd",
    "model",
    "effort",
    "timeout",
    "idle_timeout",
    "budget",
    "env",
    "permissions",
    "sandbox",
    "sandbox_exclude_read",
    "instructions",
    "images",
    "policy",
    "on_approval",
    "on_question",
    "tools",
    "mcp_servers",
    "output",
    "output_retries",
    "retry",
    "ephemeral",
    "trust_project",
    "resume",
    "fork",
)

RETRY_OPTIONS = (
    "max_retries",
    "retry_backoff_s",
    "retry_backoff_max_s",
    "retry_jitter_s",
    "retry_on_timeout",
)
"""Keys of ``provider_options`` that every provider has: they spell ``retry`` in another way."""


class Way(NamedTuple):
    """A way to drive an agent.

    Attributes:
        provider: The provider.
        transport: Its transport.
        options: The keys of ``provider_options`` that it knows, without those of ``retry``.
        fixed: Those of them that count when a session begins.
    """

    provider: str
    transport: str
    options: tuple[str, ...]
    fixed: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """What it is called in tables."""
        return self.provider if self.transport == "acp" else self.transport

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        return load_provider(self.provider).transports[self.transport]

    @property
    def names(self) -> tuple[str, ...]:
        """All that can be given to it; the names of provider options begin with a dot."""
        return (*KEYWORDS, *(f".{name}" for name in (*RETRY_OPTIONS, *self.options)))


_CODEX = (
    "base_instructions",
    "config",
    "model_reasoning_effort",
    "personality",
    "reasoning_effort",
    "service_tier",
    "summary",
)
_CLAUDE = (
    "add_dirs",
    "agents",
    "allowed_tools",
    "betas",
    "disallowed_tools",
    "fallback_model",
    "max_budget_usd",
    "max_thinking_tokens",
    "max_turns",
    "permission_mode",
    "reasoning_effort",
    "setting_sources",
    "settings",
    "system_prompt",
    "tools",
)
_CHATGPT = (
    "access",
    "allowed_accounts",
    "base_url",
    "client_version",
    "max_requests",
    "on_auth_refresh",
    "parallel_tool_calls",
    "profile",
    "prompt_cache_key",
    "reasoning_summary",
    "request_max_retries",
    "service_tier",
    "sessions",
    "tool_choice",
    "verbosity",
    "web_search",
)
_GEMINI = ("approval_mode", "extra_argv", "include_directories", "sandbox", "yolo")
_ACP = ("config", "mode", "writable")

WAYS = {
    way.name: way
    for way in (
        Way("codex", "codex-app-server", _CODEX, CodexSession.fixed_options),
        Way("claude", "claude-cli", _CLAUDE, ClaudeSession.fixed_options),
        Way("gemini", "gemini-acp", _GEMINI, GeminiDialect.traits.fixed_options),
        Way("acp:opencode", "acp", _ACP, frozenset({"writable"})),
        Way("acp:qwen", "acp", _ACP, frozenset({"writable"})),
        Way("chatgpt", "chatgpt-responses", _CHATGPT, ChatGPTSession.fixed_options),
    )
}


TRIED: Mapping[str, tuple[str, ...]] = {
    "codex-app-server-wheel": tuple(DOORS),
    "codex-app-server-0.169.0": ("later", "resume", "fork"),
    "claude-cli-2.1.331": tuple(DOORS),
    "claude-cli-2.1.197": ("later", "resume", "fork"),
    "gemini-acp-0.61.0": tuple(DOORS),
    "opencode-1.18.33": tuple(door for door in DOORS if door != "cli"),
    "qwen-0.15.10": tuple(DOORS),
    "chatgpt-responses": tuple(DOORS),
}
"""The doors that are tried of each row; an older version is tried where versions have differed."""

SLOW: Mapping[str, tuple[str, ...]] = {
    "opencode-1.18.33": tuple(door for door in DOORS if door != "later"),
}
"""Those of them that take up to some minutes each."""

UNTRIED = {
    "acp:opencode": "cli, as a whole: a command that is not approved ends its turn there, before "
    "the rest of what is asked for has shown its effect",
}
"""What is declared by the rules alone, and why nobody has seen it."""

OLDER = {
    "claude-cli-2.1.197": ("cwd", "it finds conversations only in the folder they began in"),
}
"""What an older version has not, and why; it refuses that in its own words."""


class Cell(NamedTuple):
    """One combination.

    Attributes:
        outcome: What comes of it.
        reason: Why, where it is not what the rules say of all.
    """

    outcome: Outcome
    reason: str = ""


_NEEDED_BY_DOORS = {
    "resume": "resume",
    "shared": "resume",
    "elsewhere": "resume",
    "fork": "fork",
    "review": "review",
    "compact": "compact",
}


LOCKED = {
    ("codex-app-server", "elsewhere"): "Codex locks a thread for the process that has it open",
}
"""Doors that a vendor keeps locked."""


def is_door(way: Way, door: str) -> bool:
    """Whether a way has a door at all; all that is given at one it does not have is refused."""
    if (way.name, door) in LOCKED:
        return False
    needed = _NEEDED_BY_DOORS.get(door)
    return needed is None or getattr(way.capabilities, needed)


class _Exception(NamedTuple):
    ways: tuple[str, ...]
    names: tuple[str, ...]
    doors: tuple[str, ...]
    cell: Cell


_ANY_DOOR = tuple(DOORS)
_ACTING = ("permissions", "policy", "on_approval", "on_question", "cwd")

EXCEPTIONS = (
    _Exception(
        ("codex-app-server",),
        ("tools",),
        ("resume", "elsewhere", "fork"),
        Cell(
            "effect",
            "a stored thread has only the tools it began with; others are refused by name",
        ),
    ),
    _Exception(
        ("codex-app-server",),
        ("sandbox", "sandbox_exclude_read"),
        _ANY_DOOR,
        Cell("refused", "its own sandbox follows `permissions`; what says the same is taken"),
    ),
    _Exception(
        ("codex-app-server",),
        (".personality",),
        ("resume", "shared", "elsewhere", "fork"),
        Cell("refused", "a thread keeps the one that it began with"),
    ),
    _Exception(
        ("codex-app-server",),
        ("env",),
        ("resume",),
        Cell(
            "effect",
            "another one than a process of the same client had for the thread is refused by name",
        ),
    ),
    _Exception(
        ("codex-app-server",),
        ("on_question",),
        ("later", "shared"),
        Cell("fixed", "Codex asks in a session that began with it, and in no other"),
    ),
    _Exception(
        ("codex-app-server",),
        ("policy", "on_approval", "on_question"),
        ("review",),
        Cell("nothing", "a reviewer does not ask"),
    ),
    _Exception(
        ("codex-app-server",),
        _ACTING,
        ("compact",),
        Cell("nothing", "a summary is written without acting"),
    ),
    _Exception(
        ("claude-cli",),
        _ACTING,
        ("compact",),
        Cell("nothing", "a summary is written without acting"),
    ),
    _Exception(
        ("claude-cli",),
        (".agents", ".fallback_model"),
        ("compact",),
        Cell("nothing", "a summary is written by the model alone, and by no other"),
    ),
    _Exception(
        ("gemini-acp",),
        ("effort",),
        _ANY_DOOR,
        Cell("refused"),
    ),
    _Exception(
        ("gemini-acp", "acp:opencode"),
        ("cwd",),
        ("later", "resume", "shared", "elsewhere"),
        Cell("fixed", "it is that of the session"),
    ),
    _Exception(
        ("acp:opencode",),
        ("cwd",),
        ("fork",),
        Cell("fixed", "opencode 1.18 stands still in a copy in another folder"),
    ),
    _Exception(
        ("gemini-acp",),
        ("trust_project",),
        ("elsewhere", "resume"),
        Cell("nothing", "gemini 0.61 runs no hooks in a session that another process has begun"),
    ),
    _Exception(
        ("acp:qwen",),
        ("cwd",),
        ("later", "shared"),
        Cell("fixed", "it is that of the session"),
    ),
    _Exception(
        ("acp:qwen",),
        ("cwd",),
        ("resume",),
        Cell("fixed", "within a client, where the process holds the session still"),
    ),
    _Exception(
        ("gemini-acp", "acp:qwen"),
        ("tools", "mcp_servers"),
        ("resume",),
        Cell("effect", "within a client, those it began with; others are refused by name"),
    ),
    _Exception(
        ("chatgpt-responses",),
        (".profile",),
        tuple(door for door in DOORS if door not in BEGUN),
        Cell("nothing", "beside `access` and `base_url`, which say what it would say"),
    ),
    _Exception(
        ("chatgpt-responses",),
        (".allowed_accounts", ".on_auth_refresh"),
        tuple(door for door in DOORS if door not in BEGUN),
        Cell("refused", "together with `access`; with the stored login they have their effect"),
    ),
    _Exception(
        ("chatgpt-responses",),
        ("env",),
        _ANY_DOOR,
        Cell("refused", "there is no process to give it to"),
    ),
    _Exception(
        ("codex-app-server", "claude-cli"),
        ("images",),
        ("review", "compact"),
        Cell("refused", "it takes no images"),
    ),
)


@cache
def cell(way: Way, name: str, door: str) -> Cell:
    """Says what comes of a keyword or provider option at a door."""
    for exception in EXCEPTIONS:
        if way.name in exception.ways and name in exception.names and door in exception.doors:
            return exception.cell
    return _by_rule(way, name, door)


def _by_rule(way: Way, name: str, door: str) -> Cell:
    capabilities = way.capabilities
    capability, _ = _NEEDS.get(name, ("", None))
    if not is_door(way, door) or (capability and not getattr(capabilities, capability)):
        return Cell("refused")
    if name in {"resume", "fork"}:
        return _of_the_conversation(name, door)
    if name == "output" and door in {"review", "compact"}:
        return Cell("refused", "they have an end of their own")
    if name in {"retry", "output_retries"} or name[1:] in RETRY_OPTIONS:
        return _trying_again(name, door, can_roll_back=capabilities.roll_back)
    if door in BEGUN and (name in _FIXED_AT_START or name[1:] in way.fixed):
        return Cell("fixed")
    if door == "cli" and name in {"tools", "on_approval", "on_question"}:
        return Cell("refused", "there is no flag: a shell has no functions; a terminal is asked")
    return Cell("effect")


def _of_the_conversation(name: str, door: str) -> Cell:
    if door in {"resume", "shared", "elsewhere", "fork"}:
        return Cell("effect" if name == "resume" or door == "fork" else "refused")
    if door in {"run", "stream", "first", "cli"} and name == "resume":
        return Cell("effect")
    if door == "cli":
        return Cell("effect", "with `--resume`")
    return Cell("refused")


def _trying_again(name: str, door: str, *, can_roll_back: bool) -> Cell:
    if door in {"stream", "review", "compact"}:
        return Cell("refused", "what was seen of a turn cannot be unseen")
    is_own = door in {"run", "map", "cli"}
    if name != "output_retries" and not is_own and not can_roll_back:
        return Cell("refused")
    return Cell("effect")


def combinations() -> Iterator[tuple[Way, str, str, Cell]]:
    """All there are."""
    for way in WAYS.values():
        for name in way.names:
            for door in DOORS:
                yield way, name, door, cell(way, name, door)
