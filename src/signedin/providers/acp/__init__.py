"""Any agent that speaks the Agent Client Protocol, through our own small client.

`ACPAgent` is the client; `Client("acp:<agent>")` and `Client("acp")` are what most callers want.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from signedin.providers.acp.process import ACPAgent

__all__ = ["ACPAgent"]

if not TYPE_CHECKING:  # or a type checker would take every misspelt name for granted

    def __getattr__(name: str) -> object:
        """Import the client when it is asked for: other agents need our table of variables only."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module("signedin.providers.acp.process"), name)
