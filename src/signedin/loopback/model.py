"""The loopback model: a script, played to every client."""

from __future__ import annotations

import asyncio
import gzip
import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self, TypeAlias
from urllib.parse import urlsplit

import msgspec

from signedin.loopback.api import ModelAPI
from signedin.loopback.chat_api import ChatAPI
from signedin.loopback.chatgpt_api import ChatGPTAPI
from signedin.loopback.clients import CLIENTS, VARIABLES, ClientOptions
from signedin.loopback.code_assist_api import CodeAssistAPI
from signedin.loopback.gemini_api import GeminiAPI
from signedin.loopback.journal import Gates, RequestLog
from signedin.loopback.messages_api import MessagesAPI
from signedin.loopback.playback import play, refuse, send_json
from signedin.loopback.player import NoReplyError, Player, Written, read_script
from signedin.loopback.request import Concealed, ModelRequest, Reading
from signedin.loopback.responses_api import ResponsesAPI
from signedin.loopback.script import Answer, HttpError, Refusal, Reply, as_reply
from signedin.loopback.server import HttpServer
from signedin.runtime.temporary import TemporaryFolder
from signedin.wire.http import HttpRequest, HttpResponse

APIS: Sequence[ModelAPI] = (
    ChatGPTAPI(),
    ResponsesAPI(),
    MessagesAPI(),
    GeminiAPI(),
    CodeAssistAPI(),
    ChatAPI(),
)
"""The model APIs that are served; a request goes to the first that calls it its own."""

OnRequest: TypeAlias = Callable[[ModelRequest], None]

_log = logging.getLogger("signedin.loopback")


