"""What providers can do, and which keywords need that they can."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, cast

import msgspec

from signedin.model.errors import UnsupportedOptionError
from signedin.model.options import VENDOR_DEFAULT

if TYPE_CHECKING:
    from signedin.model.retry import Retry
    from signedin.safety.policy.rules import Policy


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider can do through one of its transports.

    What it cannot do is refused with `UnsupportedOptionError`. The contract suite holds every
    provider to both.

    Attributes:
        deltas: Text comes while it is written.
        failures: A failed request to the model ends the turn and is reported by its kind. Agents
            without this retry for minutes and report nothing; give turns an ``idle_timeout``.
        sessions: A session has several turns.
        resume: A session is continued by its id.
        fork: A session is continued in a copy.
        list_sessions: Stored sessions are listed.
        history: The past turns of a session can be read.
        rename: A session is named.
        archive: A session can be archived and unarchived.
        delete: A session is deleted permanently.
        ephemeral: A session is left out of the vendor's store.
        roll_back: A failed turn is taken out of its session, so ``retry`` works in sessions too.
        compact: A session is replaced by a summary of it.
        review: Changes are reviewed.
        steer: A running turn takes more words.
        interrupt: A running turn is stopped.
        workspace: It works in ``cwd``: runs commands and changes files, as ``permissions`` say.
        sandboxed: The system refuses what ``sandbox`` does not let it do.
        own_sandbox: That sandbox is the agent's own, which follows ``permissions``.
        command_output: A command is reported with its output and its exit code.
        diffs: A file change is reported with its diff.
        approvals: What is not permitted is asked for.
        changed_input: It runs what `allow(changed=…)` of an approval callback gives. Elsewhere the
            agent is refused, and may then ask for exactly that.
        policy: Rules answer what is asked; the agent asks for whatever it writes.
        policy_commands: It asks for each command that a rule denies or asks for.
        policy_reads: The same for what it reads.
        questions: The agent asks the user.
        elicitation: MCP servers ask the user.
        images: Images are shown to the model.
        effort: The reasoning effort is chosen.
        instructions: The agent's own instructions are added to.
        tools: Python functions are called.
        mcp_servers: MCP servers are used.
        output_schema: An answer has the shape of ``output``.
        models: The models of the account are listed.
        limits: What is left of the plan is reported.
        usage: The tokens of all requests of a turn to the model are reported.
        usage_during: They are reported after each of these requests, not only after the turn.
        cost: The price of a turn is reported, in US dollars.
        subagents: What subagents do is reported, and marked with ``agent``.
        prewarm: The process is started ahead of the first turn.
        cassette: What passes between signedin and the agent can be recorded and replayed.
    """

    deltas: bool = False
    failures: bool = False
    sessions: bool = False
    resume: bool = False
    fork: bool = False
    list_sessions: bool = False
    history: bool = False
    rename: bool = False
    archive: bool = False
    delete: bool = False
    ephemeral: bool = False
    roll_back: bool = False
    compact: bool = False
    review: bool = False
    steer: bool = False
    interrupt: bool = False
    workspace: bool = False
    sandboxed: bool = False
    own_sandbox: bool = False
    command_output: bool = False
    diffs: bool = False
    approvals: bool = False
    changed_input: bool = False
    policy: bool = False
    policy_commands: bool = False
    policy_reads: bool = False
    questions: bool = False
    elicitation: bool = False
    images: bool = False
    effort: bool = False
    instructions: bool = False
    tools: bool = False
    mcp_servers: bool = False
    output_schema: bool = False
    models: bool = False
    limits: bool = False
    usage: bool = False
    usage_during: bool = False
    cost: bool = False
    subagents: bool = False
    prewarm: bool = False
    cassette: bool = False

    @property
    def budget_enforced(self) -> Literal["during turn", "after turn"] | None:
        """When a budget of tokens stops a turn; ``None`` where tokens cannot have one."""
        if not self.usage:
            return None
        return "during turn" if self.usage_during else "after turn"

    @property
    def sandbox(self) -> Literal["agent", "signedin"] | None:
        """Whose sandbox the agent works in; ``None`` where only its questions limit it.

        To root, on Linux, that of Codex (``agent``) leaves settings of the kernel writable.
        """
        if not self.sandboxed:
            return None
        return "agent" if self.own_sandbox else "signedin"


class CommonCapabilities(Capabilities, frozen=True, kw_only=True):
    """What all of several providers can do.

    Attributes:
        lacking: The first provider that lacks a capability, by its name.
    """

    lacking: Mapping[str, str]


def common_capabilities(of_each: Mapping[str, Capabilities]) -> CommonCapabilities:
    """Returns what all of several providers can do.

    Args:
        of_each: What each can do, by its name.
    """
    lacking = {
        name: provider
        for provider, capabilities in reversed(list(of_each.items()))
        for name in Capabilities.__struct_fields__
        if not getattr(capabilities, name)
    }
    has = {name: name not in lacking for name in Capabilities.__struct_fields__}
    # These are about one account, or would have to be asked of each.
    asked = dict.fromkeys(("models", "limits", "list_sessions"), False)
    own = any(capabilities.own_sandbox for capabilities in of_each.values())
    return CommonCapabilities(lacking=lacking, **{**has, **asked, "own_sandbox": own})


EVERYTHING = Capabilities(**dict.fromkeys(Capabilities.__struct_fields__, True))
"""All that any provider can do; most take something out of it."""

