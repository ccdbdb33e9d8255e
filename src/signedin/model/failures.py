"""Failures as events and as exceptions: the same facts in both forms."""

from __future__ import annotations

import time

from signedin.model.errors import (
    AuthRequiredError,
    BillingError,
    ErrorKind,
    PermissionDeniedError,
    ProtocolError,
    RateLimitedError,
    SignedinError,
    TimeoutExceededError,
    TransportClosedError,
    TurnFailedError,
    TurnInterruptedError,
    UsageLimitError,
)
from signedin.model.events import ErrorEvent

_PLAIN = {
    ErrorKind.AUTH_REQUIRED: AuthRequiredError,
    ErrorKind.BILLING: BillingError,
    ErrorKind.PERMISSION_DENIED: PermissionDeniedError,
    ErrorKind.PROTOCOL: ProtocolError,
    ErrorKind.PROCESS: TransportClosedError,
    ErrorKind.TIMEOUT: TimeoutExceededError,
    ErrorKind.INTERRUPTED: TurnInterruptedError,
}


def error_from_event(event: ErrorEvent) -> SignedinError:
    """Returns the exception that a turn raises which failed with this event."""
    if event.error is ErrorKind.USAGE_LIMIT:
        return UsageLimitError(event.text, resets_at=event.resets_at, plan=event.plan)
    if event.error is ErrorKind.RATE_LIMITED:
        return RateLimitedError(event.text, retry_after=event.retry_after)
    if error_type := _PLAIN.get(event.error):
        return error_type(event.text)
    return TurnFailedError(event.text, event.error, event.status)


def event_from_error(error: SignedinError) -> ErrorEvent:
    """Returns the event that tells of an exception."""
    return ErrorEvent(
        text=error.message,
        timestamp=time.time(),
        error=error.kind,
        status=getattr(error, "status", None),
        resets_at=getattr(error, "resets_at", None),
        retry_after=getattr(error, "retry_after", None),
        plan=getattr(error, "plan", None),
    )
