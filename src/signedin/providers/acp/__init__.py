"""Any agent that speaks the Agent Client Protocol, through our own small client.

`ACPAgent` is the client; `Client("acp:<agent>")` and `Client("acp")` are what most callers want.
"""

from typing import TYPE_CHECKING

from signedin._lazy import attach

if TYPE_CHECKING:
    from signedin.providers.acp.catalogue import KnownAgent, ProjectGuard
    from signedin.providers.acp.process import ACPAgent
    from signedin.providers.shared.project import ProjectFiles

__all__ = ["ACPAgent", "KnownAgent", "ProjectFiles", "ProjectGuard"]

if not TYPE_CHECKING:  # or a type checker would accept every misspelt name
    _, __getattr__ = attach(
        __name__,
        {
            ".process": "ACPAgent",
            ".catalogue": "KnownAgent ProjectGuard",
            "signedin.providers.shared.project": "ProjectFiles",
        },
    )
