"""Requests to the sign-in servers. Their answers are never shown, since they hold tokens."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from signedin import __version__
from signedin.accounts.files import UNDECODABLE
from signedin.model.errors import ErrorKind, SignedinError, kind_of_status
from signedin.model.extras import from_extra
from signedin.providers.chatgpt.claims import finite, mapping_of
from signedin.providers.chatgpt.limits import number_in
from signedin.providers.chatgpt.proxies import proxy_for
from signedin.providers.chatgpt.sign_in.hosts import check_trusted

if TYPE_CHECKING:
    import httpx2

REQUEST_SECONDS = 30.0
"""How long one request may take in all."""

_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class SignInServerError(SignedinError):
    """OpenAI's sign-in could not be reached, or failed; the login is as it was."""

    def __init__(self, message: str, kind: ErrorKind) -> None:
        self.kind = kind
        super().__init__(message)


class HttpAnswer(msgspec.Struct, frozen=True):
    """The answer of a server.

    Attributes:
        status: The HTTP status.
        fields: Its JSON object; empty if it is not one.
    """

    status: int
    fields: Mapping[str, object]

    @property
    def code(self) -> str:
        """Its error code, wherever that is; the status if there is none."""
        error = self.fields.get("error")
        for found in (mapping_of(error).get("code"), error, self.fields.get("code")):
            if isinstance(found, str) and _CODE.fullmatch(found):
                return found
        return f"HTTP status {self.status}"

    def text(self, name: str) -> str | None:
        """Returns a field that is text and not empty."""
        value = self.fields.get(name)
        return value if isinstance(value, str) and value else None

    def number(self, name: str) -> float | None:
        """Returns a field that is a finite number, or the text of one."""
        value = self.fields.get(name)
        return number_in(value) if isinstance(value, str) else finite(value)

    def check(self) -> None:
        """Raises unless the request succeeded.

        Raises:
            SignInServerError: The server failed, or is busy.
        """
        if self.status == 200:
            return
        passes = self.status == 429 or self.status >= 500
        kind = kind_of_status(self.status) if passes else ErrorKind.PROTOCOL
        raise SignInServerError(f"the sign-in server answered: {self.code}", kind)

    def __repr__(self) -> str:
        return f"Answer(status={self.status})"


async def get(url: str) -> HttpAnswer:
    """Requests something public.

    Raises:
        SignInServerError: There was no answer.
        SignedinError: The proxy cannot be used.
    """
    return await _ask("GET", url, None, None, REQUEST_SECONDS)


async def post_form(url: str, form: Mapping[str, str]) -> HttpAnswer:
    """Posts a form.

    Raises:
        SignInServerError: There was no answer.
        SignedinError: The proxy cannot be used.
    """
    return await _ask("POST", url, form, None, REQUEST_SECONDS)


async def post_json(
    url: str, fields: Mapping[str, str], *, seconds: float = REQUEST_SECONDS
) -> HttpAnswer:
    """Posts JSON.

    Raises:
        SignInServerError: There was no answer.
        SignedinError: The proxy cannot be used.
    """
    return await _ask("POST", url, None, fields, seconds)


async def _ask(
    method: str,
    url: str,
    form: Mapping[str, str] | None,
    json: Mapping[str, str] | None,
    seconds: float,
) -> HttpAnswer:
    with from_extra("chatgpt", "signing in to chatgpt"):
        import httpx2  # noqa: PLC0415 - 100 ms, and only needed to sign in or refresh

    host = httpx2.URL(check_trusted(url)).host
    proxy = proxy_for(url)
    try:
        async with (
            asyncio.timeout(seconds),
            httpx2.AsyncClient(
                # A redirect would carry the secrets of the body to its target.
                follow_redirects=False,
                timeout=seconds,
                headers=_HEADERS,
                # It takes certificates from the environment, and no other proxy.
                transport=httpx2.AsyncHTTPTransport(proxy=proxy),
            ) as client,
        ):
            response = await client.request(method, url, data=form, json=json)
    except TimeoutError:
        message = f"{host} did not answer within {seconds:g} s"
        raise SignInServerError(message, ErrorKind.NETWORK) from None
    except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError, ValueError) as error:
        message = f"{host} could not be asked: {type(error).__name__}"
        raise SignInServerError(message, ErrorKind.NETWORK) from None
    return _read(response)


def _read(response: httpx2.Response) -> HttpAnswer:
    if response.status_code == 403 and "html" in response.headers.get("content-type", ""):
        ray = response.headers.get("cf-ray")
        raise SignInServerError(
            f"{response.url.host} blocks this machine or network (HTTP status 403"
            + (f", ray {ray})" if ray else ")"),
            ErrorKind.NETWORK,
        )
    try:
        fields = msgspec.json.decode(response.content, type=dict[str, object])
    except UNDECODABLE:
        fields = {}
    return HttpAnswer(response.status_code, fields)


_HEADERS = {"Accept": "application/json", "User-Agent": f"signedin/{__version__}"}