class LoopbackModel:
    """A model server on 127.0.0.1 that answers from a script and records every request.

    Real agents run against it as they run against their vendor, without an account or a bill:

        with LoopbackModel("Hello from the script") as model:
            client = Client("codex", **model.client_options("codex"))
            assert client.run("Hi").text == "Hello from the script"
            assert model.requests[0].prompt == "Hi"

    It serves between `start` and `close`, which `with` and `async with` call.

    Waiting methods block: in a coroutine call them with `await asyncio.to_thread(…)`.

    Args:
        script: A script, the list of its default replies, the only reply, or a function that is
            given each request and returns the reply. The function is called on the server's event
            loop, so it must not block; to make an answer wait use `Hold`.
        on_request: Called with every request as it arrives, on the server's event loop.
        port: The port to bind; 0 for any free one.

    Raises:
        ScriptError: The script cannot be played.
    """

    def __init__(
        self,
        script: Written | Callable[[ModelRequest], Answer],
        *,
        on_request: OnRequest | None = None,
        port: int = 0,
    ) -> None:
        self._script = script if callable(script) else Player(script)
        self._on_request = on_request
        self._token = secrets.token_urlsafe(12)
        self._server = HttpServer(self._handle, port=port, prefix=f"/{self._token}/")
        self._journal = RequestLog()
        self._gates = Gates(self._server.call_soon)
        self._homes: TemporaryFolder | None = None
        self._problems: list[str] = []

    @classmethod
    def from_file(
        cls, path: str | Path, *, on_request: OnRequest | None = None, port: int = 0
    ) -> Self:
        """A model that plays the script in a YAML file; see `read_script`.

        Raises:
            OSError: The file cannot be read.
            ScriptError: It is not a script; the message names the place.
        """
        return cls(read_script(path), on_request=on_request, port=port)

    def start(self) -> Self:
        """Start to serve.

        Raises:
            OSError: The port cannot be bound.
        """
        self._server.start()
        return self

    def close(self) -> None:
        """Drop every connection, free the port and remove the agents' homes."""
        self._server.close()
        if self._homes is not None:
            self._homes.cleanup()
            self._homes = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self.start()

    async def __aexit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The address agents are given; its path is a token, without which nothing is answered.

        Raises:
            RuntimeError: The model does not serve.
        """
        return f"http://127.0.0.1:{self._server.port}/{self._token}"

    def client_options(self, provider: str) -> ClientOptions:
        """Keywords that make a `Client` of `provider` talk to this model only.

        The agent gets its own home without any login: an empty directory, private to this
        user, that is removed with the model.

        Raises:
            RuntimeError: The model does not serve.
            ValueError: There is no such provider here.
        """
        if provider not in CLIENTS:
            raise ValueError(
                f"the loopback model has no client options for {provider!r}; it has them for: "
                f"{', '.join(CLIENTS)}"
            )
        return CLIENTS[provider](self.url, self._home(provider.replace(":", "-")))

    def variables(self, provider: str | None = None) -> dict[str, str | None]:
        """Environment variables that make a whole program talk to this model.

        They do for a program that makes its clients itself, or starts the agents, what
        `client_options` does for one client. None takes a variable away. Logins of signedin's own
        are out of reach for the program.

        Args:
            provider: The only provider they are for; all if not given.

        Raises:
            RuntimeError: The model does not serve.
            ValueError: There is no such provider here.
        """
        if provider is not None and provider not in VARIABLES:
            raise ValueError(
                f"the loopback model has no variables for {provider!r}; it has them for: "
                f"{', '.join(VARIABLES)}"
            )
        home = self._home("program")
        found: dict[str, str | None] = {"SIGNEDIN_HOME": str(self._home("signedin"))}
        for name in VARIABLES if provider is None else [provider]:
            found |= VARIABLES[name](self.url, home)
        return found

    def _has_token(self, target: str) -> bool:
        return target.startswith(f"/{self._token}/")

    def _home(self, name: str) -> Path:
        if self._homes is None:
            self._homes = TemporaryFolder("loopback")
        home = Path(self._homes.name, name)
        home.mkdir(mode=0o700, exist_ok=True)
        return home

    @property
    def requests(self) -> tuple[ModelRequest, ...]:
        """Every request so far, in the order they arrived, unknown paths included."""
        return self._journal.requests

    @property
    def unanswered(self) -> tuple[str, ...]:
        """Which requests the script did not answer, and why."""
        return tuple(self._problems)

    def wait_for_request(self, number: int = 1, timeout: float = 10.0) -> ModelRequest:
        """Wait until `number` requests have arrived; returns the last of them.

        Raises:
            TimeoutError: They have not after `timeout` seconds.
        """
        return self._journal.wait_for_request(number, timeout)

    def wait_for_disconnect(self, number: int = 1, timeout: float = 10.0) -> ModelRequest:
        """Wait until `number` clients have gone away in the middle of an answer.

        Returns:
            The request of the last of them.

        Raises:
            TimeoutError: They have not after `timeout` seconds.
        """
        return self._journal.wait_for_disconnect(number, timeout)

    def wait_until_held(self, name: str, count: int = 1, timeout: float = 10.0) -> None:
        """Wait until `count` answers are held at the gate `name`.

        Raises:
            TimeoutError: They are not after `timeout` seconds.
        """
        self._gates.wait_until_held(name, count, timeout)

    def release(self, name: str) -> None:
        """Let the answers at `Hold(name)` continue, and those that get there later."""
        self._gates.release(name)

    def hold(self, name: str) -> None:
        """Hold answers at `Hold(name)` again, after it was released."""
        self._gates.hold(name)

    def assert_all_used(self) -> None:
        """Check that every reply of the script was given and every request found its reply.

        Raises:
            AssertionError: They were not; the message lists the replies and the requests.
        """
        unused = self._script.unused() if isinstance(self._script, Player) else []
        complaints = [*(f"{place} was never given" for place in unused), *self._problems]
        if complaints:
            raise AssertionError("\n".join(complaints))

    async def _handle(self, http: HttpRequest, response: HttpResponse) -> None:
        path = http.target.removeprefix(f"/{self._token}") if self._has_token(http.target) else ""
        route = urlsplit(path).path
        api = next((api for api in APIS if api.serves(http.method, route)), None)
        body, reading, unreadable = _read(api, path, http)
        concealed = Concealed.of(http.headers, path or http.target)
        request = ModelRequest(
            number=len(self.requests) + 1,
            received_at=time.time(),
            method=http.method,
            path=concealed.path,
            headers=concealed.headers,
            body=body,
            api=api.name if api else "",
            reading=reading,
            digests=concealed.digests,
        )
        self._journal.add(request)
        if self._on_request is not None:
            self._on_request(request)
        try:
            if api is None:
                await refuse(_not_served(request), response)
            elif unreadable:
                await refuse(
                    api.refusal(self._complaint(request, "unreadable", unreadable)), response
                )
            elif (known := api.unscripted(http.method, route)) is not None:
                await send_json(known, response, unless=http.headers.get("if-none-match"))
            else:
                await self._answer(request, api, response)
        except (asyncio.CancelledError, ConnectionError):
            self._journal.drop(request)
            raise

    async def _answer(self, request: ModelRequest, api: ModelAPI, response: HttpResponse) -> None:
        answer = self._scripted(request)
        if isinstance(answer, Reply):
            await play(answer, api.stream(request, answer), response, self._gates.passed)
        else:
            await refuse(api.refusal(answer), response)

    def _scripted(self, request: ModelRequest) -> Reply | Refusal:
        """The scripted answer, or the refusal that says why there is none."""
        try:
            if isinstance(self._script, Player):
                return self._script.choose(request)
            return as_reply(self._script(request))
        except NoReplyError as error:
            return self._complaint(request, "no_scripted_reply", str(error))
        except Exception as error:
            _log.exception("the script failed at request %d", request.number)
            return self._complaint(request, "script_failed", f"the script raised {error!r}")

    def _complaint(self, request: ModelRequest, code: str, message: str) -> HttpError:
        """Note a mistake of the test itself; refused with 400 because no agent tries that again."""
        self._problems.append(f"request {request.number}: {message}")
        return HttpError(400, message, code=code)


def _read(
    api: ModelAPI | None, path: str, http: HttpRequest
) -> tuple[Mapping[str, object], Reading, str]:
    """The body, what `api` reads in it, and why either cannot be read; empty when they can."""
    body: Mapping[str, object] = {}
    try:
        body = _decoded(http)
        return body, api.read(path, body) if api else Reading(), ""
    except ValueError as error:
        return body, Reading(), str(error)


def _decoded(http: HttpRequest) -> Mapping[str, object]:
    encoding = http.headers.get("content-encoding", "identity")
    match encoding:
        case "identity":
            plain = http.body
        case "gzip":
            try:
                plain = gzip.decompress(http.body)
            except (OSError, EOFError) as error:
                raise ValueError(f"the body is not gzip: {error}") from error
        case _:
            raise ValueError(
                f"bodies encoded as {encoding!r} cannot be read; send it plain or gzip"
            )
    return msgspec.json.decode(plain, type=dict[str, object]) if plain else {}


def _not_served(request: ModelRequest) -> HttpError:
    """What is said to a request that belongs to no API.

    Agents that try a WebSocket first continue over HTTP after a 426 (seen with codex 0.169).
    """
    if request.headers.get("upgrade", "").lower() == "websocket":
        message = "the loopback model speaks HTTP only"
        return HttpError(426, body={"error": {"message": message, "code": "upgrade_required"}})
    message = f"the loopback model serves nothing at {request.method} {request.path}"
    return HttpError(404, body={"error": {"message": message, "code": "not_found"}})
