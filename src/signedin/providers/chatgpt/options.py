"""The keys of ``provider_options``; those for signing in are in `sign_in.settings`."""

from __future__ import annotations

import os
from typing import Annotated, cast
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from signedin.accounts.hints import typed_here
from signedin.accounts.variables import CHATGPT_LOOPBACK
from signedin.model.errors import AuthRequiredError, InvalidOptionError, UnsupportedOptionError
from signedin.model.options import TurnOptions
from signedin.providers.chatgpt.claims import read_claims
from signedin.providers.chatgpt.models import CLIENT_VERSION
from signedin.providers.chatgpt.requests import Verbosity
from signedin.providers.chatgpt.sign_in.access import Access, AccessSource, is_token
from signedin.providers.chatgpt.sign_in.hosts import check_trusted
from signedin.providers.chatgpt.sign_in.settings import SignInSettings
from signedin.providers.chatgpt.spec import SIGN_IN
from signedin.providers.chatgpt.transport import RETRY
from signedin.providers.shared.provider_options import Switch, Text

REFUSED_BY_BACKEND = frozenset(
    {
        "background",
        "conversation",
        "frequency_penalty",
        "max_output_tokens",
        "max_tokens",
        "max_tool_calls",
        "metadata",
        "moderation",
        "presence_penalty",
        "previous_response_id",
        "prompt",
        "prompt_cache_retention",
        "safety_identifier",
        "seed",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "top_logprobs",
        "top_p",
        "truncation",
        "user",
    }
)
"""Parameters of the Responses API that are answered with "Unsupported parameter", or are fixed."""


def _count_from(least: int) -> Meta:
    return Meta(ge=least, le=1000, description=f"be {least} to 1000")


class ChatGPTKeys(SignInSettings, frozen=True, kw_only=True):
    """The keys of ``provider_options``, with those for signing in.

    Attributes:
        access: An access token, or an object that gives them
            (``signedin.providers.chatgpt.AccessSource``), instead of the stored login.
        base_url: Another address of the backend: one of OpenAI's, or one on 127.0.0.1 for tests.
        client_version: Models that need a newer Codex than this are not listed.
        request_max_retries: How often a request is retried while nothing of its answer was
            received, 4 by default.
        sessions: Another folder for the conversations; the mode of one that exists is not changed.
        max_requests: How often one turn may ask the model, 50 by default; limits loops of tool
            calls.
        parallel_tool_calls: Whether an answer may have several calls.
        prompt_cache_key: Identifies the cache; by default the id of the conversation.
        reasoning_summary: ``auto`` (default), ``concise``, ``detailed`` or ``none``.
        service_tier: Such as ``priority``.
        tool_choice: ``auto``, ``none``, ``required``, or a tool in the form of the API. For the
            first request of a turn; the later ones have ``auto``, or ``none`` if that was given.
        verbosity: ``low``, ``medium`` or ``high``.
        web_search: Whether the model may search the web, on OpenAI's side.
    """

    refused = dict.fromkeys(REFUSED_BY_BACKEND, "the backend does not accept it")

    access: object = None
    base_url: Text | None = None
    client_version: Text = CLIENT_VERSION
    request_max_retries: Annotated[int, _count_from(0)] = RETRY.max_retries
    sessions: Text | None = None
    max_requests: Annotated[int, _count_from(1)] = 50
    parallel_tool_calls: Switch = True
    prompt_cache_key: Text | None = None
    reasoning_summary: Text = "auto"
    service_tier: Text | None = None
    tool_choice: Annotated[
        str | dict[str, object], Meta(description="be a string or a mapping")
    ] = "auto"
    verbosity: Annotated[Verbosity, Meta(description="be low, medium or high")] | None = None
    web_search: Switch = False

    def __post_init__(self) -> None:
        """Checks what could send a token to an untrusted host, and the access that was given.

        Raises:
            InvalidOptionError: One of them cannot be used.
        """
        if self.base_url is not None:
            check_trusted(self.base_url)
        if isinstance(self.access, str):
            if not is_token(self.access):
                raise InvalidOptionError("access contains characters that cannot be in a token")
        elif self.access is not None:
            for method in ("current", "renewed"):
                if not callable(getattr(self.access, method, None)):
                    raise InvalidOptionError("access must be an access token or an AccessSource")

    @property
    def fixed(self) -> tuple[object, ...]:
        """What counts when a session begins, and not later."""
        return tuple(getattr(self, name) for name in FIXED_OPTIONS)

    def source(self) -> AccessSource | None:
        """Returns the access that replaces the stored login, ``None`` if none was given."""
        if isinstance(self.access, str):
            return GivenToken(self.access)
        return cast("AccessSource | None", self.access)


class GivenToken(msgspec.Struct, frozen=True):
    """An `AccessSource` of one token that is never refreshed."""

    token: str

    async def current(self) -> Access:
        """Returns the token and the account in its claims."""
        claims = read_claims(self.token)
        return Access(self.token, claims.account_id, claims.fedramp)

    async def renewed(self, refused: Access) -> Access:
        """Cannot be done.

        Raises:
            AuthRequiredError: Always.
        """
        del refused
        raise AuthRequiredError(
            f"ChatGPT refused the access token that was given. Sign in with: {typed_here(SIGN_IN)}"
        )

    def __repr__(self) -> str:
        return "GivenToken(***)"


FIXED_OPTIONS = frozenset(
    {
        *SignInSettings.__struct_fields__,
        "access",
        "base_url",
        "client_version",
        "request_max_retries",
        "sessions",
    }
)
"""Keys that apply when a session begins."""


def read_keys(options: TurnOptions) -> ChatGPTKeys:
    """Returns the ``provider_options``.

    Raises:
        UnsupportedOptionError: The backend refuses an option.
        InvalidOptionError: There is no such option, a value cannot be used, or a token would go to
            an untrusted host.
    """
    if options.env:
        raise UnsupportedOptionError("chatgpt", "env", "there is no process to give it to")
    return ChatGPTKeys.read("chatgpt", {**_scripted(), **options.provider_options})


def _scripted() -> dict[str, object]:
    """Returns the options of a program that runs against a scripted model.

    No stored login goes there: the access is a placeholder.

    Raises:
        InvalidOptionError: The address is that of another machine.
    """
    url = os.environ.get(CHATGPT_LOOPBACK)
    if not url:
        return {}
    if urlsplit(url).hostname not in ("127.0.0.1", "::1", "localhost"):
        raise InvalidOptionError(f"{CHATGPT_LOOPBACK}={url} must be an address of this machine")
    return {"access": "loopback", "base_url": url, "request_max_retries": 0}
