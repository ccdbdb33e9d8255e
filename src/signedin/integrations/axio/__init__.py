"""A plug-in for axio: its agents with your own ChatGPT plan, and a screen to sign in with.

axio finds both by their entry points, as ``signedin``; see docs/integrations/axio.md.
"""

from typing import TYPE_CHECKING

from signedin._lazy import attach
from signedin.model.extras import from_extra

if TYPE_CHECKING:
    from signedin.integrations.axio.screen import SignInScreen
    from signedin.integrations.axio.transport import ChatGPTError, SignedInTransport

__all__ = ["ChatGPTError", "SignInScreen", "SignedInTransport"]

_HOMES = {
    ".screen": "SignInScreen",
    ".transport": "ChatGPTError SignedInTransport",
}

if not TYPE_CHECKING:  # or a type checker would take every misspelt name for granted
    _, _load = attach(__name__, _HOMES)

    def __getattr__(name: str) -> object:
        with from_extra("axio", "the axio plug-in (Python 3.12 or newer)"):
            return _load(name)
