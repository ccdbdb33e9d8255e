"""How Gemini CLI stores sessions, and what would destroy them (seen with 0.61)."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping

from signedin.model.errors import UnsupportedOptionError
from signedin.providers.gemini.account.home import gemini_folder, read_settings, setting

_log = logging.getLogger("signedin.gemini")


def check_retention(env: Mapping[str, str]) -> None:
    """Makes sure that Gemini's own cleaning up is off before a session is taken up again.

    Taking one up leaves two files of one id, and the next start, cleaning up, deletes both.

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


async def make_loadable(session_id: str, env: Mapping[str, str]) -> str | None:
    """Waits until a stored session can be loaded over ACP without being emptied.

    Gemini names the file of a session by minute and id, and begins a new one when it loads a
    session. In the minute in which the last was begun that is the same file.

    Returns:
        That it has waited, if it has. A log line says so beforehand.

    Raises:
        UnsupportedOptionError: The session would be deleted later, see `check_retention`.
    """
    check_retention(env)
    files = gemini_folder(env).glob(f"tmp/*/chats/session-*-{session_id[:8]}.json*")
    minute = time.strftime("%Y-%m-%dT%H-%M", time.gmtime())
    if not any(minute in file.name for file in files):
        return None
    seconds = 60 - time.time() % 60
    notice = (
        f"resuming waits {seconds:.0f} s: Gemini would empty a session that is loaded in the "
        "minute in which it was begun; keep the client open to go on at once"
    )
    _log.warning("%s", notice)
    await asyncio.sleep(seconds)
    return notice
