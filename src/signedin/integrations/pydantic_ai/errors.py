"""What signedin's errors are to pydantic-ai."""

from __future__ import annotations

from pydantic_ai.exceptions import (
    AgentRunError,
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelContextWindowExceededError,
    ModelNotFoundError,
    ModelOverloadedError,
    ModelQuotaExceededError,
    ModelRateLimitError,
    ModelServerError,
    ModelTimeoutError,
    UsageLimitExceeded,
    UserError,
)

from signedin.model.errors import ErrorKind, InvalidOptionError, RateLimitedError, SignedinError

_ERRORS: dict[ErrorKind, type[ModelAPIError]] = {
    ErrorKind.AUTH_REQUIRED: ModelAuthenticationError,
    ErrorKind.BILLING: ModelQuotaExceededError,
    ErrorKind.USAGE_LIMIT: ModelQuotaExceededError,
    ErrorKind.RATE_LIMITED: ModelRateLimitError,
    ErrorKind.MODEL_NOT_FOUND: ModelNotFoundError,
    ErrorKind.CONTEXT_WINDOW: ModelContextWindowExceededError,
    ErrorKind.OVERLOADED: ModelOverloadedError,
    ErrorKind.NETWORK: ModelConnectionError,
    ErrorKind.PROCESS: ModelConnectionError,
    ErrorKind.SERVER: ModelServerError,
    ErrorKind.TIMEOUT: ModelTimeoutError,
}


def translated(error: SignedinError, model_name: str) -> AgentRunError | UserError:
    """Returns an error in pydantic-ai's words; what the agent had done is in its ``__cause__``."""
    if isinstance(error, InvalidOptionError):
        return UserError(error.message)
    if error.kind is ErrorKind.BUDGET:
        return UsageLimitExceeded(error.message)
    wait = error.retry_after if isinstance(error, RateLimitedError) else None
    kind = _ERRORS.get(error.kind, ModelAPIError)
    return kind(model_name, error.message, provider_error_code=str(error.kind), retry_after=wait)
