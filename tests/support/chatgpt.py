"""A backend of ChatGPT that sends whatever bytes a test wants, and logins for transports."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Self, TypeAlias

import msgspec

from signedin.loopback import LoopbackModel
from signedin.loopback.server import HttpServer
from signedin.model.errors import AuthRequiredError
from signedin.model.retry import Retry
from signedin.providers.chatgpt.sign_in.access import Access, AccessSource
from signedin.providers.chatgpt.sign_in.profiles import CODEX, Profile
from signedin.providers.chatgpt.transport import ChatGPTTransport
from signedin.wire.http import HttpRequest, HttpResponse

AT_ONCE = Retry(max_retries=4, backoff=0.0, jitter=0.0)
"""Tries again without waiting."""

EVENT_STREAM: Mapping[str, str] = MappingProxyType({"Content-Type": "text/event-stream"})

HANG = b"hang"
"""In the place of bytes: nothing more comes."""


class Sent(msgspec.Struct, frozen=True):
    """What the backend answers: bytes in pieces, and whether it hangs up in the middle."""

    pieces: Sequence[bytes] = ()
    status: int = 200
    headers: Mapping[str, str] = EVENT_STREAM
    is_cut: bool = False


Answering: TypeAlias = Callable[[HttpRequest], Sent]


class RawBackend:
    """Answers each request with what a function says, and remembers the requests."""

    def __init__(self, answer: Answering | Sent) -> None:
        self._answer = answer
        self._server = HttpServer(self._handle)
        self.requests: list[HttpRequest] = []

    @property
    def profile(self) -> Profile:
        """A profile of this backend."""
        url = f"http://127.0.0.1:{self._server.port}/backend-api/codex"
        return msgspec.structs.replace(CODEX, base_url=url)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    async def _handle(self, http: HttpRequest, response: HttpResponse) -> None:
        self.requests.append(http)
        sent = self._answer(http) if callable(self._answer) else self._answer
        await response.start(sent.status, sent.headers)
        for piece in sent.pieces:
            if piece is HANG:
                await asyncio.Event().wait()
            await response.write(piece)
        if not sent.is_cut:
            await response.finish()


class Tokens:
    """An `AccessSource` whose tokens are numbered; counts how often it was asked for a new one."""

    def __init__(self, renewals: int = 100) -> None:
        self.renewals = 0
        self._most = renewals

    async def current(self) -> Access:
        return Access(f"secret-token-{self.renewals}", "acct-1")

    async def renewed(self, refused: Access) -> Access:
        if self.renewals >= self._most:
            raise AuthRequiredError("the login has ended. Sign in with: …")
        if refused.token == f"secret-token-{self.renewals}":
            self.renewals += 1
        return await self.current()


@asynccontextmanager
async def transport_to(
    profile: Profile, access: AccessSource | None = None, **options: object
) -> AsyncIterator[ChatGPTTransport]:
    """A transport to a backend, which tries again without waiting."""
    settings = {"retry": AT_ONCE, **options}
    async with ChatGPTTransport(access or Tokens(), profile=profile, **settings) as transport:
        yield transport


def loopback_profile(model: LoopbackModel) -> Profile:
    """A profile whose backend is a loopback model."""
    return msgspec.structs.replace(CODEX, base_url=f"{model.url}/backend-api/codex")


def event(name: str, **fields: object) -> bytes:
    """One event as the backend writes it."""
    data = msgspec.json.encode({"type": name, **fields})
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)


def delta(text: str, item: str = "msg-1") -> bytes:
    return event("response.output_text.delta", item_id=item, output_index=0, delta=text)


def message(text: str, item: str = "msg-1") -> bytes:
    content = [{"type": "output_text", "text": text}]
    whole = {"type": "message", "id": item, "role": "assistant", "content": content}
    return event("response.output_item.done", output_index=0, item=whole)


def created() -> bytes:
    return event("response.created", response={"id": "resp-1", "status": "in_progress"})


def completed(**fields: object) -> bytes:
    response = {"id": "resp-1", "status": "completed", "output": [], **fields}
    return event("response.completed", response=response)


def failed(**error: object) -> bytes:
    return event("response.failed", response={"id": "resp-1", "status": "failed", "error": error})
