"""axio's ``CompletionTransport``: login, connection and retries are signedin's, the words axio's.

What a request and an answer look like to axio is said by its own package ``axio_responses`` (tried
with 0.12.2), so a stored history can change between this transport and axio's others.
"""

# pyright: reportMissingModuleSource=false
# axio needs Python 3.12; typings/ says what is used of it.

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import ClassVar, Self

import msgspec
from axio.events import ProviderEvent, StreamEvent
from axio.messages import Message
from axio.models import Capability, ModelRegistry, ModelSpec
from axio.tool import Tool
from axio.transport import TransportError
from axio.types import StopReason
from axio_responses import Recovery, Responses, ResponsesAPIError, convert_messages, convert_tools
from axio_sse import Event as ServerEvent

from signedin.model.errors import ErrorKind, SignedinError, TurnFailedError
from signedin.model.events import Event, OtherEvent
from signedin.providers.chatgpt.models import Model
from signedin.providers.chatgpt.requests import ResponseRequest
from signedin.providers.chatgpt.transport import ChatGPTTransport

_FAILURES = {"response.failed", "error"}
"""Reported by the error that the answer ends with."""

_RECOVERY = {
    ErrorKind.AUTH_REQUIRED: Recovery.authentication,
    ErrorKind.BILLING: Recovery.quota,
    ErrorKind.USAGE_LIMIT: Recovery.quota,
    ErrorKind.PERMISSION_DENIED: Recovery.permission,
    ErrorKind.CONTEXT_WINDOW: Recovery.invalid_request,
    ErrorKind.INVALID_OPTION: Recovery.invalid_request,
    ErrorKind.MODEL_NOT_FOUND: Recovery.invalid_request,
    ErrorKind.NETWORK: Recovery.retry,
    ErrorKind.OVERLOADED: Recovery.retry,
    ErrorKind.RATE_LIMITED: Recovery.retry,
    ErrorKind.SERVER: Recovery.retry,
}


class SignedInTransport:
    """Answers of ChatGPT for an axio agent, with the login that signedin has stored.

    `open` is the way to get one. ``session`` and ``on_auth_refresh`` of axio's own transports have
    no counterpart: the connection and the tokens are managed here.

    Args:
        connection: Answers; it stays the caller's.
        model: Who answers; by default the first of the account's models, see `fetch_models`.
        effort: How hard to think, such as ``low``; the model's own default if not given.

    Attributes:
        display_name: What axio shows of it.
        env_vars: The variables that axio would ask for a key: none.
        supports_temperature: Whether axio offers a temperature: no, as the other switches.
        supports_max_tokens: Whether it offers a limit of tokens.
        supports_debug: Whether it offers its debug output.
        supports_thinking: Whether it offers a switch for thinking.
        name: What axio calls it.
        model: Who answers.
        models: The account's models, the preferred one first.
    """

    display_name: ClassVar[str] = "ChatGPT (signedin)"
    env_vars: ClassVar[tuple[str, ...]] = ()
    supports_temperature: ClassVar[bool] = False
    supports_max_tokens: ClassVar[bool] = False
    supports_debug: ClassVar[bool] = False
    supports_thinking: ClassVar[bool] = False

    def __init__(
        self,
        connection: ChatGPTTransport,
        *,
        model: ModelSpec | None = None,
        effort: str | None = None,
    ) -> None:
        self._connection = connection
        self._effort = effort
        self.name = self.display_name
        self.model = model or ModelSpec(id="")
        self.models = ModelRegistry()

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        *,
        session: object = None,
        account: str | None = None,
        model: str | None = None,
        effort: str | None = None,
    ) -> AsyncGenerator[Self, None]:
        """Gives a transport whose models are known, and closes its connections.

        Args:
            session: What axio gives to every transport. It is not needed.
            account: Name of the login, if it has one.
            model: Who answers; any is let through. By default the first of the account's models.
            effort: How hard to think, such as ``low``.

        Raises:
            TransportError: Not signed in, or the models cannot be listed.
        """
        del session
        with _as_transport_error():
            connection = await ChatGPTTransport.signed_in(account)
        async with connection:
            transport = cls(connection, effort=effort)
            await transport.fetch_models()
            if model is not None:
                transport.model = transport.models.get(model) or _spec(Model(slug=model))
            yield transport

    async def fetch_models(self) -> None:
        """Asks for the account's models, of which the first one answers if none was chosen.

        Raises:
            TransportError: They cannot be had.
        """
        with _as_transport_error():
            models = await self._connection.models()
        self.models = ModelRegistry(_spec(model) for model in models if model.visibility == "list")
        if not self.model.id and self.models:
            self.model = self.models.first()

    async def stream(
        self, messages: list[Message], tools: list[Tool[object]], system: str
    ) -> AsyncGenerator[StreamEvent, None]:
        """Asks once and gives the answer as axio's events, of which ``IterationEnd`` is the last.

        A request of whose answer nothing was seen yet is retried. What axio has no event for,
        such as a retry or the plan's limits, is a ``ProviderEvent``.

        Raises:
            ChatGPTError: The answer did not end well.
        """
        reader = Responses()
        try:
            async with self._connection.answer(self._request(messages, tools, system)) as answer:
                async for event in answer:
                    for translated in _translated(reader, event):
                        yield translated
        except SignedinError as error:
            # Cut short and refused are ends like others to axio, where they are errors to us.
            if reader.stop_reason in (None, StopReason.end_turn, StopReason.tool_use):
                raise ChatGPTError(error) from error
        yield reader.finished()

    def _request(
        self, messages: list[Message], tools: list[Tool[object]], system: str
    ) -> ResponseRequest:
        instructions, items = convert_messages(messages, system)
        return ResponseRequest(
            model=self.model.id,
            input=items,
            instructions=instructions,
            # Left out, strict would be taken for true wherever the schema allows it.
            tools=[{**tool, "strict": False} for tool in convert_tools(tools)],
            effort=self._effort,
        )

    def __repr__(self) -> str:
        return f"SignedInTransport({self.model.id!r}, {self._connection!r})"


