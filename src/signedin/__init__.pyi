# Static view of the lazily imported names; a test holds it to __init__.py.

from signedin import otel as otel
from signedin.accounts.status import (
    AsyncLogin as AsyncLogin,
    AuthBackend as AuthBackend,
    AuthStatus as AuthStatus,
)
from signedin.client.async_client import (
    AsyncClient as AsyncClient,
)
from signedin.client.blocking import (
    Client as Client,
    Login as Login,
    Session as Session,
    Turn as Turn,
)
from signedin.client.session import (
    AsyncSession as AsyncSession,
)
from signedin.client.turn import (
    AsyncTurn as AsyncTurn,
)
from signedin.jobs.batch.batch import (
    AsyncBatch as AsyncBatch,
    FailedRows as FailedRows,
)
from signedin.jobs.batch.blocking import (
    Batch as Batch,
)
from signedin.jobs.batch.dask import (
    DaskExecutor as DaskExecutor,
)
from signedin.jobs.batch.reports import (
    BatchRecord as BatchRecord,
    BatchStatus as BatchStatus,
    RowOutcome as RowOutcome,
    RowState as RowState,
)
from signedin.jobs.best_of import (
    AsyncBestOf as AsyncBestOf,
    Candidate as Candidate,
    Finding as Finding,
    Review as Review,
    Verdict as Verdict,
    async_best_of as async_best_of,
    async_review as async_review,
)
from signedin.jobs.blocking import (
    BestOf as BestOf,
    Worktree as Worktree,
)
from signedin.jobs.calls import (
    best_of as best_of,
    review as review,
    worktree as worktree,
)
from signedin.jobs.changes import (
    Changes as Changes,
)
from signedin.jobs.commands import (
    CommandResult as CommandResult,
)
from signedin.jobs.worktree import (
    AsyncWorktree as AsyncWorktree,
)
from signedin.model.approvals import (
    ApprovalRequest as ApprovalRequest,
    ApprovalSubject as ApprovalSubject,
    Decision as Decision,
    Question as Question,
    QuestionOption as QuestionOption,
    allow as allow,
    allow_for_session as allow_for_session,
    deny as deny,
    stop as stop,
)
from signedin.model.budget import (
    Budget as Budget,
)
from signedin.model.choices import (
    AuthSource as AuthSource,
    Billing as Billing,
    CassetteMode as CassetteMode,
    EnvPolicy as EnvPolicy,
    OnBatchLimit as OnBatchLimit,
    OnCrash as OnCrash,
    OnLimit as OnLimit,
    Permissions as Permissions,
    Sandbox as Sandbox,
)
from signedin.model.errors import (
    AuthRequiredError as AuthRequiredError,
    BillingError as BillingError,
    BudgetExceededError as BudgetExceededError,
    CassetteError as CassetteError,
    ChangeConflictError as ChangeConflictError,
    CommandExecutionError as CommandExecutionError,
    ErrorKind as ErrorKind,
    InvalidOptionError as InvalidOptionError,
    MissingExtraError as MissingExtraError,
    OutputError as OutputError,
    PermissionDeniedError as PermissionDeniedError,
    ProtocolError as ProtocolError,
    ProviderNotInstalledError as ProviderNotInstalledError,
    RateLimitedError as RateLimitedError,
    SessionBusyError as SessionBusyError,
    SignedinError as SignedinError,
    TimeoutExceededError as TimeoutExceededError,
    TransportClosedError as TransportClosedError,
    TurnFailedError as TurnFailedError,
    TurnInterruptedError as TurnInterruptedError,
    UnsupportedOptionError as UnsupportedOptionError,
    UnsupportedProviderError as UnsupportedProviderError,
    UsageLimitError as UsageLimitError,
    WorktreeError as WorktreeError,
)
from signedin.model.events import (
    AnyEvent as AnyEvent,
    ApprovalEvent as ApprovalEvent,
    CommandEvent as CommandEvent,
    DoneEvent as DoneEvent,
    DoneReason as DoneReason,
    ErrorEvent as ErrorEvent,
    Event as Event,
    EventKind as EventKind,
    FallbackEvent as FallbackEvent,
    FileChange as FileChange,
    FileChangeEvent as FileChangeEvent,
    ItemStatus as ItemStatus,
    MessageDeltaEvent as MessageDeltaEvent,
    MessageEvent as MessageEvent,
    OtherEvent as OtherEvent,
    PlanDeltaEvent as PlanDeltaEvent,
    PlanEvent as PlanEvent,
    PlanStep as PlanStep,
    RateLimitEvent as RateLimitEvent,
    RateLimits as RateLimits,
    RateLimitWindow as RateLimitWindow,
    ReasoningDeltaEvent as ReasoningDeltaEvent,
    ReasoningEvent as ReasoningEvent,
    RetryEvent as RetryEvent,
    SessionEvent as SessionEvent,
    Subagent as Subagent,
    ToolEvent as ToolEvent,
    Usage as Usage,
    UsageEvent as UsageEvent,
    WarningEvent as WarningEvent,
)
from signedin.model.items import (
    AnyItem as AnyItem,
    CommandItem as CommandItem,
    FileChangeItem as FileChangeItem,
    Item as Item,
    MessageItem as MessageItem,
    PlanItem as PlanItem,
    ReasoningItem as ReasoningItem,
    ToolItem as ToolItem,
)
from signedin.model.options import (
    McpServer as McpServer,
    TurnKeywords as TurnKeywords,
)
from signedin.model.results import (
    Fallback as Fallback,
    ModelInfo as ModelInfo,
    Outcome as Outcome,
    PastTurn as PastTurn,
    RunResult as RunResult,
    SessionInfo as SessionInfo,
    SessionPage as SessionPage,
)
from signedin.model.retry import (
    Retry as Retry,
    retry_on_overload as retry_on_overload,
)
from signedin.tools.content import (
    ImageContent as ImageContent,
    TextContent as TextContent,
)
from signedin.tools.structured_output import (
    OutputSpec as OutputSpec,
)
from signedin.tools.tool import (
    Tool as Tool,
    ToolResult as ToolResult,
    tool as tool,
)

__version__: str
