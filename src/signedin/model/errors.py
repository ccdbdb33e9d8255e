"""The error tree: what went wrong, in words that say what to do next.

Every error is a `SignedinError`. An error raised by a turn carries in ``result`` what had been
received until then. Messages are masked with `signedin.model.redact` before anybody can read them.
"""

from __future__ import annotations

from difflib import get_close_matches
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, TypeAlias

from signedin.model.redact import redact_message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from signedin.model.results import RunResult


class ErrorKind(StrEnum):
    """Why a turn failed, the same words for every provider."""

    AUTH_REQUIRED = "auth_required"
    BILLING = "billing"
    USAGE_LIMIT = "usage_limit"
    RATE_LIMITED = "rate_limited"
    PERMISSION_DENIED = "permission_denied"
    INVALID_OPTION = "invalid_option"
    MODEL_NOT_FOUND = "model_not_found"
    CONTEXT_WINDOW = "context_window"
    OUTPUT_LIMIT = "output_limit"
    OVERLOADED = "overloaded"
    NETWORK = "network"
    SERVER = "server"
    REFUSED = "refused"
    PROCESS = "process"
    PROTOCOL = "protocol"
    OUTPUT = "output"
    TIMEOUT = "timeout"
    BUDGET = "budget"
    INTERRUPTED = "interrupted"
    OTHER = "other"


TRANSIENT_KINDS = frozenset(
    {
        ErrorKind.OVERLOADED,
        ErrorKind.NETWORK,
        ErrorKind.SERVER,
        ErrorKind.PROCESS,
        ErrorKind.RATE_LIMITED,
    }
)
"""Kinds that may pass by themselves; everything else fails the same way again."""

_BY_STATUS = {
    401: ErrorKind.AUTH_REQUIRED,
    402: ErrorKind.USAGE_LIMIT,
    403: ErrorKind.AUTH_REQUIRED,
    404: ErrorKind.MODEL_NOT_FOUND,
    408: ErrorKind.NETWORK,
    413: ErrorKind.CONTEXT_WINDOW,
    429: ErrorKind.RATE_LIMITED,
    503: ErrorKind.OVERLOADED,
    529: ErrorKind.OVERLOADED,
}


def kind_of_status(status: int) -> ErrorKind:
    """Returns why a model request failed, where nothing but the HTTP status is known."""
    other = ErrorKind.SERVER if status >= 500 else ErrorKind.INVALID_OPTION
    return _BY_STATUS.get(status, other)


class SignedinError(Exception):
    """Base of every error of this package.

    Args:
        message: What happened and what to do next; credentials in it are masked.

    Attributes:
        kind: Why it failed, as one of the words of `ErrorKind`.
        result: What a failed turn had received: partial text, events, usage. ``None`` when the
            error did not come from a turn.
    """

    kind: ErrorKind = ErrorKind.OTHER

    def __init__(self, message: str) -> None:
        super().__init__(redact_message(message))
        self.result: RunResult[object] | None = None

    def __reduce__(self) -> tuple[object, ...]:
        """Goes to another process as it is: constructors differ, attributes do not."""
        return _rebuilt, (type(self), self.args), vars(self)

    @property
    def message(self) -> str:
        """The text of the error, with secrets masked."""
        return str(self.args[0])

    @property
    def transient(self) -> bool:
        """Whether the same call may succeed later without any change by the caller."""
        return self.kind in TRANSIENT_KINDS


class UnsupportedProviderError(SignedinError):
    """There is no provider of that name.

    Args:
        provider: The name.
        known: The names there are.
        hint: What may be meant, as the end of a sentence.

    Attributes:
        provider: The name.
        known: The names there are.
    """

    kind = ErrorKind.INVALID_OPTION

    def __init__(self, provider: str, known: Sequence[str], hint: str = "") -> None:
        self.provider = provider
        self.known = tuple(known)
        close = get_close_matches(provider, known, n=1)
        meant = hint or (f"; did you mean {close[0]!r}?" if close else "")
        choice = f"choose one of: {', '.join(known)}"
        super().__init__(f"unknown provider {provider!r}{meant or ';'} {choice}")


class InvalidOptionError(SignedinError, ValueError):
    """An option has a value that cannot be used."""

    kind = ErrorKind.INVALID_OPTION


class UnsupportedOptionError(InvalidOptionError):
    """A provider, or the chosen transport of it, cannot honour an option.

    Args:
        provider: Who cannot.
        option: What it cannot honour.
        hint: What to do instead.

    Attributes:
        provider: Who cannot.
        option: What it cannot honour.
    """

    def __init__(self, provider: str, option: str, hint: str = "") -> None:
        self.provider = provider
        self.option = option
        super().__init__(f"{provider} does not support {option!r}" + (f": {hint}" if hint else ""))


class ProviderNotInstalledError(SignedinError):
    """The program that answers for a provider is not on this machine.

    Args:
        provider: Whose program.
        reason: What was looked for, or found and unusable.
        install: The command that installs it.

    Attributes:
        provider: Whose program.
        install: The command that installs it.
    """

    kind = ErrorKind.INVALID_OPTION

    def __init__(self, provider: str, reason: str, install: str) -> None:
        self.provider = provider
        self.install = install
        super().__init__(f"{provider} is not installed: {reason}. Install it with: {install}")


class MissingExtraError(ProviderNotInstalledError):
    """A library that one of this package's extras brings is not installed.

    Args:
        part: What needs it.
        library: Its name.
        install: The command that installs the extra.
    """

    def __init__(self, part: str, library: str, install: str) -> None:
        super().__init__(part, f"{library} is missing", install)


class AuthRequiredError(SignedinError):
    """Not signed in, or the login is no longer accepted."""

    kind = ErrorKind.AUTH_REQUIRED


