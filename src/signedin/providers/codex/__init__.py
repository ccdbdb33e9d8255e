"""Codex, through its app-server or through ``codex exec``.

Most programs use `signedin.Client`. `Codex` and `AsyncCodex` are one level below it: the app-server
itself, with its threads, turns, sign-in and typed messages. The messages' types are in
`signedin.providers.codex.protocol`.
"""

from typing import TYPE_CHECKING

from signedin._lazy import attach

if TYPE_CHECKING:
    from signedin.model.retry import async_retry_on_overload, retry_on_overload
    from signedin.providers.codex.account.login import AsyncChatgptLogin, AsyncDeviceCodeLogin
    from signedin.providers.codex.api.blocking import (
        ChatgptLogin,
        Codex,
        DeviceCodeLogin,
        Thread,
        TurnHandle,
    )
    from signedin.providers.codex.api.client import AsyncCodex
    from signedin.providers.codex.api.connection import ServerMetadata
    from signedin.providers.codex.api.inputs import (
        ImageInput,
        Input,
        InputPart,
        LocalImageInput,
        MentionInput,
        SkillInput,
        TextInput,
    )
    from signedin.providers.codex.api.notifications import Notification, UnknownNotification
    from signedin.providers.codex.api.record import TurnResult
    from signedin.providers.codex.api.requests import OnRequest, RequestAnswer
    from signedin.providers.codex.api.threads import AsyncThread
    from signedin.providers.codex.api.turns import AsyncTurnHandle
    from signedin.providers.codex.protocol import ClientInfo
    from signedin.wire.rpc_errors import (
        InternalRpcError,
        InvalidParamsError,
        InvalidRequestError,
        JsonRpcError,
        MethodNotFoundError,
        ParseError,
        ServerBusyError,
    )

__all__ = [
    "AsyncChatgptLogin",
    "AsyncCodex",
    "AsyncDeviceCodeLogin",
    "AsyncThread",
    "AsyncTurnHandle",
    "ChatgptLogin",
    "ClientInfo",
    "Codex",
    "DeviceCodeLogin",
    "ImageInput",
    "Input",
    "InputPart",
    "InternalRpcError",
    "InvalidParamsError",
    "InvalidRequestError",
    "JsonRpcError",
    "LocalImageInput",
    "MentionInput",
    "MethodNotFoundError",
    "Notification",
    "OnRequest",
    "ParseError",
    "RequestAnswer",
    "ServerBusyError",
    "ServerMetadata",
    "SkillInput",
    "TextInput",
    "Thread",
    "TurnHandle",
    "TurnResult",
    "UnknownNotification",
    "async_retry_on_overload",
    "retry_on_overload",
]

_HOMES = {
    "signedin.providers.codex.api.blocking": (
        "ChatgptLogin Codex DeviceCodeLogin Thread TurnHandle"
    ),
    "signedin.providers.codex.api.client": "AsyncCodex",
    "signedin.providers.codex.api.connection": "ServerMetadata",
    "signedin.providers.codex.api.inputs": (
        "ImageInput Input InputPart LocalImageInput MentionInput SkillInput TextInput"
    ),
    "signedin.providers.codex.api.notifications": "Notification UnknownNotification",
    "signedin.providers.codex.api.record": "TurnResult",
    "signedin.providers.codex.api.requests": "OnRequest RequestAnswer",
    "signedin.providers.codex.api.threads": "AsyncThread",
    "signedin.providers.codex.api.turns": "AsyncTurnHandle",
    "signedin.providers.codex.account.login": "AsyncChatgptLogin AsyncDeviceCodeLogin",
    "signedin.providers.codex.protocol": "ClientInfo",
    "signedin.model.retry": "async_retry_on_overload retry_on_overload",
    "signedin.wire.rpc_errors": (
        "InternalRpcError InvalidParamsError InvalidRequestError JsonRpcError MethodNotFoundError "
        "ParseError ServerBusyError"
    ),
}

if not TYPE_CHECKING:  # or a type checker would accept every misspelt name
    _, __getattr__ = attach(__name__, _HOMES)
