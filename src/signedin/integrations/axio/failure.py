"""Why an answer failed, as axio's programs expect it."""

# pyright: reportMissingModuleSource=false
# axio needs Python 3.12; typings/ says what is used of it.

from __future__ import annotations

from axio_responses import Recovery, ResponsesAPIError

from signedin.model.errors import ErrorKind, SignedinError, TurnFailedError

_RECOVERY = {
    ErrorKind.AUTH_REQUIRED: Recovery.authentication,
    ErrorKind.BILLING: Recovery.quota,
    ErrorKind.USAGE_LIMIT: Recovery.quota,
    ErrorKind.PERMISSION_DENIED: Recovery.permission,
    ErrorKind.CONTEXT_WINDOW: Recovery.invalid_request,
    ErrorKind.INVALID_OPTION: Recovery.invalid_request,
    ErrorKind.MODEL_NOT_FOUND: Recovery.invalid_request,
    ErrorKind.NETWORK: Recovery.retry,
    ErrorKind.OVERLOADED: Recovery.retry,
    ErrorKind.RATE_LIMITED: Recovery.retry,
    ErrorKind.SERVER: Recovery.retry,
}


class ChatGPTError(ResponsesAPIError):
    """An answer that did not end well, as an axio ``StreamError``.

    ``__cause__`` is the error of signedin, which knows more: a
    `signedin.model.errors.UsageLimitError` has ``resets_at``, a
    `signedin.model.errors.RateLimitedError` has ``retry_after``.

    Args:
        error: What happened.

    Attributes:
        code: One of the words of `signedin.model.errors.ErrorKind`.
        status: The HTTP status, if the server gave one that says more than the code.
    """

    def __init__(self, error: SignedinError) -> None:
        status = error.status if isinstance(error, TurnFailedError) else None
        super().__init__(error.message, code=str(error.kind), status=status)
        self._kind = error.kind

    @property
    def recovery(self) -> Recovery:
        """What may help."""
        return _RECOVERY.get(self._kind, Recovery.unknown)
