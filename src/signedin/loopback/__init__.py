"""A scripted model server on 127.0.0.1: test code around coding agents without an account.

See `LoopbackModel` for a first example and `signedin.loopback.script` for what a script can say.
"""

from typing import TYPE_CHECKING

from signedin._lazy import attach

if TYPE_CHECKING:
    from signedin.loopback.clients import ClientOptions
    from signedin.loopback.collector import CollectedSpan, Collector, Export
    from signedin.loopback.grants import LoopbackAccount
    from signedin.loopback.issuer import IssuerRequest, LoopbackIssuer
    from signedin.loopback.model import LoopbackModel
    from signedin.loopback.parts import (
        AskUser,
        EditFile,
        FreeformCall,
        Hold,
        RawItem,
        ReadFile,
        Reasoning,
        Shell,
        Text,
        ToolCall,
        WriteFile,
        apply_patch,
        shell,
    )
    from signedin.loopback.player import NoReplyError, ScriptError, read_script
    from signedin.loopback.request import ModelRequest, ToolOutput
    from signedin.loopback.script import (
        Cut,
        Failed,
        Hang,
        HttpError,
        Incomplete,
        Reply,
        Rule,
        Script,
        Usage,
        UsageLimit,
    )

__all__ = [
    "AskUser",
    "ClientOptions",
    "CollectedSpan",
    "Collector",
    "Cut",
    "EditFile",
    "Export",
    "Failed",
    "FreeformCall",
    "Hang",
    "Hold",
    "HttpError",
    "Incomplete",
    "IssuerRequest",
    "LoopbackAccount",
    "LoopbackIssuer",
    "LoopbackModel",
    "ModelRequest",
    "NoReplyError",
    "RawItem",
    "ReadFile",
    "Reasoning",
    "Reply",
    "Rule",
    "Script",
    "ScriptError",
    "Shell",
    "Text",
    "ToolCall",
    "ToolOutput",
    "Usage",
    "UsageLimit",
    "WriteFile",
    "apply_patch",
    "read_script",
    "shell",
]

_HOMES = {
    ".clients": "ClientOptions",
    ".collector": "CollectedSpan Collector Export",
    ".grants": "LoopbackAccount",
    ".issuer": "IssuerRequest LoopbackIssuer",
    ".model": "LoopbackModel",
    ".parts": (
        "AskUser EditFile FreeformCall Hold RawItem ReadFile Reasoning Shell Text ToolCall "
        "WriteFile apply_patch shell"
    ),
    ".player": "NoReplyError ScriptError read_script",
    ".request": "ModelRequest ToolOutput",
    ".script": "Cut Failed Hang HttpError Incomplete Reply Rule Script Usage UsageLimit",
}

if not TYPE_CHECKING:  # or a type checker would take every misspelt name for granted
    _, __getattr__ = attach(__name__, _HOMES)
