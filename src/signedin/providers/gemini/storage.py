"""How Gemini CLI stores sessions, and what would destroy them (seen with 0.61)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import count

from signedin.model.errors import InvalidOptionError, UnsupportedOptionError
from signedin.providers.gemini.account.home import gemini_folder, read_settings, setting


def check_retention(env: Mapping[str, str]) -> None:
    """Checks that Gemini's own cleanup is off before a session is resumed.

    Resuming leaves two files of one id, and the cleanup of the next start deletes both.

    Raises:
        UnsupportedOptionError: It is not off.
    """
    folder = gemini_folder(env)
    if setting(read_settings(folder), "general", "sessionRetention", "enabled") is not False:
        raise UnsupportedOptionError(
            "gemini",
            "resume",
            "Gemini would delete the session at its next start; set "
            '{"general": {"sessionRetention": {"enabled": false}}} in '
            f"{folder / 'settings.json'}, or use auth_source='isolated'",
        )


def make_loadable(session_id: str, env: Mapping[str, str]) -> None:
    """Makes sure that loading a stored session over ACP does not empty it.

    Gemini names the file of a session by minute and id, and starts a new one when it loads a
    session. Within the minute of the last one that would be the same file, so the last one is
    renamed to an earlier minute; Gemini identifies it by its content.

    Raises:
        UnsupportedOptionError: The session would be deleted later, see `check_retention`.
        InvalidOptionError: The file cannot be renamed.
    """
    check_retention(env)
    now = time.time()
    for file in gemini_folder(env).glob(f"tmp/*/chats/session-{_minute(now)}-{session_id[:8]}.*"):
        names = (file.name.replace(_minute(now), _minute(now - 60 * ago)) for ago in count(1))
        free = next(file.with_name(name) for name in names if not file.with_name(name).exists())
        try:
            file.rename(free)
        except OSError as error:
            raise InvalidOptionError(f"session {session_id} cannot be loaded: {error}") from error


def _minute(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H-%M", time.gmtime(moment))
