"""The coding agents you are already signed in to, from Python.

`Client` and `AsyncClient` run prompts; everything else here is what they take and give. Names are
imported when they are first used, so that ``import signedin`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module

from signedin._lazy import attach

__version__ = "0.1.0"

_HOMES = {
    "accounts.status": "AsyncLogin AuthBackend AuthStatus",
    "tools.content": "ImageContent TextContent",
    "model.items": (
        "AnyItem CommandItem FileChangeItem Item MessageItem PlanItem ReasoningItem ToolItem"
    ),
    "model.budget": "Budget",
    "model.options": "McpServer TurnKeywords",
    "tools.structured_output": "OutputSpec",
    "model.retry": "Retry retry_on_overload",
    "tools.tool": "Tool ToolResult tool",
    "model.approvals": (
        "ApprovalSubject ApprovalRequest Decision Question QuestionOption "
        "allow allow_for_session deny stop"
    ),
    "client.blocking": "Client Login Session Turn",
    "client.async_client": "AsyncClient",
    "model.choices": (
        "AuthSource Billing CassetteMode EnvPolicy OnBatchLimit OnCrash OnLimit Permissions Sandbox"
    ),
    "model.errors": (
        "AuthRequiredError BillingError BudgetExceededError CassetteError ChangeConflictError "
        "CommandExecutionError ErrorKind "
        "InvalidOptionError MissingExtraError OutputError PermissionDeniedError ProtocolError "
        "ProviderNotInstalledError RateLimitedError SessionBusyError SignedinError "
        "TimeoutExceededError TransportClosedError TurnFailedError TurnInterruptedError "
        "UnsupportedOptionError UnsupportedProviderError UsageLimitError WorktreeError"
    ),
    "model.events": (
        "AnyEvent ApprovalEvent CommandEvent DoneEvent DoneReason ErrorEvent Event EventKind "
        "FallbackEvent FileChange FileChangeEvent ItemStatus MessageDeltaEvent MessageEvent "
        "OtherEvent PlanDeltaEvent PlanEvent "
        "PlanStep RateLimitEvent RateLimits RateLimitWindow ReasoningDeltaEvent ReasoningEvent "
        "RetryEvent SessionEvent Subagent ToolEvent Usage UsageEvent WarningEvent"
    ),
    "model.results": "Fallback ModelInfo Outcome PastTurn RunResult SessionInfo SessionPage",
    "client.session": "AsyncSession",
    "jobs.best_of": ("AsyncBestOf Candidate Finding Review Verdict async_best_of async_review"),
    "jobs.blocking": "BestOf Worktree",
    "jobs.calls": "best_of review worktree",
    "jobs.changes": "Changes",
    "jobs.commands": "CommandResult",
    "jobs.worktree": "AsyncWorktree",
    "jobs.batch.batch": "AsyncBatch FailedRows",
    "jobs.batch.blocking": "Batch",
    "jobs.batch.dask": "DaskExecutor",
    "jobs.batch.reports": "BatchRecord BatchStatus RowOutcome RowState",
    "client.turn": "AsyncTurn",
}
__all__, __getattr__ = attach(
    __name__, {f".{module}": names for module, names in _HOMES.items()}, modules=["otel"]
)


def load_ipython_extension(shell: object) -> None:
    """Adds ``%%agent`` to a notebook; called by ``%load_ext signedin``."""
    import_module("signedin.integrations.notebook").load_ipython_extension(shell)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
