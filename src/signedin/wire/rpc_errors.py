"""What the other side of a JSON-RPC connection answers when it cannot do what was asked."""

from __future__ import annotations

from signedin.model.errors import ErrorKind, ProtocolError

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
SERVER_BUSY = -32001
"""What codex 0.169 answers with "Server overloaded; retry later."."""


class JsonRpcError(ProtocolError):
    """An error answer; raise it in a request handler to give one.

    Args:
        code: The number that says what kind of error it is.
        message: What went wrong, in a sentence.
        data: More about it, anything that JSON can hold; ``None`` if there is nothing more.

    Attributes:
        code: The number.
        data: More about it.
    """

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data

    def __str__(self) -> str:
        return f"{self.message} (JSON-RPC error {self.code})"


class ParseError(JsonRpcError):
    """The other side could not read a line as JSON."""


class InvalidRequestError(JsonRpcError):
    """The other side could read a message but not make sense of it.

    Codex answers with it whatever is wrong with a request: an unknown method, too.
    """


class MethodNotFoundError(JsonRpcError):
    """There is no such method."""


class InvalidParamsError(JsonRpcError):
    """The parameters do not fit the method."""


class InternalRpcError(JsonRpcError):
    """The other side failed while it did what was asked."""


class ServerBusyError(JsonRpcError):
    """The other side has too much to do; the same request may succeed later."""

    kind = ErrorKind.OVERLOADED


_TYPES = {
    PARSE_ERROR: ParseError,
    INVALID_REQUEST: InvalidRequestError,
    METHOD_NOT_FOUND: MethodNotFoundError,
    INVALID_PARAMS: InvalidParamsError,
    INTERNAL_ERROR: InternalRpcError,
    SERVER_BUSY: ServerBusyError,
}


def rpc_error(code: int, message: str, data: object = None) -> JsonRpcError:
    """Returns the error of the type that belongs to ``code``.

    Other codes from -32099 to -32000 are each protocol's own (ACP asks for a login with -32000),
    so they stay plain.
    """
    return _TYPES.get(code, JsonRpcError)(code, message, data)
