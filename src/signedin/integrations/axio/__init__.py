"""A plug-in for axio: its agents with your own ChatGPT plan, and a screen to sign in with.

axio finds both by their entry points, as ``signedin``; see docs/chatgpt.md.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from signedin.model.extras import from_extra

if TYPE_CHECKING:
    from signedin.integrations.axio.failure import ChatGPTError
    from signedin.integrations.axio.screen import SignInScreen
    from signedin.integrations.axio.transport import SignedInTransport

__all__ = ["ChatGPTError", "SignInScreen", "SignedInTransport"]

_MODULE_OF = {
    "ChatGPTError": "failure",
    "SignInScreen": "screen",
    "SignedInTransport": "transport",
}


if not TYPE_CHECKING:  # or a type checker would take every misspelt name for granted

    def __getattr__(name: str) -> object:
        """Import a public name when it is first asked for: the screen needs Textual, not axio."""
        module = _MODULE_OF.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        with from_extra("axio", "the axio plug-in (Python 3.12 or newer)"):
            value: object = getattr(import_module(f"{__name__}.{module}"), name)
        globals()[name] = value
        return value
