"""Any agent that speaks the Agent Client Protocol, through our own small client.

`ACPAgent` is the client; `Client("acp:<agent>")` and `Client("acp")` are what most callers want.
"""

from typing import TYPE_CHECKING

from signedin._lazy import attach

if TYPE_CHECKING:
    from signedin.providers.acp.process import ACPAgent

__all__ = ["ACPAgent"]

if not TYPE_CHECKING:  # or a type checker would accept every misspelt name
    _, __getattr__ = attach(__name__, {".agent": "ACPAgent"})
