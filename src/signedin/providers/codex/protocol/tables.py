"""Method tables whose types are imported when a method is first looked up."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Generic, TypeVar, cast

import msgspec

from .base import Incoming, Outgoing, decoder

Names = TypeVar("Names")
Types = TypeVar("Types")


class Request(msgspec.Struct, frozen=True):
    """The types of a request of ours and of its result; some requests have no params."""

    params: type[Outgoing] | None
    result: type[Incoming]


class ServerRequest(msgspec.Struct, frozen=True):
    """The types of a request of the server and of our answer."""

    params: type[Incoming]
    answer: type[Outgoing]


def _load(name: str) -> type[msgspec.Struct]:
    # The package knows in which module a type lives.
    return getattr(import_module(__name__.rpartition(".")[0]), name)


def _incoming(name: str) -> type[Incoming]:
    return cast("type[Incoming]", _load(name))


def _outgoing(name: str) -> type[Outgoing]:
    return cast("type[Outgoing]", _load(name))


class _Table(Mapping[str, Types], Generic[Names, Types]):
    """Method to its types, made of method to the names of its types."""

    def __init__(self, names: Mapping[str, Names]) -> None:
        self._names = names

    def __getitem__(self, method: str) -> Types:
        return self._types(self._names[method])

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def _types(self, names: Names) -> Types:
        raise NotImplementedError


class Requests(_Table[tuple[str | None, str], Request]):
    """What the client may ask."""

    def _types(self, names: tuple[str | None, str]) -> Request:
        params, result = names
        return Request(_outgoing(params) if params else None, _incoming(result))


class ServerRequests(_Table[tuple[str, str], ServerRequest]):
    """What the server may ask."""

    def _types(self, names: tuple[str, str]) -> ServerRequest:
        params, answer = names
        return ServerRequest(_incoming(params), _outgoing(answer))


class Notifications(_Table[str, type[Incoming]]):
    """What the server reports."""

    def __init__(self, names: Mapping[str, str]) -> None:
        super().__init__(names)
        self._decoders: dict[str, msgspec.json.Decoder[Incoming]] = {}

    def _types(self, names: str) -> type[Incoming]:
        return _incoming(names)

    def decoder(self, method: str) -> msgspec.json.Decoder[Incoming] | None:
        """The decoder of the params of a method; None if the method is unknown."""
        known = self._decoders.get(method)
        if known is None and method in self._names:
            known = self._decoders[method] = decoder(self[method])
        return known
