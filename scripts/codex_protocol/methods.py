"""Which definitions the methods of the surface need, and which way each of them goes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from codex_protocol.model import Exchange
from codex_protocol.schema import GenerationError, Group, Protocol, Surface


@dataclass
class Methods:
    """The methods of the surface with the names of their definitions."""

    requests: dict[str, Exchange] = field(default_factory=dict[str, Exchange])
    notifications: dict[str, str] = field(default_factory=dict[str, str])
    server_requests: dict[str, Exchange] = field(default_factory=dict[str, Exchange])
    missing: list[str] = field(default_factory=list[str])

    def incoming(self, group: Group) -> Iterator[str]:
        """The definitions that the server sends in this group, in order of the surface."""
        yield from (self.requests[m].result for m in group.requests if m in self.requests)
        yield from (self.notifications[m] for m in group.notifications if m in self.notifications)
        for method in group.server_requests:
            exchange = self.server_requests.get(method)
            if exchange and exchange.params:
                yield exchange.params

    def outgoing(self, group: Group) -> Iterator[str]:
        """The definitions that the client sends in this group, in order of the surface."""
        for method in group.requests:
            exchange = self.requests.get(method)
            if exchange and exchange.params:
                yield exchange.params
        answered = (m for m in group.server_requests if m in self.server_requests)
        yield from (self.server_requests[m].result for m in answered)

    def docs(self) -> dict[str, str]:
        """What each of the definitions is to its methods."""
        uses: dict[tuple[str, str], list[str]] = {}
        for method, exchange in self.requests.items():
            uses.setdefault((exchange.params or "", "Params of"), []).append(method)
            uses.setdefault((exchange.result, "Result of"), []).append(method)
        for method, params in self.notifications.items():
            uses.setdefault((params, "Sent as"), []).append(method)
        for method, exchange in self.server_requests.items():
            uses.setdefault((exchange.params or "", "Asked as"), []).append(method)
            uses.setdefault((exchange.result, "Answer to"), []).append(method)
        return {
            name: f"{role} {', '.join(f'`{method}`' for method in methods)}."
            for (name, role), methods in uses.items()
        }


def resolve(protocol: Protocol, surface: Surface) -> Methods:
    """Looks up the methods of the surface.

    Raises:
        GenerationError: A method's result has no definition of the expected name.
    """
    found = Methods()
    for method in _sorted(group.requests for group in surface.groups):
        if method in protocol.requests:
            params = protocol.requests[method]
            found.requests[method] = _exchange(method, params, protocol, surface)
        else:
            found.missing.append(method)
    for method in _sorted(group.server_requests for group in surface.groups):
        if method in protocol.server_requests:
            params = protocol.server_requests[method]
            found.server_requests[method] = _exchange(method, params, protocol, surface)
        else:
            found.missing.append(method)
    for method in _sorted(group.notifications for group in surface.groups):
        params = protocol.notifications.get(method)
        if params is None:
            found.missing.append(method)
        else:
            found.notifications[method] = params
    return found


def _exchange(method: str, params: str | None, protocol: Protocol, surface: Surface) -> Exchange:
    result = surface.results.get(method) or (params or "").removesuffix("Params") + "Response"
    if result not in protocol.definitions:
        raise GenerationError(
            f"{protocol.version} has no definition {result!r} for the result of {method}:"
            " name it under [results] in the surface file"
        )
    return Exchange(params, result)


def _sorted(lists: Iterable[tuple[str, ...]]) -> list[str]:
    return sorted(method for methods in lists for method in methods)
