"""The settings of threads and turns, as keywords; everything else goes through ``params``.

``None`` means not given. A null for the server goes through ``params``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict, cast

import msgspec

from signedin.model.errors import InvalidOptionError
from signedin.model.options import StrPath
from signedin.providers.codex import protocol as p

SANDBOX_POLICIES: Mapping[str, p.SandboxPolicyParam] = {
    "read-only": p.ReadOnlySandboxPolicy(),
    "workspace-write": p.WorkspaceWriteSandboxPolicy(),
    "danger-full-access": p.DangerFullAccessSandboxPolicy(),
}


class ThreadSettings(TypedDict, total=False):
    """What starting, resuming and forking a thread have in common.

    Attributes:
        approval_policy: When the server asks: ``untrusted``, ``on-request``, ``never``, or a
            `GranularAskForApproval`.
        approvals_reviewer: Who is asked: ``user``, which is ``on_request``, or ``auto_review``, a
            model.
        base_instructions: Replaces Codex's own instructions.
        config: Codex configuration by dotted key. It may hold secrets: it is not on any command
            line.
        cwd: Where the agent works; made absolute.
        developer_instructions: Added to the instructions.
        model: The model that answers.
        model_provider: Whose model, by its name in the configuration.
        sandbox: ``read-only``, ``workspace-write`` or ``danger-full-access``.
        service_tier: Which of the model's service tiers.
    """

    approval_policy: p.AskForApprovalParam | None
    approvals_reviewer: p.ApprovalsReviewer | None
    base_instructions: str | None
    config: Mapping[str, object] | None
    cwd: StrPath | None
    developer_instructions: str | None
    model: str | None
    model_provider: str | None
    sandbox: p.SandboxMode | None
    service_tier: str | None


class StartSettings(ThreadSettings, total=False):
    """The settings of a new thread.

    Attributes:
        dynamic_tools: Tools that ``on_request`` answers as ``item/tool/call``.
        ephemeral: Whether the thread is not stored.
        personality: ``none``, ``friendly`` or ``pragmatic``.
        service_name: Name of the program, for OpenAI's logs.
        session_start_source: ``startup`` or ``clear``.
        thread_source: Where the thread comes from, a word of the caller's that is stored with it.
    """

    dynamic_tools: Sequence[p.DynamicToolSpec] | None
    ephemeral: bool | None
    personality: p.Personality | None
    service_name: str | None
    session_start_source: p.ThreadStartSource | None
    thread_source: str | None


class ResumeSettings(ThreadSettings, total=False):
    """The settings of a resumed thread.

    Attributes:
        personality: ``none``, ``friendly`` or ``pragmatic``.
    """

    personality: p.Personality | None


class ForkSettings(ThreadSettings, total=False):
    """The settings of a forked thread.

    Attributes:
        before_turn_id: The copy ends before this turn.
        ephemeral: Whether the copy is not stored.
        last_turn_id: The copy ends with this turn.
        thread_source: Where the thread comes from, a word of the caller's that is stored with it.
    """

    before_turn_id: str | None
    ephemeral: bool | None
    last_turn_id: str | None
    thread_source: str | None


class ListFilters(TypedDict, total=False):
    """Which stored threads to list.

    Attributes:
        archived: Whether to list archived threads instead of the others.
        cursor: Where to continue: ``next_cursor`` of the page before.
        cwd: Those of this folder, or of any of these.
        limit: How many at most.
        model_providers: Those of these model providers; an empty list is all, without it only
            those of the configured one are listed.
        search_term: Those that have this in their name, or without one in their first prompt.
        section_id: Those of this section.
        sort_direction: ``asc`` or ``desc``.
        sort_key: ``created_at``, ``updated_at`` or ``recency_at``. Only the last does not lose
            threads of the same second at a page's end (seen with codex 0.163).
        source_kinds: Those started by these kinds of program.
        use_state_db_only: Whether to trust the index and not look into the files.
    """

    archived: bool | None
    cursor: str | None
    cwd: str | Sequence[str] | None
    limit: int | None
    model_providers: Sequence[str] | None
    search_term: str | None
    section_id: str | None
    sort_direction: p.SortDirection | None
    sort_key: p.ThreadSortKey | None
    source_kinds: Sequence[p.ThreadSourceKind] | None
    use_state_db_only: bool | None


class TurnSettings(TypedDict, total=False):
    """The settings of a turn. All but the last three also apply to the thread's later turns.

    Attributes:
        approval_policy: See `ThreadSettings`.
        approvals_reviewer: See `ThreadSettings`.
        cwd: Where the agent works; made absolute.
        effort: How much the model thinks: ``low``, ``medium``, ``high``, …
        model: The model that answers.
        personality: ``none``, ``friendly`` or ``pragmatic``.
        sandbox: ``read-only``, ``workspace-write`` or ``danger-full-access``, or a policy such as
            `WorkspaceWriteSandboxPolicy`.
        service_tier: Which of the model's service tiers.
        summary: How reasoning is summarised: ``auto``, ``concise``, ``detailed`` or ``none``.
        output_schema: A JSON Schema for the answer. Codex asks the model to follow it, and does not
            check that it does.
        service_tier_for_turn: Which of the model's service tiers, for this turn.
        tool_output: What something outside of the conversation says, such as a message from a chat,
            as the output of a tool: the model does not treat it as the user's. The input may
            then be empty. It cannot be added to a running turn.
    """

    approval_policy: p.AskForApprovalParam | None
    approvals_reviewer: p.ApprovalsReviewer | None
    cwd: StrPath | None
    effort: str | None
    model: str | None
    personality: p.Personality | None
    sandbox: p.SandboxMode | p.SandboxPolicyParam | None
    service_tier: str | None
    summary: p.ReasoningSummary | None
    output_schema: Mapping[str, object] | None
    service_tier_for_turn: str | None
    tool_output: p.TurnToolOutput | None


def wire_params(
    kind: type[p.Outgoing], params: object, keywords: Mapping[str, object]
) -> dict[str, object]:
    """Returns the parameters of a request; keywords take precedence over ``params``.

    Args:
        kind: The generated type of the parameters.
        params: One of these, a mapping in the wire's form, or ``None``.
        keywords: Fields of the type, by their Python names.

    Raises:
        TypeError: ``params`` is something else, or there is no such keyword.
    """
    given = {name: value for name, value in keywords.items() if value is not None}
    if (cwd := given.get("cwd")) is not None and not isinstance(cwd, list | tuple):
        given["cwd"] = str(Path(cast("StrPath", cwd)).expanduser().absolute())
    # The type's required fields may come from either side, so they are not asked for here.
    known = {field.name: field.encode_name for field in msgspec.structs.fields(kind)}
    if unknown := given.keys() - known.keys():
        raise TypeError(f"unexpected keyword argument {min(unknown)!r}")
    return {**_wire_form(kind, params), **{known[name]: value for name, value in given.items()}}


def sandbox_policy(sandbox: object) -> object:
    """Returns the policy of a sandbox mode; a policy is returned unchanged.

    Raises:
        InvalidOptionError: There is no such mode.
    """
    if not isinstance(sandbox, str):
        return sandbox
    policy = SANDBOX_POLICIES.get(sandbox)
    if policy is None:
        raise InvalidOptionError(
            f"sandbox must be one of {', '.join(SANDBOX_POLICIES)}, or a policy object such as "
            f"WorkspaceWriteSandboxPolicy(network_access=True), not {sandbox!r}"
        )
    return policy


def _wire_form(kind: type[p.Outgoing], params: object) -> dict[str, object]:
    if params is None:
        return {}
    if isinstance(params, kind):
        return {
            field.encode_name: value
            for field in msgspec.structs.fields(kind)
            if (value := getattr(params, field.name)) is not msgspec.UNSET
        }
    if isinstance(params, Mapping):
        return dict(cast("Mapping[str, object]", params))
    raise TypeError(
        f"params must be a {kind.__name__}, a mapping in the wire's form, or None, "
        f"not {type(params).__name__}"
    )
