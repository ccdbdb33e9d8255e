"""What vendors' programs say on standard error without a login, and end."""

from __future__ import annotations

import re

from signedin.accounts.hints import how_to_sign_in
from signedin.model.errors import (
    AuthRequiredError,
    CommandExecutionError,
    SignedinError,
    TransportClosedError,
)

SAID = re.compile(
    r"^.*(?:not (?:logged|signed) in|(?:log|sign) ?in (?:first|again|to continue)|/login\b"
    r"|please (?:log|sign) in|not authenticated|unauthenticated|authenticate first"
    r"|authentication (?:is )?required|no (?:authentication|credentials)\b|set an auth method"
    r"|(?:invalid|incorrect|missing) api key|api key (?:is )?(?:missing|required|not found|not set)"
    r").*$",
    re.IGNORECASE | re.MULTILINE,
)
"""A line that says so."""


def what_it_means(error: SignedinError, provider: str) -> SignedinError:
    """Returns the error for the end of a program: one that a retry cannot help if it says so.

    Args:
        error: That it ended; any other is returned as it is.
        provider: Whose program it was.
    """
    ended = isinstance(error, CommandExecutionError | TransportClosedError)
    if not ended or (error.returncode or 0) <= 0 or not (said := SAID.search(error.stderr)):
        return error
    return AuthRequiredError(f"{provider} ended: {said[0].strip('. ')}. {how_to_sign_in(provider)}")