_NEEDS: Mapping[str, tuple[str, object]] = {
    "effort": ("effort", VENDOR_DEFAULT),
    "instructions": ("instructions", None),
    "images": ("images", ()),
    "on_approval": ("approvals", None),
    "policy": ("policy", None),
    "on_question": ("questions", None),
    "tools": ("tools", ()),
    "mcp_servers": ("mcp_servers", {}),
    "ephemeral": ("ephemeral", False),
    "permissions": ("workspace", "read-only"),
    "sandbox": ("sandboxed", "off"),
    "sandbox_exclude_read": ("sandboxed", None),
    "trust_project": ("workspace", False),
    "output": ("output_schema", None),
    "resume": ("resume", None),
    "fork": ("fork", False),
    "prewarm": ("prewarm", False),
    "cassette": ("cassette", None),
}
"""The capability each keyword needs that not every provider can honour, and the value of the
keyword that asks for nothing."""


_OF_ONE: Mapping[str, object] = {"model": VENDOR_DEFAULT, "provider_options": {}}
"""Keywords whose values one provider knows, and the value that asks for nothing."""


def check_supported(
    provider: str, capabilities: Capabilities, keywords: Mapping[str, object]
) -> None:
    """Refuses keywords that a provider would have to ignore.

    Raises:
        UnsupportedOptionError: With the first of them.
    """
    for keyword in unsupported(capabilities, keywords):
        who = who_lacks(_NEEDS[keyword][0], provider, capabilities)
        raise UnsupportedOptionError(who, keyword, "not through this transport")
    if isinstance(capabilities, CommonCapabilities):
        for keyword, nothing in _OF_ONE.items():
            if keywords.get(keyword) not in (None, nothing):
                hint = f"it means something else at each; give it as (provider, {{{keyword!r}: …}})"
                raise UnsupportedOptionError(provider, keyword, hint)
    policy = cast("Policy | None", keywords.get("policy"))
    if policy is not None:
        _check_policy(provider, capabilities, policy)
    if capabilities.own_sandbox:
        _check_own_sandbox(provider, keywords)
        if policy is not None and (permissions := _permissions(keywords)) != "full-access":
            _check_confined_policy(provider, permissions, policy)


def _check_own_sandbox(provider: str, keywords: Mapping[str, object]) -> None:
    """Refuses another sandbox than the one that an agent has for its permissions."""
    permissions = _permissions(keywords)
    own = "off" if permissions == "full-access" else permissions
    if keywords.get("sandbox") not in (None, own):
        hint = f"its own sandbox follows permissions=, with {permissions!r} it is {own!r}"
        raise UnsupportedOptionError(provider, "sandbox", hint)
    if keywords.get("sandbox_exclude_read") is not None:
        raise UnsupportedOptionError(provider, "sandbox_exclude_read", "its sandbox is its own")


def _check_policy(provider: str, capabilities: Capabilities, policy: Policy) -> None:
    """Refuses rules about what an agent does without asking."""
    for kind, able, what in (
        ("command", "policy_commands", "runs harmless commands"),
        ("read", "policy_reads", "reads files"),
    ):
        if not getattr(capabilities, able) and (rule := policy.forbids(kind)):
            who = who_lacks(able, provider, capabilities)
            hint = f"it {what} without asking, so {rule} could not answer"
            raise UnsupportedOptionError(who, "policy", hint)


def _check_confined_policy(provider: str, permissions: object, policy: Policy) -> None:
    """Refuses rules about what an agent may do in a sandbox of its own, where it does not ask.

    Codex could be made to ask (``untrusted``), but what is then allowed may leave the sandbox: a
    command that fails in it is repeated outside, and one that asks to leave it looks like any other
    (seen with codex 0.163 and 0.169).
    """
    kinds = ("command", "read", "network") + (("write",) if permissions != "read-only" else ())
    for rule in filter(None, map(policy.forbids, kinds)):
        hint = (
            f"an agent with a sandbox of its own does not ask for what it may do there, so {rule} "
            "could not answer; pass permissions='full-access', with which it asks for everything"
        )
        raise UnsupportedOptionError(provider, "policy", hint)


def _permissions(keywords: Mapping[str, object]) -> object:
    return keywords.get("permissions") or "read-only"


def who_lacks(capability: str, provider: str, capabilities: Capabilities) -> str:
    """Returns the name of the provider that lacks a capability, the first of several."""
    if isinstance(capabilities, CommonCapabilities):
        return capabilities.lacking.get(capability, provider)
    return provider


def unsupported(capabilities: Capabilities, keywords: Mapping[str, object]) -> list[str]:
    """Returns the names of the keywords that a provider would have to ignore."""
    return [
        keyword
        for keyword, (capability, nothing) in _NEEDS.items()
        if keywords.get(keyword) not in (None, nothing) and not getattr(capabilities, capability)
    ]


def check_retry(provider: str, capabilities: Capabilities, retry: Retry | None) -> None:
    """Refuses retries in a conversation that stores its failed turns.

    Raises:
        UnsupportedOptionError: A retry would repeat the prompt there.
    """
    if retry is not None and retry.max_retries and not capabilities.roll_back:
        hint = "a session stores its failed turns, so a retry would repeat the prompt"
        who = who_lacks("roll_back", provider, capabilities)
        raise UnsupportedOptionError(who, "retry", hint)


def check_single_try(provider: str, keywords: Mapping[str, object]) -> None:
    """Refuses keywords for retries in turns whose events are seen as they come.

    Raises:
        UnsupportedOptionError: With the first of them.
    """
    for keyword in ("retry", "output_retries"):
        if keywords.get(keyword):
            hint = "only run() takes it: events that were seen cannot be taken back"
            raise UnsupportedOptionError(provider, keyword, hint)
