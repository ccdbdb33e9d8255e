"""Which models the account can use, as the backend reports them; no list is built in.

The form of the answer is that of the ChatGPT backend (codex 0.169), or that of api.openai.com.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlencode

import msgspec

from signedin.accounts.files import UNDECODABLE, write_private
from signedin.accounts.homes import cache_folder
from signedin.model.errors import ErrorKind, SignedinError, TurnFailedError
from signedin.model.results import ModelInfo
from signedin.providers.chatgpt.connection import Connection

CLIENT_VERSION = "0.169.0"
"""The version of Codex whose wire format is spoken here. Models that require a newer one are not
listed by the backend."""

FRESH = 3600.0
"""Seconds for which a list is not requested again, unless an answer reports that it has changed."""

_log = logging.getLogger("signedin.chatgpt")


class _Effort(msgspec.Struct, frozen=True):
    effort: str = ""


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A model, as the backend describes it; what it does not report is empty.

    Attributes:
        slug: The name for requests.
        display_name: What it is called.
        priority: Its place in a list; the lowest is the default. ``None`` where no model is
            preferred.
        visibility: ``list`` if users are meant to choose it.
        context_window: Tokens it reads at most by default.
        max_context_window: Tokens it could read.
        default_reasoning_level: The effort if none is chosen.
        supported_reasoning_levels: The efforts it supports.
        input_modalities: The inputs it accepts, such as ``text`` and ``image``.
    """

    slug: str
    display_name: str = ""
    priority: int | None = None
    visibility: str = "list"
    context_window: int | None = None
    max_context_window: int | None = None
    default_reasoning_level: str | None = None
    supported_reasoning_levels: tuple[_Effort, ...] = ()
    input_modalities: tuple[str, ...] = ()

    def info(self, *, default: bool) -> ModelInfo:
        """Returns the model in the common form."""
        return ModelInfo(
            id=self.slug,
            name=self.display_name or self.slug,
            efforts=tuple(level.effort for level in self.supported_reasoning_levels),
            default_effort=self.default_reasoning_level,
            default=default,
            images="image" in self.input_modalities,
        )


class _Entry(msgspec.Struct):
    id: str


class _ModelList(msgspec.Struct):
    models: Sequence[Model] = ()
    data: Sequence[_Entry] = ()


class _Known(msgspec.Struct, frozen=True):
    models: tuple[Model, ...]
    etag: str | None
    checked_at: float


class Catalogue:
    """The models of one account; requested once an hour, and cached on disk in between.

    Args:
        connection: To the backend.
        client_version: Models that require a newer Codex are not listed.
    """

    def __init__(self, connection: Connection, client_version: str) -> None:
        self._connection = connection
        self._client_version = client_version
        self._known: _Known | None = None
        self._is_outdated = False
        self._asking = asyncio.Lock()

    async def models(self) -> list[Model]:
        """Returns the models, the preferred one first.

        Raises:
            SignedinError: They cannot be loaded, and are not cached.
        """
        async with self._asking:
            return list((await self._up_to_date()).models)

    async def _up_to_date(self) -> _Known:
        file = await self._file()
        known = self._known or (None if self._connection.is_recorded else _read(file))
        if known is None or self._is_outdated or time.time() - known.checked_at > FRESH:
            try:
                known = await self._asked(known)
            except SignedinError as error:
                if known is None or not error.transient:
                    raise
                _log.warning("using an outdated list of models: %s", error)
            else:
                self._is_outdated = False
                if not self._connection.is_recorded:
                    _keep(file, known)
        self._known = known
        return known

    def seen(self, etag: str | None) -> None:
        """Records which version of the list an answer refers to."""
        if etag and self._known and etag != self._known.etag:
            self._is_outdated = True

    def context_window(self, slug: str) -> int | None:
        """Returns how much a model reads, as far as that is known without asking."""
        models = self._known.models if self._known else ()
        return next((model.context_window for model in models if model.slug == slug), None)

    async def _asked(self, known: _Known | None) -> _Known:
        url = f"{self._connection.base_url}/models?{urlencode(self._query)}"
        headers = {"If-None-Match": known.etag} if known and known.etag else {}
        async with self._connection.request("GET", url, headers) as response:
            if response.status == 304 and known is not None:
                return msgspec.structs.replace(known, checked_at=time.time())
            body = await self._connection.read(response)
            etag = response.headers.get("ETag")
        return _Known(_decoded(body), etag, time.time())

    async def _file(self) -> Path:
        whose = (self._connection.base_url, self._client_version, await self._connection.account())
        name = sha256(repr(whose).encode()).hexdigest()[:16]
        return cache_folder() / f"chatgpt-models-{name}.json"

    @property
    def _query(self) -> dict[str, str]:
        return {"client_version": self._client_version}


def _decoded(body: bytes) -> tuple[Model, ...]:
    try:
        answer = msgspec.json.decode(body, type=_ModelList)
    except UNDECODABLE as error:
        raise TurnFailedError(
            f"the list of models could not be read: {error}", ErrorKind.PROTOCOL
        ) from error
    models = answer.models or [Model(slug=entry.id) for entry in answer.data]
    return tuple(
        sorted(models, key=lambda model: (model.visibility != "list", model.priority or 0))
    )


def _read(file: Path) -> _Known | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=_Known)
    except (OSError, *UNDECODABLE):
        return None


def _keep(file: Path, known: _Known) -> None:
    try:
        write_private(file, msgspec.json.encode(known))
    except OSError as error:
        # A read-only home costs a request the next time, nothing else.
        _log.info("the list of models was not stored: %s", error)
