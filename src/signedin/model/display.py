"""What notebooks show of results, turns and sessions.

The page that it is a part of belongs to the command line, far above: it is found by an entry point.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from signedin.model.errors import MissingExtraError
from signedin.model.extras import from_extra

if TYPE_CHECKING:
    from signedin.model.results import PastTurn, RunResult


def html(
    shown: RunResult[object] | Sequence[PastTurn],
    *,
    provider: str = "",
    session_id: str | None = None,
    running: bool = False,
) -> str | None:
    """Returns a result, or the turns of a session, as a part of a page that needs nothing else.

    ``None`` without the extra ``notebook``.
    """
    from importlib.metadata import entry_points  # noqa: PLC0415 - 15 ms, and seldom needed

    try:
        with from_extra("notebook", "the display of turns"):
            (point,) = entry_points(group="signedin.html")
            facts = {"provider": provider, "session_id": session_id, "running": running}
            return cast("str", point.load()(shown, **facts))
    except MissingExtraError:
        return None
