"""ChatGPT's Responses backend over HTTP: answers, models and limits. Usable without a client.

async with ChatGPTTransport(access, profile=SIWC) as transport:
    request = ResponseRequest(model="gpt-5.5", input=[user_message("Hello")])
    async with transport.answer(request) as answer:
        async for event in answer:
            print(event.text, end="")
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, suppress
from typing import TYPE_CHECKING, Self

import msgspec

from signedin.accounts.files import UNDECODABLE
from signedin.model.errors import InvalidOptionError, SignedinError, UnsupportedOptionError
from signedin.model.events import Event, OtherEvent, RateLimitEvent, RateLimits, RetryEvent, Usage
from signedin.model.retry import Retry, is_retryable
from signedin.providers.chatgpt.connection import IDLE_TIMEOUT, Connection
from signedin.providers.chatgpt.failure import unavailable
from signedin.providers.chatgpt.limits import limits_in_headers, limits_in_usage
from signedin.providers.chatgpt.messages import FunctionCall
from signedin.providers.chatgpt.models import CLIENT_VERSION, Catalogue, Model
from signedin.providers.chatgpt.normalise import AnswerNormaliser
from signedin.providers.chatgpt.requests import ResponseRequest
from signedin.providers.chatgpt.sign_in.access import AccessSource
from signedin.providers.chatgpt.sign_in.profiles import SIWC, Profile
from signedin.providers.chatgpt.sign_in.settings import SignInSettings
from signedin.providers.chatgpt.sign_in.stored_login import StoredLogin
from signedin.runtime.aio import finish
from signedin.wire.jsonl import encode, well_formed
from signedin.wire.sse import EventSplitter

if TYPE_CHECKING:
    from signedin.cassettes.cassette import Cassette
    from signedin.cassettes.exchanges import HttpReply

RETRY = Retry(max_retries=4, backoff=0.5, backoff_max=30.0, jitter=0.5)
"""How a request is retried whose answer has not begun."""

LONGEST_PAUSE = 60.0
"""Seconds. A request is not retried if the server demands a longer pause."""

TAIL_SECONDS = 0.5
"""How long a server may take to end a response after the last event of the answer."""


class ChatGPTTransport:
    """Speaks to one backend with one login; belongs to the event loop of its first request.

    Args:
        access: Returns the login's tokens.
        profile: How the login was signed in, and so which backend answers.
        retry: How a request is retried whose answer has not begun. Only transient failures are
            retried, and never a plan that is used up.
        idle_timeout: Seconds that may pass without a byte.
        client_version: Version of Codex whose models are listed; newer ones are held back.
        cassette: What the requests are recorded into, or played from.

    Attributes:
        limits_seen: What the latest answer reported about the plan.
    """

    def __init__(
        self,
        access: AccessSource,
        *,
        profile: Profile = SIWC,
        retry: Retry = RETRY,
        idle_timeout: float = IDLE_TIMEOUT,
        client_version: str = CLIENT_VERSION,
        cassette: Cassette | None = None,
    ) -> None:
        self._connection = Connection(access, profile, idle_timeout=idle_timeout, cassette=cassette)
        self._profile = profile
        self._retry = retry
        self._catalogue = Catalogue(self._connection, client_version)
        self.limits_seen: RateLimits | None = None

    @classmethod
    async def signed_in(
        cls, account: str | None = None, *, idle_timeout: float = IDLE_TIMEOUT
    ) -> Self:
        """Returns a transport with the login that ``signedin auth login`` has stored.

        Args:
            account: Name of the login, if it has one.
            idle_timeout: Seconds that may pass without a byte.

        Raises:
            AuthRequiredError: Not signed in.
        """
        stored_login = StoredLogin(account, SignInSettings())
        return cls(stored_login, profile=await stored_login.profile(), idle_timeout=idle_timeout)

    def answer(self, request: ResponseRequest) -> AnswerStream:
        """Returns an answer; the request is sent when it is entered or iterated."""
        return AnswerStream(self, self._connection, request, self._retry)

    async def account(self) -> str | None:
        """Returns the id of the account that asks, if the login names one.

        Raises:
            AuthRequiredError: Not signed in.
        """
        return await self._connection.account()

    async def models(self) -> list[Model]:
        """Returns the models of the account, the preferred one first.

        Raises:
            SignedinError: They cannot be loaded, and are not cached.
        """
        return await self._catalogue.models()

    async def default_model(self) -> str:
        """Returns the slug of the preferred model.

        Raises:
            SignedinError: The models cannot be loaded, or none is preferred.
        """
        models = await self.models()
        if not models or models[0].priority is None:
            known = ", ".join(model.slug for model in models) or "none"
            raise InvalidOptionError(
                f"ChatGPT does not report a default model; choose one with model=: {known}"
            )
        return models[0].slug

    async def limits(self) -> RateLimits:
        """Requests the remaining quota of the plan, or returns what the latest answer reported.

        Raises:
            UnsupportedOptionError: The backend of this profile has no endpoint for it, and no
                answer has reported anything yet.
            SignedinError: The request failed.
        """
        base = self._connection.base_url.removesuffix("/codex")
        if base == self._connection.base_url:
            if self.limits_seen is not None:
                return self.limits_seen
            raise UnsupportedOptionError(
                "chatgpt", "limits", f"the profile {self._profile.name!r} has no endpoint for them"
            )
        url = f"{base}/wham/usage"
        async with self._connection.request("GET", url, {}) as response:
            body = await self._connection.read(response)
        try:
            return limits_in_usage(body)
        except UNDECODABLE as error:
            raise unavailable(f"the plan's limits could not be read: {_shown(error)}") from error

    async def aclose(self) -> None:
        """Closes all connections. Idempotent."""
        await self._connection.aclose()

    def context_window(self, model: str) -> int | None:
        """Returns how many tokens a model reads, as far as that is known without asking."""
        return self._catalogue.context_window(model)

    def record_headers(self, response: HttpReply) -> list[Event]:
        """Records what the headers of an answer report."""
        self._catalogue.seen(response.headers.get("X-Models-Etag"))
        limits = limits_in_headers(response.headers)
        if limits is None:
            return []
        self.limits_seen = limits
        reported = {
            name: text for name, text in response.headers.items() if "x-codex" in name.lower()
        }
        payload = msgspec.Raw(encode(reported))
        return [RateLimitEvent(limits=limits, timestamp=time.time(), payload=payload)]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"ChatGPTTransport({self._connection.base_url!r}, profile={self._profile.name!r})"


class AnswerStream:
    """A streaming answer, made by `ChatGPTTransport.answer`: an async iterator of events.

    It is to be used in an ``async with`` block.

    It raises the error of an answer that did not end well, after all that was received.

    Attributes:
        turn_state: What further requests of the same turn have to carry.
    """

    def __init__(
        self,
        transport: ChatGPTTransport,
        connection: Connection,
        request: ResponseRequest,
        retry: Retry,
    ) -> None:
        self._transport = transport
        self._connection = connection
        self._request = request
        self._retry = retry
        self._normaliser = AnswerNormaliser()
        self._batches = self._attempts()
        self._early: list[Event] = []
        self.turn_state = request.turn_state

    @property
    def items(self) -> list[msgspec.Raw]:
        """The complete items of the answer so far, to be sent back in the next request."""
        return self._normaliser.items

    @property
    def calls(self) -> list[FunctionCall]:
        """The functions the model wants to have called."""
        return self._normaliser.calls

    @property
    def usage(self) -> Usage | None:
        """Tokens of the answer, once it has ended."""
        return self._normaliser.usage

    @property
    def id(self) -> str | None:
        """The answer's id, once known."""
        return self._normaliser.response_id or None

    @property
    def model(self) -> str | None:
        """The model that answers, once known."""
        return self._normaliser.model or None

    def batches(self) -> AsyncIterator[list[Event]]:
        """Iterates over what arrives together, where event by event is too slow."""
        return self._batches

    async def aclose(self) -> None:
        """Stops the answer if it is still streaming. Idempotent."""
        await finish(self._batches.aclose())
        self._normaliser.broken_off()

    async def __aiter__(self) -> AsyncIterator[Event]:
        async for batch in self._batches:
            for event in batch:
                yield event

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def _attempts(self) -> AsyncGenerator[list[Event], None]:
        attempt = 0
        while True:
            attempt += 1
            self._normaliser, self._early = AnswerNormaliser(), []
            seen = False
            try:
                async with aclosing(self._attempt()) as batches:
                    async for batch in batches:
                        seen = True
                        yield batch
            except SignedinError as error:
                delay = self._retry.delay(attempt, error)
                is_last = seen or attempt > self._retry.max_retries or delay > LONGEST_PAUSE
                if is_last or not is_retryable(error, self._retry):
                    if self._early:
                        yield self._early
                    raise
                yield [_retry_event(error.message, attempt, delay)]
                await asyncio.sleep(delay)
            else:
                return

    async def _attempt(self) -> AsyncGenerator[list[Event], None]:
        """Sends one request. Events before the first content wait, so it can be retried."""
        splitter, normaliser = EventSplitter(), self._normaliser
        async with AsyncExitStack() as stack:
            response = await stack.enter_async_context(self._asked())
            self.turn_state = response.headers.get("x-codex-turn-state", self.turn_state)
            self._early = self._transport.record_headers(response)
            is_early = True
            chunks = await stack.enter_async_context(aclosing(self._connection.chunks(response)))
            async for chunk in chunks:
                events = normaliser.events(splitter.feed(chunk))
                if is_early:
                    events = self._early = [*self._early, *events]
                    is_early = not any(map(_is_content, events))
                if events and not is_early:
                    self._early = []
                    yield events
                if normaliser.ended:
                    await _drain(chunks)
                    break
            else:
                self._early += normaliser.events(splitter.close())
        if normaliser.failure:
            raise normaliser.failure
        if not normaliser.ended:
            raise unavailable("the answer broke off before it was complete")
        if self._early:
            yield self._early

    def _asked(self) -> AbstractAsyncContextManager[HttpReply]:
        url = f"{self._connection.base_url}/responses"
        request = self._request
        return self._connection.request("POST", url, request.headers(), request.body())


async def _drain(chunks: AsyncGenerator[bytes, None]) -> None:
    """Reads the end of a response, without which its connection could not be used again."""
    with suppress(TimeoutError, SignedinError):
        async with asyncio.timeout(TAIL_SECONDS):
            async for _ in chunks:
                pass


def _is_content(event: Event) -> bool:
    return not isinstance(event, OtherEvent | RateLimitEvent)


def _retry_event(reason: str, attempt: int, delay: float) -> RetryEvent:
    return RetryEvent(text=reason, attempt=attempt, delay=delay, timestamp=time.time())


def _shown(error: Exception) -> str:
    return well_formed(str(error))
