"""How the agents' stores write ids and times."""

from __future__ import annotations

import uuid
from datetime import datetime

from signedin.model.errors import InvalidOptionError


def unix_time(text: str | None) -> float | None:
    """Returns a time in ISO 8601 as Unix seconds; ``None`` where there is none that can be read."""
    try:
        return datetime.fromisoformat(text).timestamp() if text else None
    except (ValueError, OverflowError, OSError):
        return None


def checked_id(session_id: str) -> str:
    """Returns the id of a session.

    Codex reads anything else as the name of a thread and starts a new one if there is none, Gemini
    CLI as a position in its list (seen with codex 0.169 and Gemini CLI 0.61).

    Raises:
        InvalidOptionError: It is not an id.
    """
    try:
        uuid.UUID(session_id)
    except ValueError:
        raise InvalidOptionError(
            f"resume={session_id!r} is not a session id; take it from result.session_id"
        ) from None
    return session_id