def _translated(reader: Responses, event: Event) -> list[StreamEvent]:
    """What an event is to axio, whose reader wants every event of the server's exactly once."""
    payload = event.raw
    name = payload.get("type") if isinstance(payload, dict) else None
    if not isinstance(name, str):
        fields = msgspec.json.decode(msgspec.json.encode(event), type=dict[str, object])
        return [ProviderEvent(provider="signedin", kind=str(event.kind), data=fields)]
    is_repeated = name == "response.completed" and not isinstance(event, OtherEvent)
    if is_repeated or name in _FAILURES:
        return []
    return reader.read(ServerEvent(bytes(event.payload).decode()))


def _spec(model: Model) -> ModelSpec:
    capabilities = {Capability.text, Capability.tool_use}
    if model.supported_reasoning_levels:
        capabilities.add(Capability.reasoning)
    if "image" in model.input_modalities:
        capabilities.add(Capability.vision)
    if model.context_window is None:
        return ModelSpec(id=model.slug, capabilities=frozenset(capabilities))
    return ModelSpec(
        id=model.slug,
        capabilities=frozenset(capabilities),
        context_window=model.context_window,
    )


@contextmanager
def _as_transport_error() -> Generator[None, None, None]:
    try:
        yield
    except SignedinError as error:
        raise TransportError(error.message) from error


class ChatGPTError(ResponsesAPIError):
    """An answer that did not end well, as an axio ``StreamError``.

    ``__cause__`` is the error of signedin, which knows more: a
    `signedin.model.errors.UsageLimitError` has ``resets_at``, a
    `signedin.model.errors.RateLimitedError` has ``retry_after``.

    Args:
        error: What happened.

    Attributes:
        code: One of the words of `signedin.model.errors.ErrorKind`.
        status: The HTTP status, if the server gave one that says more than the code.
    """

    def __init__(self, error: SignedinError) -> None:
        status = error.status if isinstance(error, TurnFailedError) else None
        super().__init__(error.message, code=str(error.kind), status=status)
        self._kind = error.kind

    @property
    def recovery(self) -> Recovery:
        """What may help."""
        return _RECOVERY.get(self._kind, Recovery.unknown)
