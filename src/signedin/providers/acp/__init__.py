"""Any agent that speaks the Agent Client Protocol, through our own small client.

`ACPAgent` is the client; `Client("acp:<agent>")` and `Client("acp")` are what most callers want.
"""

from signedin.providers.acp.agent import ACPAgent

__all__ = ["ACPAgent"]