class BillingError(SignedinError):
    """The turn could not be assured to run on what the caller wants to pay with."""

    kind = ErrorKind.BILLING


class PermissionDeniedError(SignedinError):
    """Something was not allowed: to the agent, or to the project it would have worked in."""

    kind = ErrorKind.PERMISSION_DENIED


class ProtocolError(SignedinError):
    """The other side said something that its protocol does not allow."""

    kind = ErrorKind.PROTOCOL


class CassetteError(ProtocolError):
    """A cassette cannot be used, or what happens now is not what was recorded."""


class OutputError(SignedinError):
    """The answer does not fit the requested structure.

    Attributes:
        text: The answer as the model gave it.
        reasons: Each as ``/path/to/it: what is wrong there``, the first few only.
    """

    kind = ErrorKind.OUTPUT

    def __init__(self, text: str, reasons: tuple[str, ...]) -> None:
        self.text = text
        self.reasons = reasons
        super().__init__(f"the answer does not fit the requested output: {'; '.join(reasons)}")


class SessionBusyError(SignedinError):
    """A turn was started in a session whose previous turn still runs."""

    kind = ErrorKind.INVALID_OPTION


class TurnFailedError(SignedinError):
    """The provider reported that the turn failed; the message is the provider's own reason.

    Attributes:
        status: The HTTP status that the model's server answered with, if known.
    """

    def __init__(self, message: str, kind: ErrorKind, status: int | None = None) -> None:
        self.kind = kind
        self.status = status
        super().__init__(message)


class UsageLimitError(SignedinError):
    """The plan is used up; trying again before ``resets_at`` is useless.

    Attributes:
        resets_at: When the limit is lifted, in Unix seconds, if the provider reported it.
        plan: The plan the limit belongs to, if the provider reported it.
    """

    kind = ErrorKind.USAGE_LIMIT

    def __init__(
        self, message: str, *, resets_at: float | None = None, plan: str | None = None
    ) -> None:
        self.resets_at = resets_at
        self.plan = plan
        super().__init__(message)


class RateLimitedError(SignedinError):
    """Too many requests in a short time.

    Attributes:
        retry_after: Seconds to wait, if the provider reported it.
    """

    kind = ErrorKind.RATE_LIMITED

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class CommandExecutionError(SignedinError):
    """A provider's command line program ended with an error.

    Attributes:
        returncode: Its exit code, negative for a signal.
        stderr: The end of what it wrote to standard error, masked.
        details: Why the earlier attempts of a retried run failed, a line for each.
    """

    kind = ErrorKind.PROCESS

    def __init__(self, message: str, *, returncode: int | None, stderr: str = "") -> None:
        self.returncode = returncode
        self.stderr = redact_message(stderr)
        self.details = ""
        super().__init__(message)


class TransportClosedError(SignedinError):
    """The program or connection that answers is gone.

    Attributes:
        returncode: Exit code of the process, negative for a signal, ``None`` if there is none.
        stderr: The end of what it wrote to standard error, masked.
    """

    kind = ErrorKind.PROCESS

    def __init__(self, message: str, *, returncode: int | None = None, stderr: str = "") -> None:
        self.returncode = returncode
        self.stderr = redact_message(stderr)
        super().__init__(message)


class TimeoutExceededError(SignedinError, TimeoutError):
    """A time limit of the caller ran out."""

    kind = ErrorKind.TIMEOUT


Limit: TypeAlias = Literal["tokens", "usd", "model_calls", "tool_calls", "seconds", "plan_percent"]
"""What a `Budget` limits."""


class BudgetExceededError(SignedinError):
    """A budget is used up: the turn was stopped, or was not sent at all.

    Attributes:
        limit: Which limit of the budget it was.
        used: How much was used, in its unit.
        allowed: The limit itself.
        owner: What the budget was given to, such as ``turn``, ``session``, ``map`` or ``client``.
        resets_at: When the window of the plan resets, in Unix seconds, if that is what is used up
            and the provider reported it.
    """

    kind = ErrorKind.BUDGET

    def __init__(
        self,
        message: str,
        *,
        limit: Limit,
        used: float,
        allowed: float,
        owner: str,
        resets_at: float | None = None,
    ) -> None:
        self.limit: Limit = limit
        self.used = used
        self.allowed = allowed
        self.owner = owner
        self.resets_at = resets_at
        super().__init__(message)


class TurnInterruptedError(SignedinError):
    """The turn was interrupted before it ended."""

    kind = ErrorKind.INTERRUPTED


class WorktreeError(SignedinError):
    """A worktree could not be made, or what was changed in it could not be found out or applied."""


class ChangeConflictError(WorktreeError):
    """Files were changed both in a worktree and in the repository; nothing was applied.

    Args:
        files: Their paths in the repository.
        repository: The folder that was to be changed.

    Attributes:
        files: Their paths in the repository.
    """

    def __init__(self, files: Sequence[str], repository: str) -> None:
        self.files = tuple(files)
        super().__init__(
            f"changed on both sides, so nothing was applied to {repository}: {', '.join(files)}; "
            "commit or move aside your own changes of these files and apply again, or merge the "
            "diff by hand"
        )


def add_words(error: BaseException, words: str) -> None:
    """Adds a sentence to what an error says."""
    if isinstance(error, SignedinError):
        error.args = (f"{error.message}. {words}", *error.args[1:])
    else:
        error.add_note(words)


def _rebuilt(kind: type[SignedinError], args: tuple[object, ...]) -> SignedinError:
    return kind.__new__(kind, *args)


def described(error: BaseException) -> str:
    """Returns the class and the words of an exception that is not one of these."""
    kind = type(error).__name__
    try:
        message = str(error)
    except Exception:
        return kind
    return f"{kind}: {message}" if message else kind
