"""HTTP to one backend: credentials, time limits and failed responses."""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from signedin.model.errors import SignedinError
from signedin.model.extras import from_extra
from signedin.providers.chatgpt.failure import error_of_response, unavailable
from signedin.providers.chatgpt.proxies import proxy_for
from signedin.providers.chatgpt.sign_in.access import Access, AccessSource
from signedin.providers.chatgpt.sign_in.hosts import check_trusted
from signedin.providers.chatgpt.sign_in.profiles import APP_NAME, Profile
from signedin.providers.shared.environment import learn_secrets

if TYPE_CHECKING:
    import aiohttp

    from signedin.cassettes.cassette import Cassette
    from signedin.cassettes.exchanges import HttpReply

CONNECT_TIMEOUT = 15.0
"""Seconds until a connection must be established."""

IDLE_TIMEOUT = 300.0
"""Seconds that may pass without a byte. There is no limit for a complete answer."""

_LARGEST_ERROR = 64 * 1024
"""Bytes of a response that is an error which are read."""


class Connection:
    """Sends requests that carry a login; opened by the first of them.

    Tokens go to the backend's own address only: redirects are not followed.

    Args:
        access: Returns the login's tokens.
        profile: Which backend.
        idle_timeout: Seconds that may pass without a byte.
        cassette: What the requests are recorded into, or played from.
    """

    def __init__(
        self,
        access: AccessSource,
        profile: Profile,
        *,
        idle_timeout: float = IDLE_TIMEOUT,
        cassette: Cassette | None = None,
    ) -> None:
        self._cassette = cassette
        self.base_url = check_trusted(profile.base_url)
        self._access = access
        self._originator = profile.originator
        self._idle_timeout = idle_timeout
        self._session: aiohttp.ClientSession | None = None

    @property
    def is_recorded(self) -> bool:
        """Whether it has a cassette, which has all that is requested."""
        return self._cassette is not None

    async def account(self) -> str | None:
        """Returns the account that requests are for, if the login names one.

        Raises:
            AuthRequiredError: Not signed in.
        """
        return (await self._access.current()).account_id

    @asynccontextmanager
    async def request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> AsyncGenerator[HttpReply, None]:
        """Sends a request for the length of a ``with`` block.

        A token that is refused is renewed once.

        Args:
            method: The HTTP method.
            url: An address of the backend.
            headers: Headers besides those that every request has.
            body: JSON.

        Raises:
            AuthRequiredError: Not signed in, or the login is no longer accepted.
            SignedinError: The backend cannot be reached, or refused the request.
        """
        access = await self._access.current()
        response = await self._send(method, url, headers, body, access)
        if response.status == 401:
            response.close()
            access = await self._access.renewed(access)
            response = await self._send(method, url, headers, body, access)
        try:
            if response.status not in (200, 304) or response.content_type == "text/html":
                raise await self._refusal(response)
            yield response
        finally:
            response.close()

    async def chunks(self, response: HttpReply) -> AsyncGenerator[bytes, None]:
        """Yields data as it arrives.

        Raises:
            SignedinError: The connection broke, or nothing came for too long. All data before
                that was yielded.
        """
        try:
            async for chunk in response.chunks():
                yield chunk
        except OSError as error:
            raise self._broken(error) from error

    async def read(self, response: HttpReply) -> bytes:
        """Returns a complete body.

        Raises:
            SignedinError: The connection broke, or nothing came for too long.
        """
        return b"".join([chunk async for chunk in self.chunks(response)])

    async def aclose(self) -> None:
        """Closes all connections. Idempotent; a later request opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        access: Access,
    ) -> HttpReply:
        async def send() -> HttpReply:
            session = self._opened()
            with _only_os_errors():
                response = await session.request(
                    method,
                    url,
                    headers={**self._common_headers(access), **headers},
                    data=body,
                    allow_redirects=False,
                )
            return _Reply(response)

        try:
            if self._cassette is None:
                return await send()
            return await self._cassette.exchange(method, url, body, send)
        except OSError as error:
            raise self._broken(error) from error

    def _common_headers(self, access: Access) -> dict[str, str]:
        learn_secrets(os.environ)
        headers = {
            "Authorization": f"Bearer {access.token}",
            "originator": self._originator,
            # A compressed stream is held back by whoever compresses it.
            "Accept-Encoding": "identity",
        }
        if access.account_id:
            headers["ChatGPT-Account-ID"] = access.account_id
        if access.fedramp:
            headers["X-OpenAI-Fedramp"] = "true"
        return headers

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            with from_extra("chatgpt", "chatgpt"):
                import aiohttp  # noqa: PLC0415 - 0.15 s, and only HTTP needs it
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                timeout=aiohttp.ClientTimeout(
                    total=None,
                    sock_connect=CONNECT_TIMEOUT,
                    sock_read=self._idle_timeout,
                ),
                headers={"User-Agent": user_agent(), "Content-Type": "application/json"},
                proxy=proxy_for(self.base_url),
            )
        return self._session

    async def _refusal(self, response: HttpReply) -> SignedinError:
        body = bytearray()
        try:
            async for chunk in self.chunks(response):
                body += chunk
                if len(body) > _LARGEST_ERROR:
                    break
        except SignedinError:
            pass  # the part of the body that arrived is enough
        return error_of_response(response.status, response.headers, bytes(body))

    def _broken(self, error: Exception) -> SignedinError:
        host = urlsplit(self.base_url).netloc
        if isinstance(error, asyncio.TimeoutError):
            limit = f"{self._idle_timeout:g} s without a byte, or {CONNECT_TIMEOUT:g} s to connect"
            return unavailable(f"{host} did not answer in time (limits: {limit})")
        return unavailable(f"the connection to {host} failed: {error or type(error).__name__}")


class _Reply:
    """A response of aiohttp."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self.content_type = response.content_type
        self.close = response.close
        self._content = response.content

    async def chunks(self) -> AsyncIterator[bytes]:
        content = self._content
        try:
            with _only_os_errors():
                while chunk := await content.readany():
                    yield chunk
        except OSError:
            # aiohttp raises before it returns what arrived before the connection broke.
            content.set_exception(None)  # pyright: ignore[reportArgumentType]
            if rest := content.read_nowait():
                yield rest
            raise


@contextmanager
def _only_os_errors() -> Generator[None, None, None]:
    """Makes every error of aiohttp one of the system's."""
    import aiohttp  # noqa: PLC0415 - see Connection._opened

    try:
        yield
    except aiohttp.ClientError as error:
        if isinstance(error, OSError):
            raise
        raise ConnectionError(str(error) or type(error).__name__) from error


@cache
def user_agent() -> str:
    """Returns the user agent: this program and its version, and no other."""
    from importlib.metadata import version  # noqa: PLC0415 - 15 ms, and only HTTP needs it

    system = f"{platform.system()} {platform.machine()}"
    return f"{APP_NAME}/{version(APP_NAME)} (Python {platform.python_version()}; {system})"
