"""The keys of ``provider_options`` for requests; those for signing in are in `sign_in.settings`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar, cast

import msgspec

from signedin.model.errors import AuthRequiredError, InvalidOptionError, UnsupportedOptionError
from signedin.model.options import VENDOR_DEFAULT, TurnOptions
from signedin.providers.chatgpt.claims import read_claims
from signedin.providers.chatgpt.failure import SIGN_IN
from signedin.providers.chatgpt.models import CLIENT_VERSION
from signedin.providers.chatgpt.requests import Verbosity
from signedin.providers.chatgpt.sign_in.access import Access, AccessSource, is_token
from signedin.providers.chatgpt.sign_in.hosts import check_trusted
from signedin.providers.chatgpt.sign_in.settings import SIGN_IN_OPTIONS
from signedin.providers.chatgpt.transport import RETRY

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

_LARGEST_COUNT = 1000

T = TypeVar("T")


class TurnSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of a request that have no keyword.

    Attributes:
        verbosity: How much to say: ``low``, ``medium`` or ``high``.
        service_tier: Such as ``priority``.
        reasoning_summary: ``auto``, ``concise``, ``detailed`` or ``none``.
        tool_choice: ``auto``, ``none``, ``required``, or a tool in the form of the API.
        parallel_tool_calls: Whether an answer may have several calls.
        prompt_cache_key: Finds the cache again; the conversation's id if not given.
        web_search: Whether the model may search the web, on OpenAI's side.
        max_requests: How often one turn may ask the model, the first time included.
    """

    verbosity: Verbosity | None = None
    service_tier: str | None = None
    reasoning_summary: str = "auto"
    tool_choice: str | dict[str, object] = "auto"
    parallel_tool_calls: bool = True
    prompt_cache_key: str | None = None
    web_search: bool = False
    max_requests: int = 50


class ClientSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Which backend is asked, with which access.

    Attributes:
        access: An access token or an `AccessSource`, instead of the stored login.
        base_url: The backend, instead of the profile's.
        client_version: Version of Codex whose models are listed.
        request_max_retries: How often a request is retried whose answer has not begun.
        sessions: Folder of the conversations, instead of signedin's own.
    """

    access: object = None
    base_url: str | None = None
    sessions: str | None = None
    client_version: str = CLIENT_VERSION
    request_max_retries: int = RETRY.max_retries

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
            f"ChatGPT refused the access token that was given. Sign in with: {SIGN_IN}"
        )

    def __repr__(self) -> str:
        return "GivenToken(***)"


_TURN = frozenset(TurnSettings.__struct_fields__)
CLIENT_OPTIONS = frozenset(ClientSettings.__struct_fields__)
"""Keys that apply when a session begins."""


def turn_settings(options: TurnOptions) -> TurnSettings:
    """Reads the settings of a request.

    Raises:
        UnsupportedOptionError: There is no such option, or the backend refuses it.
        InvalidOptionError: A value cannot be used.
    """
    _check(options)
    settings = _read(options.provider_options, _TURN, TurnSettings)
    if not 1 <= settings.max_requests <= _LARGEST_COUNT:
        raise InvalidOptionError(f"max_requests must be 1 to {_LARGEST_COUNT}")
    return settings


def client_settings(options: TurnOptions) -> ClientSettings:
    """Reads the settings of a client.

    Raises:
        InvalidOptionError: A value cannot be used, or a token would go to an untrusted host.
    """
    settings = _read(options.provider_options, CLIENT_OPTIONS, ClientSettings)
    if settings.base_url is not None:
        check_trusted(settings.base_url)
    if isinstance(settings.access, str) and not is_token(settings.access):
        raise InvalidOptionError("access contains characters that cannot be in a token")
    if settings.access is not None and not isinstance(settings.access, str):
        for method in ("current", "renewed"):
            if not callable(getattr(settings.access, method, None)):
                raise InvalidOptionError("access must be an access token or an AccessSource")
    if not 0 <= settings.request_max_retries <= _LARGEST_COUNT:
        raise InvalidOptionError(f"request_max_retries must be 0 to {_LARGEST_COUNT}")
    return settings


def chosen(value: str | None) -> str | None:
    """Returns a model or effort, ``None`` if the choice is left to the vendor."""
    return None if value == VENDOR_DEFAULT else value


def _check(options: TurnOptions) -> None:
    if options.env:
        raise UnsupportedOptionError("chatgpt", "env", "there is no process to give it to")
    for name in options.provider_options:
        if name in REFUSED_BY_BACKEND:
            raise UnsupportedOptionError("chatgpt", name, "the backend does not accept it")
        if name not in _TURN | CLIENT_OPTIONS | SIGN_IN_OPTIONS:
            known = ", ".join(sorted(_TURN | CLIENT_OPTIONS | SIGN_IN_OPTIONS))
            raise UnsupportedOptionError("chatgpt", name, f"the options are: {known}")


def _read(given: Mapping[str, object], names: frozenset[str], kind: type[T]) -> T:
    fields = {name: value for name, value in given.items() if name in names}
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise InvalidOptionError(f"provider_options: {error}") from None
